//! The stream that a caller sends, as its callee has it.
//!
//! ```text
//!            End                        the end of the stream is the user's end
//!   Flowing ------> Finished
//!      |    Cancel
//!      +----------> Cancelled           from here on what comes is thrown away,
//!      +----------> Closing, Refused    until the caller has ended the stream
//!        our doing
//! ```

use std::task::Waker;

use super::inflow::{Bounds, Chunk, Form, Inflow};
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
}

#[derive(Debug)]
pub(super) struct Input {
    inflow: Inflow,
    end: Option<InputEnd>,
    /// The caller has said its last word: it may use the slot again when it is answered.
    ended: bool,
}

impl Input {
    pub(super) fn new(form: Form) -> Self {
        Self { inflow: Inflow::new(form), end: None, ended: false }
    }

    /// Whether the caller has ended the stream.
    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Items, or an End.
    pub(super) fn on_frame(
        &mut self,
        header: Header,
        payload: Part<'_>,
        bounds: Bounds,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Broken> {
        let Header { kind, id, .. } = header;
        if self.ended || (kind == Kind::End && !self.inflow.is_whole()) {
            return Err(Broken::Unexpected(kind, id));
        }
        if kind == Kind::End {
            self.ended = true;
            self.end.get_or_insert(InputEnd::Finished);
        } else if self.end.is_some() {
            return Ok(());
        } else {
            let Some(message) = self.inflow.piece(header, payload, bounds)? else { return Ok(()) };
            self.inflow.push(message)?;
        }
        wakers.extend(self.inflow.waker.take());
        Ok(())
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

    /// The next part of the stream and the credit to give for it.
    pub(super) fn take(&mut self, bounds: Bounds) -> Option<(Chunk, u32)> {
        let (chunk, credit) = self.inflow.take(bounds)?;
        Some((chunk, if self.end.is_none() { credit } else { 0 }))
    }

    /// Why there is no more. If there may be, the waker is woken then.
    pub(super) fn poll_end(&mut self, waker: &Waker) -> Option<InputEnd> {
        if self.end.is_none() {
            set_waker(&mut self.inflow.waker, waker);
        }
        self.end
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> Option<usize> {
        self.end.is_none().then(|| self.inflow.held())
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.inflow.waiting()
    }
}
