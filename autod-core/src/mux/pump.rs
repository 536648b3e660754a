//! From a stream of the user's to messages on the connection.
//!
//! The same for the streams of callees and of callers. Everything that is ready goes into one
//! message. What cannot be sent for want of credit stops the stream from being asked for more, or
//! lets go of the oldest items, as the method says.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use serde::Serialize;

use super::answers::Turn;
use super::flow::Role;
use super::pack::{Form, ITEMS, Pack, Queue, Unsendable};
use super::shared::{Over, Shared};

/// Messages that a stream sends before others get their turn.
const PACKS: usize = 16;

/// Items that it is asked for before that; they may be so short that many more go into its messages.
pub(super) const SHARE: u32 = 4 * ITEMS;

/// As many in the driver's turn, where all calls that came together are begun: a short stream needs no
/// task, and those of a hundred calls take no longer than one that has a task.
pub(super) const BEGINNING: u32 = 256;

/// Why a stream has ended before it was sent.
#[derive(Debug)]
pub(super) enum Stopped {
    Unsendable(Unsendable),
    /// The other end takes no more.
    Over,
}

impl From<Over> for Stopped {
    fn from(_: Over) -> Self {
        Self::Over
    }
}

#[derive(Debug)]
pub(super) struct Pump<S, Q> {
    items: S,
    queue: Q,
    /// Nothing is added any more; it is told when all is sent.
    end: Option<Result<(), Unsendable>>,
}

impl<S, Q> Pump<S, Q>
where
    S: Stream<Item: Serialize + 'static> + Unpin,
    Q: Queue,
{
    pub(super) fn new(items: S, queue: Q) -> Self {
        Self { items, queue, end: None }
    }

    /// Sends as much as can be. Ready when all is sent; the end of the stream is not said.
    pub(super) fn poll(
        &mut self,
        shared: &Shared,
        role: Role,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        let mut held_up = false;
        let (packs, mut share) = if Turn::is_on() { (1, BEGINNING) } else { (PACKS, SHARE) };
        for _ in 0..packs {
            if share == 0 {
                break;
            }
            // What cannot be sent is not made, so that a stream which waits holds nothing.
            let asks = !Q::DROPS && self.queue.is_empty() && self.end.is_none();
            if asks && shared.poll_may_send(role, context)?.is_pending() {
                self.queue.rest();
                return Poll::Pending;
            }
            // Nothing is dropped that could be sent.
            let drops = held_up;
            let form = Form { codec: shared.codec, limit: shared.peer_message };
            let more = self.fill(form, drops, &mut share, context);
            held_up = self.poll_empty(shared, role, asks, context)?.is_pending();
            if held_up && !(more && Q::DROPS) {
                return Poll::Pending;
            }
            if !held_up && let Some(end) = self.end.take() {
                return Poll::Ready(end.map_err(Stopped::Unsendable));
            }
            if !more {
                if !held_up {
                    shared.rest(role);
                }
                return Poll::Pending;
            }
            if drops && held_up {
                break;
            }
        }
        // Others get their turn, also with a stream that is always ready.
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// Asks the stream for items. `true` if it may have more.
    fn fill(
        &mut self,
        form: Form,
        held_up: bool,
        share: &mut u32,
        context: &mut Context<'_>,
    ) -> bool {
        for _ in 0..ITEMS.min(*share) {
            if self.end.is_some() || self.queue.is_full(form.limit) && !held_up {
                break;
            }
            *share -= 1;
            match Pin::new(&mut self.items).poll_next(context) {
                // The items before one that cannot be sent arrive all the same.
                Poll::Ready(Some(item)) => {
                    if let Err(why) = self.queue.add(item, form) {
                        self.end = Some(Err(why));
                    }
                }
                Poll::Ready(None) => self.end = Some(Ok(())),
                Poll::Pending => return false,
            }
        }
        self.end.is_none()
    }

    fn poll_empty(
        &mut self,
        shared: &Shared,
        role: Role,
        mut now: bool,
        context: &Context<'_>,
    ) -> Result<Poll<()>, Over> {
        while !self.queue.is_empty() {
            match self.queue.poll_send(shared, role, std::mem::take(&mut now), context) {
                Poll::Ready(sent) => sent?,
                Poll::Pending => return Ok(Poll::Pending),
            }
        }
        Ok(Poll::Ready(()))
    }
}

/// A caller's stream, whatever its type.
pub(super) trait Feed: Send {
    /// As [`Pump::poll`].
    fn poll(
        &mut self,
        shared: &Shared,
        role: Role,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>>;
}

impl<S: Stream<Item: Serialize + 'static> + Unpin + Send> Feed for Pump<S, Pack> {
    fn poll(
        &mut self,
        shared: &Shared,
        role: Role,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Stopped>> {
        self.poll(shared, role, context)
    }
}
