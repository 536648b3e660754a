//! Frames as they come off the line, whole or in part.
//!
//! Of a long frame every part is taken as it comes, like a piece of its own. The rest of it can be
//! read to where its message is kept, so that it is not copied.

use std::collections::VecDeque;
use std::task::Waker;

use super::pieces::Part;
use super::spares::SPARES;
use super::state::{Arrived, State};
use crate::wire::frame::{Broken, HEADER, Header};

/// A frame that is shorter is taken when it is whole.
const LONG: usize = 16 << 10;

/// What became of bytes that came.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) used: usize,
    /// They end amid a frame whose part was taken.
    pub(super) amid: bool,
    /// Somebody waited for them, and is to have a turn.
    pub(super) awaited: bool,
    /// They were the last ones.
    pub(super) lost: bool,
}

/// A message with room behind it for the rest of a frame that has come in part.
#[derive(Debug)]
pub(super) struct Loan {
    pub(super) message: Vec<u8>,
    /// How long it was when it was lent.
    before: usize,
    /// How much of the frame is to come.
    left: usize,
}

impl Loan {
    /// Makes room for the rest of the frame and for the header behind it, and tells how much that
    /// is.
    pub(super) fn make_room(&mut self) -> usize {
        let room = self.left + HEADER;
        let needed = self.message.len() + room;
        if self.message.capacity() < needed {
            match SPARES.take(needed) {
                Some(mut spare) => {
                    spare.extend_from_slice(&self.message);
                    self.message = spare;
                }
                None => self.message.reserve(room),
            }
        }
        room
    }

    /// Moves what was read behind the frame.
    pub(super) fn part(&mut self, behind: &mut Vec<u8>) {
        let end = self.before + self.left;
        if let Some(bytes) = self.message.get(end..) {
            behind.extend_from_slice(bytes);
            self.message.truncate(end);
        }
    }
}

impl State {
    /// Takes the frames at the start of `bytes` and tells how much that was: all but a short one
    /// that is not whole.
    pub(super) fn on_bytes(
        &mut self,
        bytes: &[u8],
        arrived: &mut VecDeque<Arrived>,
        wakers: &mut Vec<Waker>,
    ) -> Result<Taken, Broken> {
        let mut used = 0;
        while self.lost.is_none() {
            let rest = &bytes[used..];
            if let Some((_, left)) = self.open {
                let part = &rest[..left.min(rest.len())];
                if part.is_empty() {
                    break;
                }
                used += part.len();
                self.on_part(Part::Bytes(part), arrived, wakers)?;
                continue;
            }
            let Some(header) = Header::parse(rest)? else { break };
            if let Some(payload) = rest.get(HEADER..HEADER + header.length) {
                used += HEADER + header.length;
                self.on_frame(header, Part::Bytes(payload), arrived, wakers)?;
            } else if header.length >= LONG && header.kind.in_pieces() {
                used += HEADER;
                self.open = Some((header, header.length));
            } else {
                break;
            }
        }
        let (amid, awaited) = (self.open.is_some(), !wakers.is_empty());
        Ok(Taken { used, amid, awaited, lost: self.lost.is_some() })
    }

    /// Lends the message of a frame that has come in part; `None` if there is no such frame, or if
    /// what comes of it is thrown away.
    pub(super) fn lend(&mut self) -> Option<Loan> {
        let (header, left) = self.open?;
        let message = if header.id & 1 == self.side() as u32 {
            self.outgoing.lend(header)?
        } else {
            self.serving.lend(header)?
        };
        Some(Loan { before: message.len(), message, left })
    }

    /// Takes back what was lent. The call may have lost its interest in it meanwhile.
    pub(super) fn give_back(
        &mut self,
        loan: Loan,
        arrived: &mut VecDeque<Arrived>,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let new = loan.message.len() - loan.before;
        self.on_part(Part::Read(loan.message, new), arrived, wakers)
    }

    /// A part of the open frame's payload.
    fn on_part(
        &mut self,
        part: Part<'_>,
        arrived: &mut VecDeque<Arrived>,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let Some((header, left)) = self.open.take() else { return Ok(()) };
        let left = left - part.len();
        if left > 0 {
            self.open = Some((header, left));
        }
        let more = header.more || left > 0;
        self.on_frame(Header { more, ..header }, part, arrived, wakers)
    }
}
