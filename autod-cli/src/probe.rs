//! `autod probe`: whether a service would take a caller now, for whoever sends it callers.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use autod::{Readiness, control};
use serde_json::json;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::failure::{Done, Failure};
use crate::style::harmless;

const STARTERS: &str = "a command of its program starts it, or `autod up`";

/// Where a service answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Socket(PathBuf),
    /// Host and port, without TLS.
    Tcp(String),
    /// The daemon of this name.
    Name(String),
}

impl Address {
    /// For clap.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(address) = text.strip_prefix("tcp:") {
            return match address.rsplit_once(':') {
                Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
                    Ok(Self::Tcp(address.to_owned()))
                }
                _ => Err("a host and a port are missing, as in tcp:127.0.0.1:7443".to_owned()),
            };
        }
        if text.is_empty() {
            return Err("it is empty".to_owned());
        }
        Ok(if text.contains('/') { Self::Socket(text.into()) } else { Self::Name(text.to_owned()) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => path.display().fmt(f),
            Self::Tcp(address) => address.fmt(f),
            Self::Name(name) => write!(f, "the {name} daemon"),
        }
    }
}

pub(crate) struct Options {
    pub(crate) address: Address,
    /// Whether it lives is asked, and not whether it is ready.
    pub(crate) live: bool,
    pub(crate) json: bool,
    pub(crate) patience: Duration,
}

pub(crate) async fn run(options: &Options) -> Result<Done, Failure> {
    let readiness = timeout(options.patience, ask(&options.address)).await.map_err(|_| {
        let (address, patience) = (&options.address, options.patience.as_millis());
        Failure::no_answer(format!("{address} has not answered within {patience} ms"))
            .with_help("it hangs, or is no service of autod; `--timeout` gives it longer")
    })??;
    let (state, text) = match readiness {
        Readiness::Ready => ("ready", String::new()),
        Readiness::Starting(text) => ("starting", text),
        Readiness::Closing => ("closing", String::new()),
        _ => ("not ready", String::new()),
    };
    let mut out = std::io::stdout().lock();
    match (options.json, text.is_empty()) {
        (true, true) => writeln!(out, "{}", json!({"state": state}))?,
        (true, false) => writeln!(out, "{}", json!({"state": state, "progress": text}))?,
        (false, true) => writeln!(out, "{state}")?,
        (false, false) => writeln!(out, "{state}: {}", harmless(&text))?,
    }
    Ok(if state == "ready" || options.live { Done::Well } else { Done::WithFindings })
}

async fn ask(address: &Address) -> Result<Readiness, Failure> {
    let absent = |place: &dyn fmt::Display, error: std::io::Error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Failure::not_running(format!("nobody listens on {place}")).with_help(STARTERS)
        }
        _ => Failure::new(format!("cannot connect to {place}: {error}"))
            .with_help("look at the address, and who may go there"),
    };
    let unanswered = |error: autod::Error| Failure::from(error).about(address);
    let socket = match address {
        Address::Tcp(address) => {
            let stream =
                TcpStream::connect(address).await.map_err(|error| absent(address, error))?;
            return autod::readiness(stream).await.map_err(unanswered);
        }
        Address::Socket(path) => path.clone(),
        Address::Name(name) => {
            let targets = control::find().0;
            let known = targets.iter().find(|target| target.name() == *name);
            let known = known.map(|target| target.socket().to_owned());
            known.ok_or_else(|| {
                Failure::not_running(format!("{address} does not run, and nobody listens"))
                    .with_help(STARTERS)
            })?
        }
    };
    let stream =
        UnixStream::connect(&socket).await.map_err(|error| absent(&socket.display(), error))?;
    autod::readiness(stream).await.map_err(unanswered)
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_told_apart() {
        let parse = Address::parse;
        assert_eq!(parse("/run/journal/probe"), Ok(Address::Socket("/run/journal/probe".into())));
        assert_eq!(parse("./probe"), Ok(Address::Socket("./probe".into())));
        assert_eq!(parse("tcp:[::1]:7443"), Ok(Address::Tcp("[::1]:7443".to_owned())));
        assert_eq!(parse("counter"), Ok(Address::Name("counter".to_owned())));
        for wrong in ["", "tcp:", "tcp:host", "tcp::1", "tcp:host:http", "tcp:host:65536"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
