//! A call that is sent again when its connection is lost, over the next one, if that does no harm.
//!
//! | when the line is lost, the call | and then |
//! |---|---|
//! | has not been sent | it waits for the next line |
//! | was refused because the daemon closes, or unanswered at its farewell | it was not executed: it is sent again |
//! | was sent, and its method is idempotent | it is sent again |
//! | was sent | it fails, and says that it may have been executed |
//!
//! A stream that goes up cannot be had a second time, nor what a stream that comes down has given:
//! such a call is not sent again.

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use super::asked::End;
use super::connection::Connection;
use super::failure;
use super::outcall::{Outcall, Stage};
use super::renewal::{Renewal, Wait};
use crate::codec::Message;
use crate::error::{Error, ErrorKind};
use crate::wire::frame::FailCode;

/// How often one call is sent at most. What it asks for may be what ends the connection.
const SENDS: u32 = 6;

/// What a call needs to outlive its line.
pub(super) struct Again {
    renewal: Arc<Renewal>,
    /// The message, once it has been sent, as long as it may be sent again.
    copy: Option<Message>,
    /// Present while it waits for a line.
    wait: Option<Wait>,
    sends: u32,
}

impl Again {
    pub(super) fn new(renewal: &Arc<Renewal>) -> Self {
        let renewal = Arc::clone(renewal);
        Self { renewal, copy: None, wait: None, sends: 0 }
    }

    /// The answer has begun to be used.
    pub(super) fn keep(&mut self) {
        self.copy = None;
    }

    fn poll_line(&mut self, waker: &Waker) -> Poll<Option<Result<Connection, Error>>> {
        let Some(wait) = &mut self.wait else { return Poll::Ready(None) };
        let line = ready!(wait.as_mut().poll(&mut Context::from_waker(waker)));
        self.wait = None;
        Poll::Ready(Some(line))
    }
}

impl Outcall {
    /// Sends the call over the first line that takes it.
    pub(super) fn poll_open_again(&mut self, waker: &Waker) -> Poll<Result<u32, Error>> {
        loop {
            let Some(again) = &mut self.again else { return self.poll_open_once(waker) };
            if !matches!(self.stage, Stage::Unsent(..)) {
                return self.poll_open_once(waker);
            }
            match ready!(again.poll_line(waker)) {
                None => {}
                Some(Ok(line)) => self.connection = line,
                Some(Err(error)) => {
                    self.stage = Stage::Done;
                    let error = failure::of(self.method, error);
                    self.note_failure(&error);
                    return Poll::Ready(Err(error));
                }
            }
            let Stage::Unsent(message, place) = &mut self.stage else { continue };
            let copy = (!self.opening.sends).then(|| message.clone());
            let sent = self.connection.shared().poll_begin(self.opening, message, place, waker);
            let Some(again) = &mut self.again else { continue };
            if let Ok(index) = ready!(sent) {
                again.copy = copy;
                again.sends += 1;
                self.stage = Stage::Open(index);
                return Poll::Ready(Ok(index));
            }
            // A place in the queue of a line that is gone.
            *place = None;
            again.wait = Some(again.renewal.after(&self.connection));
        }
    }

    /// Whether the call, which has ended so, is to be sent again. If so, it is as if unsent.
    pub(super) fn begins_again(&mut self, end: &End) -> bool {
        let idempotent = self.method.idempotent;
        let Some(again) = &mut self.again else { return false };
        let (executed, lost) = match end {
            End::Lost(loss) => {
                (loss.executed, matches!(loss.kind, ErrorKind::Lost | ErrorKind::Closing))
            }
            End::Fail(FailCode::Closing, _) => (false, true),
            End::Fail(FailCode::Ended, _) => (true, true),
            _ => (true, false),
        };
        if !lost || (executed && !idempotent) || again.sends >= SENDS {
            return false;
        }
        let Some(copy) = again.copy.take() else { return false };
        // Whatever is said of it from now on.
        self.method.executed |= executed;
        again.wait = Some(again.renewal.after(&self.connection));
        self.stage = Stage::Unsent(copy, None);
        true
    }
}
