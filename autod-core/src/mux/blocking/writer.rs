//! The writing half of a blocking connection.

use std::io::{self, IoSlice};
use std::os::unix::net::UnixStream;

use crate::mux::batch::Batch;
use crate::mux::shared::{Next, Shared};
use crate::mux::transport::{Room, make_room};
use crate::wire::frame::{Header, Kind, MAX_PIECE};

/// The most parts of one write.
const SLICES: usize = 16;

/// A buffer of up to so much is kept.
const KEPT: usize = 2 * MAX_PIECE;

/// How far a write came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    All,
    /// The kernel takes no more for now.
    Stuck,
}

#[derive(Debug, Default)]
pub(super) struct Writer {
    batch: Batch,
    /// What the kernel was asked to take.
    room: Room,
    /// The other end does not take anything any more; what it said before is still read.
    deaf: bool,
    /// Nothing of the only call that was open then has left this process.
    unheard: bool,
}

impl Writer {
    /// Whether the one call that had no answer when the other end stopped to read was never sent.
    pub(super) fn is_unheard(&self) -> bool {
        self.unheard
    }

    /// Writes all that there is to write, without waiting.
    pub(super) fn write(&mut self, shared: &Shared, socket: &UnixStream) -> Sent {
        let mut is_all = false;
        loop {
            while !self.batch.is_written() {
                match self.write_some(socket) {
                    Ok(count) => self.batch.advance(count),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Sent::Stuck,
                    Err(_) => {
                        self.deaf = true;
                        self.unheard = self.begins_with_the_only_call(shared);
                        break;
                    }
                }
            }
            self.batch.clear(KEPT);
            if is_all {
                // Who has said something meanwhile writes it.
                return Sent::All;
            }
            let next = shared.next(&mut self.batch);
            if self.deaf {
                self.batch.clear(KEPT);
            }
            if next == Next::Nothing || self.batch.is_empty() {
                // A thread whose time was over does not come when it is called.
                while shared.call_more() {}
                return Sent::All;
            }
            is_all = next == Next::WriteAll;
        }
    }

    fn write_some(&mut self, socket: &UnixStream) -> io::Result<usize> {
        if let Some(bytes) = self.batch.as_slice() {
            return super::socket::send_now(socket, bytes);
        }
        let room = self.batch.room();
        if self.room != room {
            self.room = room;
            make_room(socket, room);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.batch.slices(&mut slices);
        super::socket::send_parts_now(socket, &slices[..count])
    }

    /// A connection that was idle hears of its end only when it is used: a daemon that was killed
    /// meanwhile has not executed what it could not read.
    fn begins_with_the_only_call(&self, shared: &Shared) -> bool {
        let call = self.batch.unwritten_header();
        matches!(call, Some(Header { kind: Kind::Call, .. })) && shared.calls_in_use() == 1
    }
}
