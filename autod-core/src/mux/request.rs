//! A call of the other end, as the generated dispatcher sees it.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

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
#[derive(Debug)]
pub(crate) struct Incall {
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
        let shared = Arc::clone(shared);
        let table = &Table::NONE;
        Some(Self { shared, ticket, table, method, options, deadline, body, answered: false })
    }

    /// The same call, to a service with this table.
    pub(crate) fn of(mut self, table: &'static Table) -> Self {
        self.table = table;
        trace::method(table, self.method);
        self
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// The bytes that are to be decoded, without those that a value takes over.
    pub(super) fn length(&self) -> usize {
        self.body.head.len()
    }

    /// How much time its caller gives it.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.deadline
    }

    /// Decodes the arguments of a method that takes such a stream.
    fn decoded<A: Arguments>(mut self, options: Options) -> Result<(A, Self), Answered> {
        if self.options != options {
            let text = "the caller sends another kind of stream than the method takes";
            return Err(self.fail(FailCode::Arguments, text));
        }
        let body = std::mem::take(&mut self.body);
        let before = BEFORE_ARGUMENTS + self.deadline.map_or(0, |_| DEADLINE_LENGTH);
        let decoded = match self.shared.codec {
            Codec::Bincode => codec::decode_arguments(body, before),
            #[cfg(feature = "json")]
            Codec::Json => {
                let expected = self.table.method(self.method).map(|method| method.arguments);
                let body = body.into_bytes();
                codec::json::decode_arguments(&body[before..], expected.unwrap_or_default())
            }
        };
        match decoded {
            Ok(arguments) => Ok((arguments, self)),
            Err(error) => Err(self.fail(FailCode::Arguments, &chain(&error))),
        }
    }

    fn fail(mut self, code: FailCode, text: &str) -> Answered {
        trace::outcome(Some(code));
        self.answered = true;
        self.shared.fail(self.ticket, code, text);
        Answered::new()
    }

    fn answer(mut self, kind: Kind, payload: Message) -> Answered {
        trace::outcome((kind == Kind::Fail).then_some(FailCode::Service));
        self.answered = true;
        self.shared.finish(self.ticket, kind, payload);
        Answered::new()
    }

    async fn pump<S, Q>(self, items: S, queue: Q) -> Answered
    where
        S: Stream<Item: Serialize + Send + 'static> + Send,
        Q: Queue + Send,
    {
        let items = pin!(items);
        let mut pump = Pump::new(items, queue);
        let role = Role::Callee(self.ticket);
        let sent = std::future::poll_fn(|context| pump.poll(&self.shared, role, context)).await;
        let limit = self.shared.peer_message;
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

    fn finish(self, kind: Kind, payload: crate::Result<Message>) -> Answered {
        let payload = match payload {
            Ok(payload) => payload,
            Err(error) => return self.fail(FailCode::Answer, &chain(&error)),
        };
        let limit = self.shared.peer_message;
        // The code of a Fail stands before the value.
        let length = payload.len() - usize::from(kind == Kind::Fail);
        if length > limit {
            let text = format!("it takes {length} bytes, the caller receives {limit}");
            return self.fail(FailCode::AnswerTooLarge, &text);
        }
        self.answer(kind, payload)
    }
}

impl Request for Incall {
    fn method(&self) -> u64 {
        self.method
    }

    fn keep(&self) {
        self.shared.keep(self.ticket);
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
        Ok((arguments, Incoming::of_call(&this.shared, this.ticket), this))
    }

    fn arguments_and_bytes<A: Arguments>(self) -> Result<(A, ByteStream, Self), Answered> {
        let (arguments, this) = self.decoded(Options::Bytes)?;
        Ok((arguments, ByteStream::new(&this.shared, this.ticket), this))
    }

    fn reply<O: Serialize + 'static>(self, output: O) -> Answered {
        let codec = self.shared.codec;
        self.finish(Kind::Reply, codec.value_message(Vec::new(), output))
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
        let codec = self.shared.codec;
        self.finish(Kind::Fail, codec.value_message(vec![FailCode::Service as u8], error))
    }

    async fn stream<S>(self, items: S, policy: Policy) -> Answered
    where
        S: Stream<Item: Serialize + Send + 'static> + Send,
    {
        self.shared.mark_stream(self.ticket);
        match policy {
            Policy::BackPressure => self.pump(items, Pack::new()).await,
            Policy::DropOldest(most) => self.pump(items, Newest::new(most)).await,
        }
    }

    fn unknown(self) -> Answered {
        let text = self.table.in_words();
        self.fail(FailCode::UnknownMethod, &text)
    }
}

impl Drop for Incall {
    fn drop(&mut self) {
        // A panicking handler is answered by whoever catches the panic and knows its message.
        if !self.answered && !std::thread::panicking() {
            trace::outcome(Some(FailCode::Cancelled));
            self.shared.finish_stopped(self.ticket);
        }
    }
}
