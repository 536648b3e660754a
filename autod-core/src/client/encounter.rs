//! Meeting a daemon: one hello, its answers, and the verdict about its build.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Connector;
use crate::daemon::{check_listener, peer};
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};
use crate::greet::{self, Ear, Heard};
use crate::identity::Build;
use crate::mux::{Socket, glance};
use crate::upgrade::Verdict;
use crate::wire::greeting::{Accept, Answer, Hello, Purpose, RejectCode, Rejection};

/// How often a daemon may hang up before it accepts, or be there after it was asked to go.
pub(super) const TRIES: u32 = 5;

/// Between two looks at a daemon that has said more often that it is closing.
const CLOSING_PAUSE: Duration = Duration::from_millis(10);

/// A connection on which a hello was said.
pub(crate) struct Spoken {
    stream: std::os::unix::net::UnixStream,
    unsent: Vec<u8>,
}

impl Spoken {
    /// Says a hello, as far as the socket takes it at once, to a listener of ours.
    fn say(
        stream: std::os::unix::net::UnixStream,
        hello: &Hello,
        sock: &std::path::Path,
    ) -> Result<Self> {
        check_listener(&peer(&stream)?, sock)?;
        let mut unsent = hello.to_bytes();
        // A failing write is not the last word: the daemon may have said why before it hung up.
        if let Ok(count) = std::io::Write::write(&mut &stream, &unsent) {
            unsent.drain(..count);
        }
        fault::pass(Point::CallerSaidHello);
        Ok(Self { stream, unsent })
    }

    /// The connection, if the kernel has taken all of the hello.
    pub(super) fn into_said(self) -> Option<std::os::unix::net::UnixStream> {
        self.unsent.is_empty().then_some(self.stream)
    }
}

/// A connection on which a greeting is over.
pub(crate) struct Line {
    pub(crate) stream: Socket,
    /// What came behind the greeting.
    pub(crate) rest: Vec<u8>,
}

/// What a connection attempt came to.
pub(super) enum Met {
    Daemon(Line, Accept),
    /// The daemon of this life has to make way for ours.
    Predecessor(u64),
    /// Start over.
    Nobody,
}

/// What follows from the end of a greeting.
pub(super) enum Weighed {
    Use(Accept),
    /// The daemon of this life has to make way for ours.
    Predecessor(u64),
    /// The daemon is about to end.
    Closing,
    /// The daemon hung up before it answered.
    HungUp,
}

/// How an attempt may go on.
#[derive(Default)]
pub(super) struct Attempts {
    pub(super) hung_up: u32,
    /// How often the daemon was closing.
    pub(super) closing: u32,
    /// How often a daemon that should make way was still there.
    pub(super) disobeyed: u32,
    /// A daemon of an older build may be replaced.
    pub(super) may_replace: bool,
    /// Whatever runs has to be replaced.
    pub(super) must_replace: bool,
    /// Progress is heard elsewhere.
    pub(super) quiet: bool,
}

/// The answer that ends a greeting.
pub(super) enum Greeted {
    Accepted(Accept),
    Rejected(Rejection),
    /// The daemon is about to end.
    Closing,
    /// The daemon hung up before it answered.
    HungUp,
    /// The answer to a question.
    Reported(String),
}

impl Connector<'_> {
    /// Says hello as a caller; does not wait for anything.
    pub(crate) fn speak(&self, stream: std::os::unix::net::UnixStream) -> Result<Spoken> {
        #[cfg(feature = "remote")]
        if let Some(hello) = self.forwarded {
            return Spoken::say(stream, hello, self.place.sock());
        }
        self.say(stream, Purpose::Session, 0)
    }

    /// Asks who is there, to put another one in its place. A daemon whose handlers block all its
    /// threads answers this one too.
    pub(super) fn probe(&self, stream: std::os::unix::net::UnixStream) -> Result<Spoken> {
        self.say(stream, Purpose::Probe, 0)
    }

    /// Says hello for this purpose, to the daemon of this life if that matters.
    pub(super) fn say(
        &self,
        stream: std::os::unix::net::UnixStream,
        purpose: Purpose,
        life: u64,
    ) -> Result<Spoken> {
        self.say_hello(stream, &self.introduction().hello(purpose, life))
    }

    pub(super) fn say_hello(
        &self,
        stream: std::os::unix::net::UnixStream,
        hello: &Hello,
    ) -> Result<Spoken> {
        Spoken::say(stream, hello, self.place.sock())
    }

    pub(super) async fn meet(&self, spoken: Spoken, attempts: &mut Attempts) -> Result<Met> {
        let (line, greeted) = self.listen(spoken, attempts.quiet).await?;
        match self.weigh(greeted, attempts)? {
            Weighed::Use(accept) => return Ok(Met::Daemon(line, accept)),
            Weighed::Predecessor(older) => return Ok(Met::Predecessor(older)),
            Weighed::Closing => {
                self.check_closing()?;
                // A daemon that says so closes its door right after. Who goes on saying it is not
                // asked for all that the processor gives.
                attempts.closing += 1;
                if attempts.closing > TRIES {
                    tokio::time::sleep(CLOSING_PAUSE).await;
                }
            }
            Weighed::HungUp => {
                attempts.hung_up += 1;
                self.check_manners(attempts.hung_up)?;
            }
        }
        // Lets a current-thread runtime run others between two attempts.
        tokio::task::yield_now().await;
        Ok(Met::Nobody)
    }

    /// What follows from the end of a greeting.
    pub(super) fn weigh(&self, greeted: Greeted, attempts: &Attempts) -> Result<Weighed> {
        match greeted {
            Greeted::Accepted(accept) => match self.judge(&accept.build, true, attempts) {
                Verdict::Use => Ok(Weighed::Use(accept)),
                Verdict::Replace => Ok(Weighed::Predecessor(accept.life)),
                Verdict::Refuse => Err(self.refused(&accept.build, accept.pid)),
            },
            Greeted::Rejected(rejection) if rejection.code == RejectCode::StartFailed => {
                // In the words of the starter's own error.
                let text =
                    format!("{} daemon failed to start: {}", self.place.app(), rejection.text);
                Err(Error::new(ErrorKind::StartFailed, text))
            }
            // Whatever it is, there is somebody to replace.
            Greeted::Rejected(rejection) if attempts.must_replace && rejection.life != 0 => {
                Ok(Weighed::Predecessor(rejection.life))
            }
            Greeted::Rejected(rejection) => {
                let other_shape = rejection.code == RejectCode::Fingerprint;
                if other_shape && self.judge(&rejection.build, false, attempts) == Verdict::Replace
                {
                    return Ok(Weighed::Predecessor(rejection.life));
                }
                Err(rejected(rejection))
            }
            Greeted::Closing => Ok(Weighed::Closing),
            Greeted::Reported(_) => Err(reported()),
            Greeted::HungUp => Ok(Weighed::HungUp),
        }
    }

    fn judge(&self, theirs: &str, same_shape: bool, attempts: &Attempts) -> Verdict {
        if attempts.must_replace {
            return Verdict::Replace;
        }
        let theirs = Build::parse(theirs);
        self.upgrade.judge(self.build, &theirs, same_shape, attempts.may_replace)
    }

    /// Listens until the answer is final.
    pub(super) async fn listen(&self, spoken: Spoken, quiet: bool) -> Result<(Line, Greeted)> {
        let Spoken { stream, unsent } = spoken;
        let mut ear = Ear::default();
        // A daemon that is awake answers at once; then nothing has to be waited for.
        let mut early = if unsent.is_empty() {
            glance(self.limits.busy_poll, || ear.answer_now(&stream))
        } else {
            None
        };
        let mut stream = Socket::new(stream)
            .map_err(|error| Error::system("cannot use the connection", error))?;
        if early.is_none()
            && !unsent.is_empty()
            && timeout(self.silence, greet::write_all(&mut stream, &unsent)).await.is_err()
        {
            return Err(self.unresponsive("does not read"));
        }
        let greeted = loop {
            let heard = match early.take() {
                Some(heard) => heard,
                None => match timeout(self.silence, ear.answer(&mut stream)).await {
                    Ok(heard) => heard,
                    Err(_) => return Err(self.unresponsive("does not answer")),
                },
            };
            match heard {
                Err(Heard::Nothing) => break Greeted::HungUp,
                Err(Heard::Error(error)) => return Err(error),
                Ok(Answer::Accept(accept)) => break Greeted::Accepted(accept),
                Ok(Answer::Closing) => break Greeted::Closing,
                Ok(Answer::Reject(rejection)) => break Greeted::Rejected(rejection),
                Ok(Answer::Report(report)) => break Greeted::Reported(report),
                Ok(Answer::Wait(_)) if quiet => {}
                Ok(Answer::Wait(text)) => self.tell(&text),
            }
        };
        Ok((Line { stream, rest: ear.into_rest() }, greeted))
    }

    /// Passes on how far a start is.
    pub(super) fn tell(&self, text: &str) {
        if let Some(progress) = &self.on_progress
            && !text.is_empty()
        {
            progress(text);
        }
    }

    /// The policy does not let us use this daemon.
    fn refused(&self, theirs: &str, pid: u32) -> Error {
        Error::new(
            ErrorKind::Mismatch,
            format!(
                "the daemon (pid {pid}) is of another build ({theirs}) than this program ({}); end \
                 it with `kill {pid}` and try again",
                self.build
            ),
        )
        .with_mend()
    }

    /// Whether there is time left for a daemon that is closing.
    pub(super) fn check_closing(&self) -> Result<()> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(self.unresponsive("is still closing"))
    }

    /// Whether somebody who has hung up so often may be asked again.
    pub(super) fn check_manners(&self, hung_up: u32) -> Result<()> {
        if hung_up < TRIES {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Lost,
            format!(
                "the daemon on {} hung up {TRIES} times before it accepted; its log is {}",
                self.place.sock().display(),
                self.place.log_path().display()
            ),
        )
        .with_mend())
    }
}

pub(crate) fn rejected(rejection: Rejection) -> Error {
    let kind = match rejection.code {
        RejectCode::Version | RejectCode::Service | RejectCode::Fingerprint => ErrorKind::Mismatch,
        RejectCode::StartFailed | RejectCode::Session => ErrorKind::StartFailed,
        RejectCode::Full => ErrorKind::Limit,
        RejectCode::Life | RejectCode::Other => ErrorKind::Protocol,
        RejectCode::NotRunning => ErrorKind::NotRunning,
        RejectCode::Denied => ErrorKind::Denied,
        RejectCode::Timeout => ErrorKind::Timeout,
        RejectCode::System => ErrorKind::System,
        RejectCode::Lost => ErrorKind::Lost,
    };
    Error::new(kind, rejection.text)
}

/// An answer to a question that was not asked.
pub(super) fn reported() -> Error {
    Error::new(ErrorKind::Protocol, "the daemon answers what it was not asked")
}
