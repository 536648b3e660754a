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

    /// What `autod` finds it by.
    pub(super) fn handle(&self) -> &str {
        self.handle.as_deref().unwrap_or(&self.name)
    }

    /// How somebody reads its log.
    pub(super) fn log(&self) -> String {
        match &self.log {
            Some(path) => format!("its log is {}", path.display()),
            None => format!("`autod logs {}` shows its log", self.handle()),
        }
    }

    /// The words with which a text has to go on to name the daemon, if it does not yet.
    fn missing_in(&self, text: &str) -> Option<String> {
        let at = self.at.as_deref().filter(|at| !text.contains(at));
        match (text.contains(&self.name), at) {
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
        let mut text = "no disk".to_owned();
        Whom::named("counter").name_in(&mut text);
        assert_eq!(text, "no disk (counter)");
    }
}
