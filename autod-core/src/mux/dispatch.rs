//! From a complete call to its handler.
//!
//! All methods of a service are one future type. It lives in a box that is used again: a handler
//! that is ready at its first poll costs no allocation, no task and no wake-up. One that is not
//! takes its box along into a task, and so does one whose arguments are long.

use std::any::Any;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use tracing::Span;

use super::answers::Turn;
use super::deadline::{Deadline, Known};
use super::pulse::Pulse;
use super::request::Incall;
use super::serving::Ticket;
use super::shared::Shared;
use super::trace;
use crate::service::{Answered, Request, Table};
use crate::wire::frame::FailCode;

/// The arguments of a longer call are decoded in a task, not in the driver's turn: other calls do not
/// wait for that.
const LONG: usize = 256 << 10;

/// What a connection does with the calls of the other end.
pub(crate) trait Dispatch: Send + 'static {
    /// Answers the calls now, or later from tasks.
    fn dispatch(&mut self, shared: &Arc<Shared>, calls: &mut dyn Iterator<Item = Incall>);
}

impl Dispatch for Box<dyn Dispatch> {
    fn dispatch(&mut self, shared: &Arc<Shared>, calls: &mut dyn Iterator<Item = Incall>) {
        (**self).dispatch(shared, calls);
    }
}

/// An end that serves nothing.
pub(crate) struct NoService;

impl Dispatch for NoService {
    fn dispatch(&mut self, _: &Arc<Shared>, calls: &mut dyn Iterator<Item = Incall>) {
        for call in calls {
            call.unknown();
        }
    }
}

/// Hands calls to the futures that `begin` makes of them.
pub(crate) struct Dispatcher<F, B> {
    begin: B,
    table: &'static Table,
    pulse: Arc<Pulse>,
    handler: PhantomData<fn() -> F>,
}

type Slot<F> = Pin<Box<Option<F>>>;

impl<F, B> Dispatcher<F, B> {
    pub(crate) fn new(begin: B, pulse: Arc<Pulse>) -> Self {
        Self { begin, table: &Table::NONE, pulse, handler: PhantomData }
    }

    /// They are of a service with this table.
    pub(crate) fn of(self, table: &'static Table) -> Self {
        Self { table, ..self }
    }
}

impl<F: Future<Output = Answered> + Send + 'static, B> Dispatcher<F, B> {
    fn spawn(
        &self,
        shared: &Arc<Shared>,
        ticket: Ticket,
        deadline: Option<Deadline>,
        slot: Slot<F>,
        span: Span,
    ) {
        let shared = Arc::clone(shared);
        let pulse = Arc::clone(&self.pulse);
        drop(tokio::spawn(Handler { shared, pulse, ticket, deadline, slot, span }));
    }
}

impl<F, B> Dispatch for Dispatcher<F, B>
where
    F: Future<Output = Answered> + Send + 'static,
    B: FnMut(Incall) -> F + Send + 'static,
{
    fn dispatch(&mut self, shared: &Arc<Shared>, calls: &mut dyn Iterator<Item = Incall>) {
        let _inside = self.pulse.enter();
        let turn = Turn::begin(shared);
        // One at a time: a handler that is ready leaves its box to the next call.
        let mut idle = None;
        for call in calls.map(|call| call.of(self.table)) {
            let ticket = call.ticket();
            let is_long = call.length() > LONG;
            let deadline = call.deadline().and_then(Deadline::after);
            let span = trace::call(self.table, call.method());
            let entered = span.enter();
            let mut slot = idle.take().unwrap_or_else(|| Box::pin(None));
            slot.set(Some((self.begin)(call)));
            if is_long {
                drop(entered);
                self.spawn(shared, ticket, deadline, slot, span);
                continue;
            }
            let known = deadline.as_ref().map(|deadline| Known::new(deadline.at));
            let polled = poll_handler(&mut slot, &mut Context::from_waker(Waker::noop()));
            drop(known);
            match polled {
                Ok(Poll::Ready(())) => idle = Some(slot),
                Ok(Poll::Pending) => {
                    drop(entered);
                    self.spawn(shared, ticket, deadline, slot, span);
                }
                Err(panic) => {
                    // The answer stays, if it was given before.
                    turn.give();
                    answer_panic(shared, ticket, &*panic);
                }
            }
        }
    }
}

/// A handler that was not ready at once, or has long arguments.
struct Handler<F> {
    shared: Arc<Shared>,
    pulse: Arc<Pulse>,
    ticket: Ticket,
    deadline: Option<Deadline>,
    slot: Slot<F>,
    span: Span,
}

impl<F: Future<Output = Answered>> Future for Handler<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let _entered = this.span.enter();
        let _inside = this.pulse.enter();
        let _known = this.deadline.as_ref().map(|deadline| Known::new(deadline.at));
        if let Some(deadline) = &mut this.deadline
            && deadline.poll(context).is_ready()
        {
            this.shared.stop(this.ticket, FailCode::Deadline);
        }
        if this.shared.attend(this.ticket, context).is_some() {
            // Dropping the handler answers the call.
            if let Err(panic) = empty(&mut this.slot) {
                answer_panic(&this.shared, this.ticket, &*panic);
            }
            return Poll::Ready(());
        }
        match poll_handler(&mut this.slot, context) {
            Ok(polled) => polled,
            Err(panic) => {
                answer_panic(&this.shared, this.ticket, &*panic);
                Poll::Ready(())
            }
        }
    }
}

type Panic = Box<dyn Any + Send>;

/// Polls the handler; when it is ready or has panicked, its slot is empty.
fn poll_handler<F: Future<Output = Answered>>(
    slot: &mut Slot<F>,
    context: &mut Context<'_>,
) -> Result<Poll<()>, Panic> {
    let polled = catch_unwind(AssertUnwindSafe(|| match slot.as_mut().as_pin_mut() {
        Some(handler) => handler.poll(context).map(|_| ()),
        None => Poll::Ready(()),
    }));
    match polled {
        Ok(Poll::Pending) => Ok(Poll::Pending),
        Ok(Poll::Ready(())) => empty(slot).map(Poll::Ready),
        Err(panic) => {
            let _ = empty(slot);
            Err(panic)
        }
    }
}

fn empty<F>(slot: &mut Slot<F>) -> Result<(), Panic> {
    catch_unwind(AssertUnwindSafe(|| slot.set(None)))
}

fn answer_panic(shared: &Shared, ticket: Ticket, panic: &(dyn Any + Send)) {
    trace::outcome(Some(FailCode::Panicked));
    shared.fail(ticket, FailCode::Panicked, panic_message(panic));
}

/// The text that a panic was raised with.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message")
}
