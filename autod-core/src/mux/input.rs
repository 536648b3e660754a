//! The stream that a caller sends, as its callee has it.
//!
//! ```text
//!            End                        the end of the stream is the user's end
//!   Flowing ------> Finished
//!      |    Cancel
//!      +----------> Cancelled           from here on what comes is thrown away,
//!      +----------> Closing, Refused,   until the caller has ended the stream
//!        our doing   Overfull
//! ```

use std::task::Waker;

use super::account::Share;
use super::chunks::Chunk;
use super::inflow::{Bounds, Form, Inflow, Piece};
use super::pieces::Part;
use super::wakers::set_waker;
use crate::wire::frame::{Broken, Header, Kind};

/// Why no more of a stream is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InputEnd {
    /// The caller has sent all of it.
    Finished,
    /// The caller has cancelled the call.
    Cancelled,
    /// This end is closing.
    Closing,
    /// The handler wants no more.
    Refused,
    /// The connection holds too much to take more of it.
    Overfull,
}

#[derive(Debug)]
pub(super) struct Input {
    inflow: Inflow,
    end: Option<InputEnd>,
    /// The caller has said its last word: it may use the slot again when it is answered.
    ended: bool,
}

impl Input {
    pub(super) fn new(form: Form, window: usize, share: Share) -> Self {
        Self { inflow: Inflow::new(form, window, share), end: None, ended: false }
    }

    /// Whether the caller has ended the stream.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Items, or an End. `false` if there is no room for it: that is the end of the stream.
    pub(super) fn on_frame(
        &mut self,
        header: Header,
        payload: Part<'_>,
        bounds: Bounds,
        wakers: &mut Vec<Waker>,
    ) -> Result<bool, Broken> {
        let Header { kind, id, .. } = header;
        if self.ended || (kind == Kind::End && !self.inflow.is_whole()) {
            return Err(Broken::Unexpected(kind, id));
        }
        if kind == Kind::End {
            self.ended = true;
            self.end.get_or_insert(InputEnd::Finished);
        } else if self.end.is_some() {
            return Ok(true);
        } else {
            match self.inflow.piece(header, payload, bounds)? {
                Piece::More => return Ok(true),
                Piece::Whole(message) => self.inflow.push(message)?,
                Piece::Full => {
                    self.end = Some(InputEnd::Overfull);
                    self.inflow.forget_pieces();
                }
            }
        }
        wakers.extend(self.inflow.waker.take());
        Ok(self.end != Some(InputEnd::Overfull))
    }

    /// Lends what has come of a message, so that more can be read behind it. `None` if it is
    /// thrown away.
    pub(super) fn lend(&mut self) -> Option<Vec<u8>> {
        self.end.is_none().then(|| self.inflow.lend())
    }

    /// The caller has cancelled the call, and with it the stream.
    pub(super) fn on_cancel(&mut self, wakers: &mut Vec<Waker>) {
        self.ended = true;
        self.end = Some(InputEnd::Cancelled);
        wakers.extend(self.inflow.waker.take());
        self.inflow.clear();
    }

    /// Ends the stream early; what has come is still given.
    pub(super) fn close(&mut self, wakers: &mut Vec<Waker>) {
        self.end.get_or_insert(InputEnd::Closing);
        self.inflow.forget_pieces();
        wakers.extend(self.inflow.waker.take());
    }

    /// The user wants no more. `true` if the caller has to be told.
    pub(super) fn refuse(&mut self) -> bool {
        let flows = self.end.is_none();
        self.end.get_or_insert(InputEnd::Refused);
        self.inflow.clear();
        flows
    }

    /// Wakes whoever waits for more: there may be none.
    pub(super) fn wake(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.inflow.waker.take());
    }

    /// The next part of the stream and the credit to give for those before it.
    pub(super) fn take(&mut self, bounds: Bounds) -> (Option<Chunk>, u32) {
        let chunk = self.inflow.take();
        if self.end.is_none() {
            return (chunk, self.inflow.credit(bounds));
        }
        self.inflow.settle();
        (chunk, 0)
    }

    /// Why there is no more. If there may be, the waker is woken then.
    pub(super) fn poll_end(&mut self, waker: &Waker) -> Option<InputEnd> {
        if self.end.is_none() {
            set_waker(&mut self.inflow.waker, waker);
        }
        self.end
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> Option<i64> {
        self.end.is_none().then(|| self.inflow.room()).flatten()
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.inflow.waiting()
    }
}
