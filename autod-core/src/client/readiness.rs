//! Asking whether a service would accept a session now.

use tokio::io::{AsyncRead, AsyncWrite};

use super::encounter::rejected;
use crate::error::{Error, ErrorKind, Result};
use crate::greet::{self, Ear, Heard};
use crate::wire::greeting::{Answer, CallerFields, Hello, Purpose, VERSION};
use crate::wire::hello::SELF_DESCRIBING;
use crate::wire::limits::{Limits, Receives};

/// Whether a service would accept a session now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It would.
    Ready,
    /// Its `init` runs; this is what it last said.
    Starting(String),
    /// It is about to end, and answers the calls that run.
    Closing,
}

/// Asks whoever is at the other end of `io` whether a session would be accepted now.
///
/// Any service is asked, on the socket of a daemon or over what
/// [`Hosted::serve_over`](crate::Hosted::serve_over) or
/// [`Hosted::answer_probe`](crate::Hosted::answer_probe) is given. Whoever asks says nothing about
/// itself, is counted as no user, and makes no object of the service. There is no limit of time;
/// dropping the future closes the stream.
///
/// # Errors
///
/// The start failed, or the other end hangs up or does not speak the protocol.
pub async fn readiness<IO>(mut io: IO) -> Result<Readiness>
where
    IO: AsyncRead + AsyncWrite + Unpin,
{
    let hello = Hello {
        version: VERSION,
        purpose: Purpose::Readiness,
        service: String::new(),
        fingerprint: 0,
        build: String::new(),
        codec: SELF_DESCRIBING.to_owned(),
        receives: Receives::from(&Limits::default()),
        life: 0,
        offer: None,
        keep_alive: 0,
        caller: CallerFields::default(),
        control: String::new(),
    };
    // A failing write is not the last word: the other end may have said why before it hung up.
    let _ = greet::write_all(&mut io, &hello.to_bytes()).await;
    match Ear::default().answer(&mut io).await {
        Ok(Answer::Accept(_)) => Ok(Readiness::Ready),
        Ok(Answer::Wait(text)) => Ok(Readiness::Starting(text)),
        Ok(Answer::Closing) => Ok(Readiness::Closing),
        Ok(Answer::Reject(rejection)) => Err(rejected(rejection)),
        Ok(Answer::Report(_)) => {
            let text = "the other end reports instead of saying whether it is ready";
            Err(Error::new(ErrorKind::Protocol, text))
        }
        Err(Heard::Error(error)) => Err(error),
        Err(Heard::Nothing) => {
            let text = "the other end hung up before it said whether it is ready";
            Err(Error::new(ErrorKind::Lost, text))
        }
    }
}
