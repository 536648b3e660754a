//! The reading half of a blocking connection.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use super::socket::{receive, receive_now};
use crate::error::ErrorKind;
use crate::mux::loss::Loss;
use crate::mux::request::Incall;
use crate::mux::shared::Shared;
use crate::mux::state::Expected;
use crate::mux::watch::Watch;
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
    watch: Watch,
}

impl Reader {
    /// `rest` is what was read behind the greetings.
    pub(super) fn new(rest: Vec<u8>, busy_poll: Duration) -> Self {
        let mut watch = Watch::closed();
        watch.open(busy_poll, true);
        Self { kept: rest.len(), buffer: rest, appetite: FIRST_READ, watch }
    }

    /// Where the next read goes.
    fn make_room(&mut self) -> Range<usize> {
        // A frame that has begun has to fit, whatever was read before.
        let end = (self.kept + self.appetite).min(READ.max(self.kept + FIRST_READ));
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        self.kept..end
    }

    /// Reads what is there. `None`: there is nothing.
    pub(super) fn read_now(&mut self, socket: &UnixStream) -> Option<io::Result<usize>> {
        let room = self.make_room();
        match receive_now(socket, &mut self.buffer[room]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            read => Some(self.heard(read)),
        }
    }

    /// Reads, and waits for something to read.
    pub(super) fn read(&mut self, socket: &UnixStream) -> io::Result<usize> {
        let room = self.make_room();
        let read = receive(socket, &mut self.buffer[room]);
        self.heard(read)
    }

    fn heard(&mut self, read: io::Result<usize>) -> io::Result<usize> {
        self.watch.woke();
        read
    }

    /// Looks for a moment for what is about to come.
    pub(super) fn look(
        &mut self,
        socket: &UnixStream,
        expected: Expected,
    ) -> Option<io::Result<usize>> {
        if expected == Expected::Nothing {
            return None;
        }
        let room = self.make_room();
        let turn = self.watch.begin(false)?;
        let room = &mut self.buffer[room];
        turn.look(|| receive_now(socket, room), || true).map(Ok)
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
                if taken.lost { Err(end_of_stream()) } else { Ok(()) }
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
