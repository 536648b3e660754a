//! A call of the other end, as the generated dispatcher sees it.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answers::{Draft, Turn};
use super::bytes::ByteStream;
use super::flow::Role;
use super::incoming::Incoming;
use super::pack::{Newest, Pack, Queue, Unsendable};
use super::pump::{Pump, Stopped};
use super::serving::Ticket;
use super::shared::Shared;
use super::state::Arrived;
use super::trace;
use crate::arguments::Arguments;
use crate::codec::{self, Codec, Message};
use crate::error::chain;
use crate::service::{Answered, Policy, Request, Table};
use crate::wire::frame::{BEFORE_ARGUMENTS, DEADLINE, DEADLINE_LENGTH, FailCode, Kind, Options};

/// A call that came over a connection. Dropped without an answer it answers that it was cancelled.
///
/// It is handed from one to the next on its way to the handler and to its answer, so it is a pointer.
#[derive(Debug)]
pub(crate) struct Incall(Box<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    ticket: Ticket,
    /// Of the service that answers it.
    table: &'static Table,
    method: u64,
    options: Options,
    deadline: Option<Duration>,
    body: Message,
    answered: bool,
}

thread_local! {
    /// The memory of the last call that was answered on this thread while its turn lasts.
    static SPARE: Cell<Option<Box<Inner>>> = const { Cell::new(None) };
}

/// A turn is over.
pub(super) fn forget_spare() {
    drop(SPARE.take());
}

impl Incall {
    /// `None` if the message is too short to be a call; it has then been answered.
    pub(super) fn new(shared: &Arc<Shared>, arrived: Arrived) -> Option<Self> {
        let Arrived { ticket, mut body } = arrived;
        body.reach(BEFORE_ARGUMENTS);
        let id = body.head.first_chunk().map(|id| u64::from_le_bytes(*id));
        let flags = body.head.get(BEFORE_ARGUMENTS - 1).copied().unwrap_or(u8::MAX);
        let deadline = (flags & DEADLINE != 0).then(|| {
            body.reach(BEFORE_ARGUMENTS + DEADLINE_LENGTH);
            let bytes = body.head.get(BEFORE_ARGUMENTS..)?.first_chunk::<DEADLINE_LENGTH>()?;
            Some(Duration::from_millis(u32::from_le_bytes(*bytes).into()))
        });
        let (Some(method), Some(options), None | Some(Some(_))) =
            (id, Options::from_wire(flags), deadline)
        else {
            shared.fail(ticket, FailCode::Arguments, "the call is malformed");
            return None;
        };
        let deadline = deadline.flatten();
        let table = &Table::NONE;
        let spare = SPARE.take().filter(|spare| Arc::ptr_eq(&spare.shared, shared));
        let Some(mut inner) = spare else {
            let shared = Arc::clone(shared);
            let answered = false;
            let inner = Inner { shared, ticket, table, method, options, deadline, body, answered };
            return Some(Self(Box::new(inner)));
        };
        inner.ticket = ticket;
        inner.table = table;
        inner.method = method;
        inner.options = options;
        inner.deadline = deadline;
        inner.body = body;
        inner.answered = false;
        Some(Self(inner))
    }

    /// It has its answer.
    fn done(mut self) -> Answered {
        self.0.answered = true;
        if Turn::is_on() {
            SPARE.set(Some(self.0));
        }
        Answered::new()
    }

    /// The same call, to a service with this table.
    pub(super) fn of(mut self, table: &'static Table) -> Self {
        self.0.table = table;
        self
    }

    pub(super) fn method(&self) -> u64 {
        self.0.method
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.0.ticket
    }

    /// The bytes that are to be decoded, without those that a value takes over.
    pub(super) fn length(&self) -> usize {
        self.0.body.head.len()
    }

    /// How much time its caller gives it.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.0.deadline
    }

    /// Decodes the arguments of a method that takes such a stream.
    fn decoded<A: Arguments>(mut self, options: Options) -> Result<(A, Self), Answered> {
        if self.0.options != options {
            let text = "the caller sends another kind of stream than the method takes";
            return Err(self.fail(FailCode::Arguments, text));
        }
        let before = BEFORE_ARGUMENTS + self.0.deadline.map_or(0, |_| DEADLINE_LENGTH);
        let decoded = match self.0.shared.codec {
            Codec::Bincode => codec::decode_arguments(&mut self.0.body, before),
            #[cfg(feature = "json")]
            Codec::Json => {
                let expected = self.0.table.method(self.0.method).map(|method| method.arguments);
                let body = std::mem::take(&mut self.0.body).into_bytes();
                codec::json::decode_arguments(&body[before..], expected.unwrap_or_default())
            }
        };
        // The handler may run for long.
        self.0.body = Message::default();
        match decoded {
            Ok(arguments) => Ok((arguments, self)),
            Err(error) => Err(self.fail(FailCode::Arguments, &chain(&error))),
        }
    }

    fn fail(self, code: FailCode, text: &str) -> Answered {
        trace::outcome(Some(code));
        self.0.shared.fail(self.0.ticket, code, text);
        self.done()
    }

    fn answer(self, kind: Kind, payload: Message) -> Answered {
        trace::outcome((kind == Kind::Fail).then_some(FailCode::Service));
        self.0.shared.finish(self.0.ticket, kind, payload);
        self.done()
    }

    async fn pump<S, Q>(self, items: S, queue: Q) -> Answered
    where
        S: Stream<Item: Serialize + Send + 'static> + Send,
        Q: Queue + Send,
    {
        let items = pin!(items);
        let mut pump = Pump::new(items, queue);
        let role = Role::Callee(self.0.ticket);
        let sent = std::future::poll_fn(|context| pump.poll(&self.0.shared, role, context)).await;
        let limit = self.0.shared.peer_message;
        match sent {
            // Whoever takes no more has ended the call, which makes this the end of nothing.
            Ok(()) | Err(Stopped::Over) => self.answer(Kind::End, Message::default()),
            Err(Stopped::Unsendable(Unsendable::Encoding(error))) => {
                self.fail(FailCode::Answer, &chain(&error))
            }
            Err(Stopped::Unsendable(Unsendable::TooLarge(length))) => {
                let text = format!("an item takes {length} bytes, the caller receives {limit}");
                self.fail(FailCode::AnswerTooLarge, &text)
            }
        }
    }

    /// Encodes the answer behind others that are kept back, if this thread does that.
    fn finish<T: Serialize + 'static>(
        self,
        kind: Kind,
        code: Option<FailCode>,
        value: T,
    ) -> Answered {
        let codec = self.0.shared.codec;
        let limit = self.0.shared.peer_message;
        let too_large = |length| format!("it takes {length} bytes, the caller receives {limit}");
        let code = code.map(|code| code as u8);
        // The code of a Fail stands before the value.
        let before = usize::from(code.is_some());
        // The end of a call with a stream is the end of the stream too, for which others may wait.
        let is_plain = self.0.options == Options::Plain;
        let Some(mut draft) = is_plain.then(|| Draft::begin(&self.0.shared)).flatten() else {
            let payload = match codec.value_message(code.into_iter().collect(), value) {
                Ok(payload) => payload,
                Err(error) => return self.fail(FailCode::Answer, &chain(&error)),
            };
            let length = payload.len() - before;
            if length > limit {
                return self.fail(FailCode::AnswerTooLarge, &too_large(length));
            }
            return self.answer(kind, payload);
        };
        draft.bytes().extend(code);
        let tail = match codec.encode_value(draft.bytes(), value) {
            Ok(tail) => tail,
            Err(error) => {
                drop(draft);
                return self.fail(FailCode::Answer, &chain(&error));
            }
        };
        let length = draft.len() + tail.len() - before;
        if length > limit {
            drop(draft);
            return self.fail(FailCode::AnswerTooLarge, &too_large(length));
        }
        if tail.is_empty() && draft.is_short() {
            trace::outcome((kind == Kind::Fail).then_some(FailCode::Service));
            draft.give(&self.0.shared, self.0.ticket, kind);
            return self.done();
        }
        let head = draft.into_bytes().into();
        self.answer(kind, Message { head, tail })
    }
}

impl Request for Incall {
    fn method(&self) -> u64 {
        self.0.method
    }

    fn keep(&self) {
        self.0.shared.keep(self.0.ticket);
    }

    fn arguments<A: Arguments>(self) -> Result<(A, Self), Answered> {
        self.decoded(Options::Plain)
    }

    fn arguments_and_items<A, T>(self) -> Result<(A, Incoming<T>, Self), Answered>
    where
        A: Arguments,
        T: DeserializeOwned + 'static,
    {
        let (arguments, this) = self.decoded(Options::Items)?;
        Ok((arguments, Incoming::of_call(&this.0.shared, this.0.ticket), this))
    }

    fn arguments_and_bytes<A: Arguments>(self) -> Result<(A, ByteStream, Self), Answered> {
        let (arguments, this) = self.decoded(Options::Bytes)?;
        Ok((arguments, ByteStream::new(&this.0.shared, this.0.ticket), this))
    }

    fn reply<O: Serialize + 'static>(self, output: O) -> Answered {
        self.finish(Kind::Reply, None, output)
    }

    fn reply_result<O: Serialize + 'static, E: Serialize + 'static>(
        self,
        result: Result<O, E>,
    ) -> Answered {
        match result {
            Ok(output) => self.reply(output),
            Err(error) => self.reply_error(error),
        }
    }

    fn reply_error<E: Serialize + 'static>(self, error: E) -> Answered {
        self.finish(Kind::Fail, Some(FailCode::Service), error)
    }

    async fn stream<S>(self, items: S, policy: Policy) -> Answered
    where
        S: Stream<Item: Serialize + Send + 'static> + Send,
    {
        self.0.shared.mark_stream(self.0.ticket);
        match policy {
            Policy::BackPressure => self.pump(items, Pack::new()).await,
            Policy::DropOldest(most) => self.pump(items, Newest::new(most)).await,
        }
    }

    fn unknown(self) -> Answered {
        let text = self.0.table.in_words();
        self.fail(FailCode::UnknownMethod, &text)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // A panicking handler is answered by whoever catches the panic and knows its message.
        if !self.answered && !std::thread::panicking() {
            trace::outcome(Some(FailCode::Cancelled));
            self.shared.finish_stopped(self.ticket);
        }
    }
}
