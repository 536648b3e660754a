//! Which daemon an error is about, in words.

use std::fmt;
use std::path::PathBuf;

/// A daemon as its users know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Whom {
    name: String,
    /// Its socket, or its machine.
    at: Option<String>,
    /// What `autod` finds it by, if that is not its name.
    handle: Option<String>,
    log: Option<PathBuf>,
    reach: Reach,
}

/// From where `autod` finds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    Here,
    /// By ssh, as `--host` takes it.
    #[cfg(feature = "remote")]
    On(String),
    /// Nobody knows: a daemon of the same name here would be another one.
    #[cfg(feature = "remote")]
    Elsewhere,
}

impl Whom {
    /// A daemon of which no more is known than its name.
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Where it is.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        Self { at: Some(place.to_string()), ..self }
    }

    /// What `autod` finds it by, and where it writes its log.
    pub(crate) fn known_as(self, handle: impl fmt::Display, log: PathBuf) -> Self {
        Self { handle: Some(handle.to_string()), log: Some(log), ..self }
    }

    /// It is on a machine that ssh reaches.
    #[cfg(feature = "remote")]
    pub(crate) fn on(self, host: String) -> Self {
        Self { reach: Reach::On(host), ..self }
    }

    /// It is wherever the other end of a transport is.
    #[cfg(feature = "remote")]
    pub(crate) fn elsewhere(self) -> Self {
        Self { reach: Reach::Elsewhere, ..self }
    }

    /// What somebody types who does this to it.
    pub(super) fn command(&self, command: &str) -> String {
        let handle = self.handle.as_deref().unwrap_or(&self.name);
        let handle = if handle.is_empty() { "NAME" } else { handle };
        match &self.reach {
            Reach::Here => format!("`autod {command} {handle}`"),
            #[cfg(feature = "remote")]
            Reach::On(host) => format!("`autod {command} {handle} --host {host}`"),
            #[cfg(feature = "remote")]
            Reach::Elsewhere => format!("`autod {command} {handle}` where it runs"),
        }
    }

    /// How somebody reads its log.
    pub(super) fn log(&self) -> String {
        match &self.log {
            Some(path) if path.exists() => format!("its log is {}", path.display()),
            Some(_) => "it writes no log file: look where it was started".to_owned(),
            None => format!("{} shows its log", self.command("logs")),
        }
    }

    /// The words with which a text has to go on to name the daemon, if it does not yet.
    fn missing_in(&self, text: &str) -> Option<String> {
        let at = self.at.as_deref().filter(|at| !text.contains(at));
        match (mentions(text, &self.name), at) {
            (true, None) => None,
            (true, Some(at)) => Some(at.to_owned()),
            (false, None) => Some(self.name.clone()),
            (false, Some(_)) => Some(self.to_string()),
        }
    }

    /// Puts the daemon behind the finding of a message: before the lines of a log that it quotes.
    pub(super) fn name_in(&self, message: &mut String) {
        let Some(words) = self.missing_in(message) else { return };
        let line = message.find('\n').unwrap_or(message.len());
        let end = message[..line].trim_end_matches(':').len();
        message.insert_str(end, &format!(" ({words})"));
    }
}

/// Whether a text has this name as a word of its own; a short name is a part of many others.
fn mentions(text: &str, name: &str) -> bool {
    let is_apart = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(name).any(|(at, _)| {
        is_apart(text[..at].chars().next_back()) && is_apart(text[at + name.len()..].chars().next())
    })
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => write!(f, "{} on {at}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_the_daemon_once() {
        let whom = Whom::named("counter").at("/run/a/sock");
        let named = |text: &str| {
            let mut text = text.to_owned();
            whom.name_in(&mut text);
            let once = text.clone();
            whom.name_in(&mut text);
            assert_eq!(text, once, "it is named already");
            text
        };
        assert_eq!(named("add was cancelled"), "add was cancelled (counter on /run/a/sock)");
        assert_eq!(named("the counter daemon hangs"), "the counter daemon hangs (/run/a/sock)");
        assert_eq!(named("/run/a/sock is gone"), "/run/a/sock is gone (counter)");
        assert_eq!(
            named("counter failed; its log:\none; two"),
            "counter failed; its log (/run/a/sock):\none; two"
        );
        let short = Whom::named("a");
        for (text, expected) in [
            ("the call was cancelled", "the call was cancelled (a)"),
            ("the a daemon hangs", "the a daemon hangs"),
            ("a", "a"),
        ] {
            let mut text = text.to_owned();
            short.name_in(&mut text);
            assert_eq!(text, expected);
        }
        let mut text = "no disk".to_owned();
        Whom::named("counter").name_in(&mut text);
        assert_eq!(text, "no disk (counter)");
    }

    #[test]
    fn a_log_is_shown_where_there_is_one() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("log");
        let whom = Whom::named("counter").known_as("counter", log.clone());
        assert!(whom.log().contains("no log file"), "{}", whom.log());
        std::fs::write(&log, "").unwrap();
        assert_eq!(whom.log(), format!("its log is {}", log.display()));
    }

    #[test]
    fn nobody_is_told_to_end_a_daemon_of_this_machine_for_one_of_another() {
        use super::super::{Error, ErrorKind};
        let help = |whom: Whom| {
            let error = Error::new(ErrorKind::Timeout, "it hangs").of_daemon(|| whom);
            error.help()
        };
        let named = || Whom::named("counter");
        assert!(help(named()).ends_with("`autod stop --kill counter`"));
        #[cfg(feature = "remote")]
        {
            let there = help(named().elsewhere());
            assert!(there.ends_with("`autod stop --kill counter` where it runs"), "{there}");
            for (name, handle) in [("counter", "counter"), ("", "NAME")] {
                let far = help(Whom::named(name).at("me@box").on("ssh://me@box:2222".to_owned()));
                let command = format!("`autod stop --kill {handle} --host ssh://me@box:2222`");
                assert!(far.ends_with(&command), "{far}");
            }
        }
    }
}
