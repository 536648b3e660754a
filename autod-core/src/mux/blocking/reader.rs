//! The reading half of a blocking connection.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::socket::{receive, receive_now};
use crate::error::ErrorKind;
use crate::mux::company::Company;
use crate::mux::lookout::Lookout;
use crate::mux::loss::Loss;
use crate::mux::request::Incall;
use crate::mux::shared::Shared;
use crate::mux::state::Expected;
use crate::mux::watch::Looking;
use crate::service::Request as _;
use crate::wire::frame::{Broken, GoodbyeCode, MAX_PIECE};

/// What the first read offers to take; a lone answer needs no more.
const FIRST_READ: usize = 4 << 10;

/// What one read can take at most: a whole frame at least.
const READ: usize = 2 * MAX_PIECE;

#[derive(Debug)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    /// So much at the start of the buffer is the start of a frame whose rest has not come.
    kept: usize,
    /// How much a read offers to take. Grows while reads are filled.
    appetite: usize,
    lookout: Lookout,
    company: Company,
}

impl Reader {
    /// `rest` is what was read behind the greetings.
    pub(super) fn new(rest: Vec<u8>, busy_poll: Duration) -> Self {
        let company = Company::join();
        let lookout = Lookout::new(busy_poll, company.is_alone());
        Self { kept: rest.len(), buffer: rest, appetite: FIRST_READ, lookout, company }
    }

    fn room(&mut self) -> &mut [u8] {
        // A frame that has begun has to fit, whatever was read before.
        let end = (self.kept + self.appetite).min(READ.max(self.kept + FIRST_READ));
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        &mut self.buffer[self.kept..end]
    }

    /// Reads what is there. `None`: there is nothing.
    pub(super) fn read_now(&mut self, socket: &UnixStream) -> Option<io::Result<usize>> {
        match receive_now(socket, self.room()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            read => Some(read),
        }
    }

    /// Reads, and waits for something to read.
    pub(super) fn read(&mut self, socket: &UnixStream) -> io::Result<usize> {
        receive(socket, self.room())
    }

    /// Looks for a moment for what is about to come.
    pub(super) fn look(
        &mut self,
        socket: &UnixStream,
        expected: Expected,
    ) -> Option<io::Result<usize>> {
        if expected == Expected::Nothing || self.company.is_disturbed() {
            return None;
        }
        let Some(limit) = self.lookout.limit() else {
            self.lookout.sleeps(Instant::now);
            return None;
        };
        let _looking = Looking::begin()?;
        let end = Instant::now() + limit;
        loop {
            if let Some(read) = self.read_now(socket) {
                self.lookout.found();
                return Some(read);
            }
            if Instant::now() >= end {
                self.lookout.missed();
                self.lookout.sleeps(Instant::now);
                return None;
            }
            std::hint::spin_loop();
        }
    }

    /// Takes what a read has brought. An error is the end of the connection.
    pub(super) fn take(
        &mut self,
        shared: &Arc<Shared>,
        read: io::Result<usize>,
    ) -> Result<(), Loss> {
        let count = match read {
            Ok(0) => return Err(end_of_stream()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                return Err(end_of_stream());
            }
            Err(error) => {
                let text = format!("the connection to the daemon broke: {error}");
                return Err(Loss::new(ErrorKind::Lost, text));
            }
        };
        self.company.heard();
        self.lookout.woke(Instant::now);
        if count == self.appetite {
            self.appetite = (self.appetite * 2).min(READ);
        }
        self.take_frames(shared, self.kept + count)
    }

    /// Takes the frames that came together with the greeting.
    pub(super) fn take_early(&mut self, shared: &Arc<Shared>) -> Result<(), Loss> {
        self.take_frames(shared, self.kept)
    }

    fn take_frames(&mut self, shared: &Arc<Shared>, length: usize) -> Result<(), Loss> {
        let mut calls = VecDeque::new();
        let taken = shared.on_bytes(&self.buffer[..length], &mut calls);
        // This end serves nothing.
        for call in calls.into_iter().filter_map(|call| Incall::new(shared, call)) {
            call.unknown();
        }
        match taken {
            Ok(taken) => {
                self.buffer.copy_within(taken.used..length, 0);
                self.kept = length - taken.used;
                if shared.is_lost() { Err(end_of_stream()) } else { Ok(()) }
            }
            Err(broken) => Err(on_broken(shared, &broken)),
        }
    }
}

fn on_broken(shared: &Shared, broken: &Broken) -> Loss {
    shared.leave(GoodbyeCode::Protocol, &broken.to_string());
    Loss::new(ErrorKind::Protocol, format!("the other end broke the protocol: {broken}"))
}

fn end_of_stream() -> Loss {
    Loss::new(ErrorKind::Lost, "the other end closed the connection")
}
