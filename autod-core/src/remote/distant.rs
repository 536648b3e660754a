//! A daemon of another machine, asked and called by whoever knows its service only by name.

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;

use super::dial::Dialed;
use super::request::Way;
use super::ssh::Ssh;
use crate::builder::Daemon;
use crate::client::{Introduction, rejected};
use crate::codec::Codec;
use crate::control::question;
use crate::error::{Error, ErrorKind, Result};
use crate::greet::{self, Ear, Heard};
use crate::service::Table;
use crate::settings::Settings;
use crate::wire::greeting::{Answer, Purpose};

/// A daemon of another machine, seen from outside: what the `autod` command does with
/// `ssh://HOST/PROGRAM`. One `ssh` carries all of it. Dropping it ends that.
pub struct Distant {
    dialed: Dialed,
    settings: Settings,
}

impl Distant {
    /// Runs `ssh`, and waits no longer than this for the program there. Unless it `starts` its
    /// daemon, only one that runs is asked; both happens with the first question.
    ///
    /// # Errors
    ///
    /// [`Error::is_unreachable`]: ssh did not come through. [`Error::is_start_failure`]: the program
    /// is not there, or knows nothing of remote connections.
    pub async fn reach(there: impl Into<Ssh>, starts: bool, limit: Duration) -> Result<Self> {
        // Whatever daemon the program there has.
        let there = there.into();
        let way = if starts { Way::Start } else { Way::Existing };
        let dialed = Dialed::reach(&there, way, "", limit).await?;
        let settings = Daemon::new("").remote(there).settings;
        Ok(Self { dialed, settings })
    }

    /// Asks the daemon one thing, as [`Target::ask`](crate::control::Target::ask) does.
    ///
    /// # Errors
    ///
    /// [`Error::is_not_running`]; [`Error::is_lost`]; those of the daemon's start.
    pub async fn ask(&mut self, method: &str, fields: &[(&str, &str)]) -> Result<String> {
        match self.put(question(method, fields)).await {
            Ok(report) => Ok(report),
            Err(error) => Err(self.settings.named(self.dialed.explained(error).await)),
        }
    }

    async fn put(&mut self, question: String) -> Result<String> {
        let gone = || Error::new(ErrorKind::Lost, "the other end hung up before it answered");
        let stream = self.dialed.stream.as_mut().ok_or_else(gone)?;
        let build = self.settings.build();
        let introduction = Introduction {
            table: &Table::NONE,
            codec: Codec::default(),
            limits: &self.settings.limits,
            build: &build,
            caller_env: &[],
            callbacks: None,
        };
        let mut hello = introduction.hello(Purpose::Control, 0);
        hello.control = question;
        // A failing write is not the last word: the other end may have said why before it hung up.
        let _ = greet::write_all(stream, &hello.to_bytes()).await;
        let silence = self.settings.silence_timeout;
        let silent = |_| Error::new(ErrorKind::Timeout, "the other end does not answer");
        let mut ear = Ear::default();
        loop {
            match timeout(silence, ear.answer(stream)).await.map_err(silent)? {
                Ok(Answer::Wait(_)) => {}
                Ok(Answer::Report(report)) => return Ok(report),
                Ok(Answer::Reject(rejection)) => return Err(rejected(rejection)),
                Ok(Answer::Accept(_) | Answer::Closing) => {
                    let text = "the other end takes a question for a call";
                    return Err(Error::new(ErrorKind::Protocol, text));
                }
                Err(Heard::Error(error)) => return Err(error),
                Err(Heard::Nothing) => return Err(gone()),
            }
        }
    }

    /// Connects to the daemon, to call its methods by name; starts it if that was wanted.
    ///
    /// # Errors
    ///
    /// Those of [`Daemon::connect_untyped`].
    #[cfg(feature = "json")]
    pub async fn connect_untyped(self) -> Result<crate::json::Client> {
        let joined = self.settings.join(self.dialed, &Table::NONE, Codec::Json).await;
        joined.map(crate::json::Client::new).map_err(|error| self.settings.named(error))
    }
}

impl fmt::Debug for Distant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Distant").field("dialed", &self.dialed).finish_non_exhaustive()
    }
}
