//! Daemons of other machines: one of them by the bridge that its own program is, and all that the
//! `autod` of that machine can do by running it there.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::time::Duration;

use autod::control::{Distant, Target, run_there};
use autod::json::Client;
use autod_console::status;
use clap::ArgMatches;
use clap::parser::ValueSource;
use serde_json::Value;

use crate::failure::{Done, Failure, USAGE};
use crate::name;
use crate::question::{self, opened};

/// How long a login may take, with a passphrase to be typed.
const LOGIN: Duration = Duration::from_secs(30);

/// Whether this names a program of another machine.
pub(crate) fn is_address(name: &str) -> bool {
    name.starts_with("ssh://")
}

/// What `--timeout` says, or else what a login may take.
pub(crate) fn patience(matches: &ArgMatches) -> Duration {
    match matches.try_get_one::<u64>("timeout") {
        Ok(Some(limit)) if matches.value_source("timeout") == Some(ValueSource::CommandLine) => {
            Duration::from_millis(*limit)
        }
        _ => LOGIN,
    }
}

/// Of commands that need more than the program's bridge.
pub(crate) fn not_from_here(address: &str) -> Failure {
    let rest = address.trim_start_matches("ssh://");
    let (host, _) = rest.split_once('/').unwrap_or((rest, ""));
    let scheme = if host.contains(':') { "ssh://" } else { "" };
    Failure::coded(
        USAGE,
        format!(
            "this takes no address of ssh; `--host {scheme}{host}` and the daemon's name let the \
             autod of that machine do it"
        ),
    )
}

/// Where a daemon is asked and called.
pub(crate) enum Place {
    Here(Box<Target>, Duration),
    There(Box<Distant>, String),
}

impl Place {
    /// The daemon of this name. One of another machine is started if that is wanted: its program is
    /// known.
    pub(crate) async fn find(
        name: &str,
        starts: bool,
        patience: Duration,
    ) -> Result<Self, Failure> {
        if !is_address(name) {
            let target = Box::new(name::find_daemon(name).await?);
            return Ok(Self::Here(target, patience));
        }
        let program = name["ssh://".len()..].split_once('/').map_or("", |(_, program)| program);
        if program.is_empty() {
            let text = format!("{name} names no program, as ssh://HOST/counter does");
            return Err(Failure::coded(USAGE, text));
        }
        let distant = Distant::reach(name, starts, patience).await?;
        Ok(Self::There(Box::new(distant), name.to_owned()))
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Here(target, _) => target.name(),
            Self::There(_, name) => name.clone(),
        }
    }

    pub(crate) async fn ask(&mut self, method: &str) -> Result<Value, Failure> {
        match self {
            Self::Here(target, patience) => question::ask(target, method, &[], *patience).await,
            Self::There(distant, name) => {
                let answer = distant.ask(method, &[]).await?;
                opened(&answer).map_err(|text| {
                    Failure::new(format!("{name} refuses to be asked for {method}: {text}"))
                })
            }
        }
    }

    /// Connects, to call methods by their names.
    pub(crate) async fn connect_untyped(self) -> autod::Result<Client> {
        match self {
            Self::Here(target, patience) => target.connect_untyped(patience).await,
            Self::There(distant, _) => distant.connect_untyped().await,
        }
    }
}

pub(crate) async fn status(name: &str, json: bool, patience: Duration) -> Result<Done, Failure> {
    let answer = Place::find(name, false, patience).await?.ask("status").await?;
    status::show(&answer, json)
}

/// Runs this command on another machine.
pub(crate) async fn run(host: &str, patience: Duration) -> Result<Done, Failure> {
    let words = without_host(std::env::args_os().skip(1));
    let (mut output, mut errors) = (io::stdout().lock(), io::stderr().lock());
    match run_there(host, words, patience, &mut output, &mut errors).await {
        Ok(0) => Ok(Done::Well),
        // It has said why.
        Ok(code) => Err(Failure::silent(code)),
        Err(error) => Err(unread(&error).unwrap_or_else(|| error.into())),
    }
}

/// Whether nobody reads what is printed any more, which is no error.
fn unread(error: &autod::Error) -> Option<Failure> {
    let cause = std::error::Error::source(error)?.downcast_ref::<io::Error>()?;
    (cause.kind() == ErrorKind::BrokenPipe).then(|| Failure::silent(0))
}

/// The arguments for the other machine, which are those of this command but for its `--host`.
fn without_host(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut kept = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--host") => drop(words.next()),
            Some(option) if option.starts_with("--host=") => {}
            Some("--") => {
                kept.push(word);
                kept.extend(words.by_ref());
            }
            _ => kept.push(word),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_machine_is_not_told_its_name() {
        let kept = |words: &[&str]| without_host(words.iter().map(OsString::from));
        assert_eq!(kept(&["ps", "--host", "box", "-a"]), ["ps", "-a"]);
        assert_eq!(kept(&["ps", "--host=box"]), ["ps"]);
        assert_eq!(kept(&["stop", "--host", "box", "--", "--host"]), ["stop", "--", "--host"]);
    }

    #[test]
    fn what_cannot_be_done_over_a_bridge_is_said_with_what_can() {
        for (address, host) in
            [("ssh://me@box/counter", "--host me@box`"), ("ssh://box:22", "--host ssh://box:22`")]
        {
            let text = not_from_here(address).to_string();
            assert!(text.contains(host), "{text}");
        }
    }
}
