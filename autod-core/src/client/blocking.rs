//! Connecting without a runtime, as far as a daemon that runs has accepted; the rest is done where
//! there is one.

use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;

use super::encounter::{Attempts, Greeted, Spoken, Weighed};
use super::{CONNECTED, Connector, Contact, note_accepted};
use crate::error::{Error, Result};
use crate::greet::{Ear, Heard};
use crate::mux::blocking::Connection;
use crate::mux::{Origin, Shared, Side, glance};
use crate::wire::greeting::{Accept, Answer};
use crate::wire::limits::{Holds, Receives};

impl Connector<'_> {
    /// Hears the answer to a hello that was said before. `None`: more has to be done than that.
    pub(crate) fn finish_blocking(&self, spoken: Spoken) -> Result<Option<Connection>> {
        let may_replace = !CONNECTED.load(Ordering::Relaxed);
        let attempts = Attempts { may_replace, ..Attempts::default() };
        let Some(stream) = spoken.into_said() else { return Ok(None) };
        let mut ear = Ear::default();
        let mut early = glance(self.limits.busy_poll, || ear.answer_now(&stream));
        let greeted = loop {
            let heard = match early.take() {
                Some(heard) => heard.map(Some),
                None => ear.answer_within(&stream, self.silence),
            };
            match heard {
                Ok(None) => return Err(self.unresponsive("does not answer")),
                Ok(Some(Answer::Wait(text))) => self.tell(&text),
                Ok(Some(Answer::Accept(accept))) => break Greeted::Accepted(accept),
                Ok(Some(Answer::Closing)) => break Greeted::Closing,
                Ok(Some(Answer::Reject(rejection))) => break Greeted::Rejected(rejection),
                Ok(Some(Answer::Report(report))) => break Greeted::Reported(report),
                Err(Heard::Nothing) => break Greeted::HungUp,
                Err(Heard::Error(error)) => return Err(error),
            }
        };
        match self.weigh(greeted, &attempts)? {
            Weighed::Use(accept) => {
                note_accepted();
                self.block_on(stream, ear.into_rest(), accept, None, 0).map(Some)
            }
            Weighed::Predecessor(_) | Weighed::Closing | Weighed::HungUp => Ok(None),
        }
    }

    /// The connection of a contact, driven by the threads that use it.
    pub(crate) fn blocking_connection(&self, contact: Contact) -> Result<Connection> {
        let Contact { line, accept, took, retries } = contact;
        let stream = line.stream.into_std().map_err(unusable)?;
        self.block_on(stream, line.rest, accept, took, retries)
    }

    fn block_on(
        &self,
        stream: UnixStream,
        rest: Vec<u8>,
        accept: Accept,
        took: Option<std::time::Duration>,
        retries: u32,
    ) -> Result<Connection> {
        stream.set_nonblocking(false).map_err(unusable)?;
        let ours = Receives::from(self.limits);
        let shared = Shared::new(Side::Connector, ours, accept.receives, Holds::from(self.limits));
        shared.name_daemon(self.place.whom());
        let Accept { pid, build, life, .. } = accept;
        let origin = Origin { pid, build, life, started: took, retries };
        Ok(Connection::new(shared, stream, rest, self.limits.busy_poll, origin))
    }
}

fn unusable(error: std::io::Error) -> Error {
    Error::system("cannot use the connection", error)
}
