//! The lock around a connection's state, and the only place that takes it.
//!
//! Every method is a few lines under the lock; wakers run after it is free.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio_util::sync::CancellationToken;

use super::answers::{Answers, Given};
use super::arrival::{Loan, Taken};
use super::asked::{End, Opening};
use super::batch::Batch;
use super::flow::{Received, Role, Sent};
use super::loss::Loss;
use super::queue::Place;
use super::serving::Ticket;
use super::spares::SPARES;
use super::state::{Arrived, Expected, Side, State};
use super::tally::{Ledger, OpenCall, Tally};
use crate::codec::{Codec, Message};
use crate::error::{Error, Whom};
use crate::flat_json::cut;
use crate::wire::frame::{Broken, FailCode, GoodbyeCode, Kind};
use crate::wire::limits::{Holds, Receives};

/// The longest text of a Fail, in bytes.
const MOST_TEXT: usize = 16 << 10;

#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// What waits for the other end to read beside the longest message, for the driver to look at
    /// without the lock.
    waiting: AtomicUsize,
    pub(super) side: Side,
    /// The largest message that the other end receives.
    pub(super) peer_message: usize,
    /// How values are encoded, in both directions.
    pub(crate) codec: Codec,
    /// Which daemon is at the other end, for errors.
    daemon: OnceLock<Whom>,
    /// Cancelled when the driver has ended.
    ended: CancellationToken,
}

/// What the driver has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Nothing,
    Write,
    /// That is all there is at present; whoever goes to sleep over it looks again.
    WriteAll,
    /// Nothing will be sent after what the outbox holds.
    WriteAndEnd,
}

/// What the next moment may bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    pub(super) lost: bool,
    /// Somebody waits for a slot.
    pub(super) queue: bool,
    pub(super) expected: Expected,
}

/// Nobody takes a stream any more.
#[derive(Debug)]
pub(super) struct Over;

fn sent(sent: Sent) -> Poll<Result<(), Over>> {
    match sent {
        Sent::Yes => Poll::Ready(Ok(())),
        Sent::Wait => Poll::Pending,
        Sent::Over => Poll::Ready(Err(Over)),
    }
}

impl Shared {
    pub(crate) fn new(side: Side, ours: Receives, theirs: Receives, holds: Holds) -> Arc<Self> {
        Self::speaking(Codec::default(), side, ours, theirs, holds)
    }

    /// As [`new`](Self::new), with another codec than the usual one.
    pub(crate) fn speaking(
        codec: Codec,
        side: Side,
        ours: Receives,
        theirs: Receives,
        holds: Holds,
    ) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(side, ours, theirs, holds)),
            waiting: AtomicUsize::new(0),
            side,
            peer_message: theirs.message as usize,
            codec,
            daemon: OnceLock::new(),
            ended: CancellationToken::new(),
        })
    }

    /// Lets errors name the daemon at the other end.
    pub(crate) fn name_daemon(&self, whom: Whom) {
        let _ = self.daemon.set(whom);
    }

    /// The daemon at the other end, if this is its caller's.
    pub(super) fn daemon(&self) -> Option<&Whom> {
        self.daemon.get()
    }

    /// The error, as one of this connection's daemon.
    #[cold]
    pub(super) fn named(&self, error: Error) -> Error {
        match self.daemon() {
            Some(whom) => error.of_daemon(|| whom.clone()),
            None => error,
        }
    }

    /// Counts the calls of the other end from now on.
    pub(crate) fn count_calls(&self, tally: &Arc<Tally>) {
        self.lock().ledger = Some(Box::new(Ledger::new(Arc::clone(tally))));
    }

    /// How many calls of the other end are open, and the first of them if they are counted.
    pub(crate) fn open_calls(&self, limit: usize) -> (usize, Vec<OpenCall>) {
        let state = self.lock();
        let calls = state.ledger.iter().flat_map(|ledger| {
            state.serving.marks().take(limit).map(|mark| ledger.open_call(mark))
        });
        (state.serving.running(), calls.collect())
    }

    /// User code never runs under the lock, so a poisoned state is still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// After each change of the outbox, before the lock is free.
    fn note_waiting(&self, state: &State) {
        self.waiting.store(state.outbox.waiting_beside(), Relaxed);
    }

    /// Changes the state, then wakes those for whom that matters, and the driver if it sleeps and
    /// there is something to write.
    #[inline]
    fn change<R>(&self, change: impl FnOnce(&mut State, &mut Vec<Waker>) -> R) -> R {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let result = change(&mut state, &mut wakers);
        if !state.outbox.is_empty() || !state.turns.is_empty() || state.is_leaving() {
            wakers.extend(state.driver.take());
        }
        self.note_waiting(&state);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    // ---- for those who call

    /// Sends a call, or keeps its place in the queue for a slot. `Ready(Err)` if the connection is
    /// gone.
    pub(super) fn poll_begin(
        &self,
        opening: Opening,
        message: &mut Message,
        place: &mut Option<Place>,
        waker: &Waker,
    ) -> Poll<Result<u32, Error>> {
        self.change(|state, _| match state.refusal() {
            Some(error) => Poll::Ready(Err(error)),
            None => match state.begin(opening, message, place, waker) {
                Some(index) => Poll::Ready(Ok(index)),
                None => Poll::Pending,
            },
        })
    }

    /// Asks for a sign of life.
    #[cfg(feature = "remote")]
    pub(super) fn ping(&self) {
        self.change(|state, _| state.ping());
    }

    /// Why the connection takes no more calls, if it does not.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.lock().refusal()
    }

    #[inline]
    pub(super) fn poll_end(&self, index: u32, context: &Context<'_>) -> Poll<End> {
        self.change(|state, wakers| match state.poll_end(index, context.waker(), wakers) {
            Some(end) => Poll::Ready(end),
            None => Poll::Pending,
        })
    }

    /// The user dropped a call or stream that is not over. `true` if nothing of it was sent.
    pub(super) fn abandon(&self, index: u32) -> bool {
        self.change(|state, wakers| state.abandon(index, wakers))
    }

    /// The user dropped a call that is not to be cancelled.
    pub(super) fn forget(&self, index: u32) {
        self.change(|state, wakers| state.forget(index, wakers));
    }

    /// The user dropped a call that waited for a slot.
    pub(super) fn give_up(&self, place: Place) {
        self.change(|state, wakers| state.outgoing.give_up(place, wakers));
    }

    /// The last handle is gone that keeps the connection open.
    pub(super) fn unused(&self) {
        self.change(State::unuse);
    }

    /// This end leaves, and waits no longer for answers to its own calls: they end for the reason for
    /// which it leaves.
    pub(crate) fn end_calls(&self) {
        self.change(State::cut);
    }

    // ---- for those who answer

    pub(super) fn finish(&self, ticket: Ticket, kind: Kind, payload: Message) {
        self.change(|state, wakers| state.finish(ticket, kind, payload, wakers));
    }

    /// Gives all of these short answers.
    pub(super) fn finish_all(&self, answers: &Answers) {
        self.change(|state, wakers| {
            for (Given { ticket, kind, .. }, payload) in answers.iter() {
                state.finish_short(ticket, kind, payload, wakers);
            }
        });
    }

    /// A text is for people: it is cut where nobody reads on, and where the other end would not.
    pub(super) fn fail(&self, ticket: Ticket, code: FailCode, text: &str) {
        let text = cut(text, MOST_TEXT.min(self.peer_message));
        self.change(|state, wakers| state.fail(ticket, code, text, wakers));
    }

    /// The handler is gone without an answer.
    pub(super) fn finish_stopped(&self, ticket: Ticket) {
        self.change(|state, wakers| {
            let code = state.serving.stopped(ticket);
            let text = match code {
                FailCode::Ended => state.leaving_text(),
                _ => String::new(),
            };
            state.fail(ticket, code, &text, wakers);
        });
    }

    pub(super) fn keep(&self, ticket: Ticket) {
        self.lock().serving.keep(ticket);
    }

    /// Tells the handler to stop.
    pub(super) fn stop(&self, ticket: Ticket, why: FailCode) {
        self.change(|state, wakers| state.serving.stop_one(ticket, why, wakers));
    }

    /// Completes when no handler runs that outlives the connection.
    pub(crate) async fn survivors_ended(&self) {
        std::future::poll_fn(|context| {
            let mut state = self.lock();
            if state.serving.kept() == 0 {
                return Poll::Ready(());
            }
            state.survivors = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(super) fn attend(&self, ticket: Ticket, context: &Context<'_>) -> Option<FailCode> {
        self.lock().serving.attend(ticket, context.waker())
    }

    pub(super) fn mark_stream(&self, ticket: Ticket) {
        self.change(|state, wakers| state.mark_stream(ticket, wakers));
    }

    // ---- for the streams of both

    /// Ready when a message of a stream may begin.
    pub(super) fn poll_may_send(
        &self,
        role: Role,
        context: &Context<'_>,
    ) -> Poll<Result<(), Over>> {
        sent(self.change(|state, _| state.may_send(role, context.waker())))
    }

    /// Sends a message of a stream, and how many items were dropped before it.
    pub(super) fn poll_send(
        &self,
        role: Role,
        skipped: u64,
        payload: &[u8],
        context: &Context<'_>,
    ) -> Poll<Result<(), Over>> {
        sent(self.change(|state, _| state.send(role, skipped, payload, context.waker())))
    }

    /// Sends a message of a stream that is in two parts, and takes it when that is done.
    pub(super) fn poll_send_long(
        &self,
        role: Role,
        payload: &mut Message,
        context: &Context<'_>,
    ) -> Poll<Result<(), Over>> {
        sent(self.change(|state, _| state.send_long(role, payload, context.waker())))
    }

    /// As [`send_now`](Self::send_now), and takes a message that is in two parts.
    pub(super) fn send_long_now(&self, role: Role, payload: &mut Message) -> Result<(), Over> {
        match self.change(|state, _| state.send_long_now(role, payload)) {
            Sent::Over => Err(Over),
            Sent::Yes | Sent::Wait => Ok(()),
        }
    }

    /// Sends a message for which [`poll_may_send`](Self::poll_may_send) was ready just now.
    pub(super) fn send_now(&self, role: Role, skipped: u64, payload: &[u8]) -> Result<(), Over> {
        match self.change(|state, _| state.send_now(role, skipped, payload)) {
            Sent::Over => Err(Over),
            Sent::Yes | Sent::Wait => Ok(()),
        }
    }

    /// The source of a stream has nothing at the moment.
    pub(super) fn rest(&self, role: Role) {
        if let Role::Callee(ticket) = role {
            self.lock().serving.rest(ticket);
        }
    }

    pub(super) fn half_close(&self, role: Role) {
        self.change(|state, _| state.half_close(role));
    }

    pub(super) fn poll_receive(&self, role: Role, context: &Context<'_>) -> Poll<Received> {
        self.change(|state, wakers| match state.receive(role, context.waker(), wakers) {
            Some(received) => Poll::Ready(received),
            None => Poll::Pending,
        })
    }

    /// The handler wants no more of the caller's stream.
    pub(super) fn refuse(&self, ticket: Ticket) {
        self.change(|state, _| state.refuse(ticket));
    }

    // ---- for the driver

    /// Takes the frames at the start of `bytes` and tells how much that was.
    pub(super) fn on_bytes(
        &self,
        bytes: &[u8],
        arrived: &mut VecDeque<Arrived>,
    ) -> Result<Taken, Broken> {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        if let Some(ledger) = &mut state.ledger {
            ledger.read();
        }
        let result = state.on_bytes(bytes, arrived, &mut wakers);
        self.note_waiting(&state);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// The message of the frame that has come in part, to read the rest of the frame behind it.
    pub(super) fn lend(&self) -> Option<Loan> {
        self.lock().lend()
    }

    /// Takes back what was lent, with what was read. `true` if somebody waited for it.
    pub(super) fn give_back(
        &self,
        loan: Loan,
        arrived: &mut VecDeque<Arrived>,
    ) -> Result<bool, Broken> {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        if let Some(ledger) = &mut state.ledger {
            ledger.read();
        }
        let result = state.give_back(loan, arrived, &mut wakers);
        self.note_waiting(&state);
        drop(state);
        let awaited = !wakers.is_empty();
        wakers.into_iter().for_each(Waker::wake);
        result.map(|()| awaited)
    }

    /// Fills `empty` with what is to be written. From here on the driver is awake: nobody wakes it
    /// before it has gone to [`sleep`](Self::sleep).
    pub(super) fn next(&self, empty: &mut Batch) -> Next {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        state.driver = None;
        if let Some(ledger) = &mut state.ledger {
            ledger.settle();
        }
        let end = state.try_leave() || (state.unused && state.outbox.is_empty());
        state.outbox.take(empty);
        state.call_next(&mut wakers);
        self.note_waiting(&state);
        let next = if end && state.outbox.is_empty() {
            Next::WriteAndEnd
        } else if empty.is_empty() {
            Next::Nothing
        } else if state.outbox.is_empty() && state.turns.is_empty() {
            Next::WriteAll
        } else {
            Next::Write
        };
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    /// Calls those who wait for their turn to send, if nothing is left to write: those who were called
    /// before may not come. `false` if nobody waits.
    pub(super) fn call_more(&self) -> bool {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        let called = state.outbox.is_empty() && state.call_more(&mut wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        called
    }

    /// Leaves the driver's waker, unless there is something for it to do: then `false`.
    ///
    /// No wake-up is lost: whatever is changed under the lock is either seen by this look, or finds
    /// the waker that this has left under the same lock.
    pub(super) fn sleep(&self, context: &Context<'_>) -> bool {
        let mut state = self.lock();
        if state.try_leave() || state.unused || !state.outbox.is_empty() {
            return false;
        }
        let mut wakers = Vec::new();
        if state.call_more(&mut wakers) {
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            return false;
        }
        state.outbox.shrink();
        state.driver = Some(context.waker().clone());
        let idle = state.expected() == Expected::Nothing;
        drop(state);
        if idle {
            SPARES.release();
        }
        true
    }

    /// Whether more waits for the other end to read than this, beside the longest message.
    pub(super) fn has_unread(&self, limit: usize) -> bool {
        self.waiting.load(Relaxed) > limit
    }

    /// What the other end is likely to say soon.
    pub(super) fn expected(&self) -> Expected {
        self.lock().expected()
    }

    /// What a thread that is about to wait for the other end has to know.
    pub(super) fn outlook(&self) -> Outlook {
        let state = self.lock();
        Outlook {
            lost: state.lost.is_some(),
            queue: state.outgoing.has_queue(),
            expected: state.expected(),
        }
    }

    /// Calls of this end that are open or whose end nobody has taken.
    pub(super) fn calls_in_use(&self) -> usize {
        self.lock().outgoing.in_use()
    }

    /// What ends the calls of this end now that it has said goodbye.
    pub(super) fn farewell(&self) -> Loss {
        self.lock().farewell()
    }

    pub(super) fn is_lost(&self) -> bool {
        self.lock().lost.is_some()
    }

    /// Whether the other end has made a call.
    pub(crate) fn was_called(&self) -> bool {
        self.lock().was_called
    }

    pub(crate) fn leave(&self, code: GoodbyeCode, text: &str) {
        let mut wakers = Vec::new();
        self.lock().leave(code, text, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The driver is about to end.
    pub(super) fn lose(&self, loss: Loss) {
        let mut wakers = Vec::new();
        self.lock().lose(loss, &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        self.ended.cancel();
    }

    /// Completes when the connection is gone.
    pub(crate) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    #[cfg(test)]
    pub(super) fn has_ended(&self, index: u32) -> bool {
        self.lock().outgoing.has_ended(index)
    }

    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// No call is open, and nothing of one is kept.
    #[cfg(test)]
    #[track_caller]
    pub(super) fn assert_idle(&self) {
        let state = self.lock();
        assert!(state.is_idle(), "{state:#?}");
    }

    /// The bytes that wait: those to be written, and those to be taken by users.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> (usize, usize) {
        let state = self.lock();
        (state.outbox.waiting(), state.outgoing.waiting() + state.serving.waiting())
    }
}
