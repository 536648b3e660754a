//! A call of the other end, as the generated dispatcher sees it.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};

use futures::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::serving::Ticket;
use super::shared::Shared;
use super::state::Arrived;
use crate::codec;
use crate::error::chain;
use crate::service::{Answered, Request};
use crate::wire::frame::{FailCode, Kind};

/// The method id and the options before the arguments.
const BEFORE_ARGUMENTS: usize = 9;

/// Items are packed into one message until it is this long, as long as the stream has more ready.
const PACK: usize = 32 << 10;

/// The most items of one message; they may be empty.
const ITEMS: u32 = 8192;

/// Messages that a stream sends before others get their turn.
const PACKS: usize = 16;

/// A call that came over a connection. Dropped without an answer it answers that it was cancelled.
#[derive(Debug)]
pub(crate) struct Incall {
    shared: Arc<Shared>,
    ticket: Ticket,
    method: u64,
    body: Vec<u8>,
}

impl Incall {
    /// `None` if the message is too short to be a call; it has then been answered.
    pub(super) fn new(shared: &Arc<Shared>, arrived: Arrived) -> Option<Self> {
        let Arrived { ticket, body } = arrived;
        let id = body.first_chunk().map(|id| u64::from_le_bytes(*id));
        let (Some(method), Some(0)) = (id, body.get(BEFORE_ARGUMENTS - 1)) else {
            shared.fail(ticket, FailCode::Arguments, "the call is malformed");
            return None;
        };
        Some(Self { shared: Arc::clone(shared), ticket, method, body })
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    fn fail(self, code: FailCode, text: &str) -> Answered {
        self.shared.fail(self.ticket, code, text);
        Answered::new()
    }

    fn finish(
        self,
        kind: Kind,
        encode: impl FnOnce(&mut Vec<u8>) -> crate::Result<()>,
    ) -> Answered {
        let mut payload = Vec::new();
        if let Err(error) = encode(&mut payload) {
            return self.fail(FailCode::Answer, &chain(&error));
        }
        let limit = self.shared.peer_message;
        if payload.len() > limit {
            let text = format!("it takes {} bytes, the caller receives {limit}", payload.len());
            return self.fail(FailCode::AnswerTooLarge, &text);
        }
        self.shared.finish(self.ticket, kind, payload);
        Answered::new()
    }
}

impl Request for Incall {
    fn method(&self) -> u64 {
        self.method
    }

    fn arguments<A: DeserializeOwned + 'static>(mut self) -> Result<(A, Self), Answered> {
        let body = std::mem::take(&mut self.body);
        match codec::decode(&body[BEFORE_ARGUMENTS..]) {
            Ok(arguments) => Ok((arguments, self)),
            Err(error) => Err(self.fail(FailCode::Arguments, &chain(&error))),
        }
    }

    fn reply<O: Serialize + 'static>(self, output: &O) -> Answered {
        self.finish(Kind::Reply, |payload| codec::encode_into(payload, output))
    }

    fn reply_result<O: Serialize + 'static, E: Serialize + 'static>(
        self,
        result: &Result<O, E>,
    ) -> Answered {
        match result {
            Ok(output) => self.reply(output),
            Err(error) => self.finish(Kind::Fail, |payload| {
                payload.push(FailCode::Service as u8);
                codec::encode_into(payload, error)
            }),
        }
    }

    async fn stream<S>(self, items: S) -> Answered
    where
        S: Stream<Item: Serialize + Send + 'static> + Send,
    {
        let mut items = pin!(items);
        self.shared.mark_stream(self.ticket);
        let mut pack = Pack::new(self.shared.peer_message);
        let mut end = None;
        let result = std::future::poll_fn(|context| {
            for _ in 0..PACKS {
                // Everything that is ready goes into one message; what cannot be sent for want of
                // credit stops the stream from being asked for more.
                while end.is_none() && !pack.is_full() {
                    match items.as_mut().poll_next(context) {
                        // The items before one that cannot be sent arrive all the same.
                        Poll::Ready(Some(item)) => end = pack.add(&item).err().map(Err),
                        Poll::Ready(None) => end = Some(Ok(())),
                        Poll::Pending => break,
                    }
                }
                let more = end.is_some() || pack.is_full();
                if pack.count > 0 {
                    ready!(self.shared.poll_send_items(self.ticket, &mut pack.bytes, context));
                    pack.sent();
                }
                if let Some(end) = end.take_if(|_| pack.count == 0) {
                    return Poll::Ready(end);
                }
                if !more {
                    return Poll::Pending;
                }
            }
            // Others get their turn, also with a stream that is always ready.
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        match result {
            Ok(()) => {
                self.shared.finish(self.ticket, Kind::End, Vec::new());
                Answered::new()
            }
            Err((code, text)) => self.fail(code, &text),
        }
    }

    fn unknown(self) -> Answered {
        self.fail(FailCode::UnknownMethod, "")
    }
}

impl Drop for Incall {
    fn drop(&mut self) {
        // A panicking handler is answered by whoever catches the panic and knows its message. An
        // answered ticket is worth nothing, so this does not speak twice.
        if !std::thread::panicking() {
            self.shared.finish_stopped(self.ticket);
        }
    }
}

/// Items on their way into one message.
struct Pack {
    count: u32,
    bytes: Vec<u8>,
    /// An item that did not fit behind the others.
    next: Vec<u8>,
    /// The largest message that the caller receives.
    limit: usize,
}

impl Pack {
    /// The count of items before them.
    const HEAD: usize = 4;

    fn new(limit: usize) -> Self {
        Self { count: 0, bytes: vec![0; Self::HEAD], next: Vec::new(), limit }
    }

    fn is_full(&self) -> bool {
        !self.next.is_empty() || self.bytes.len() >= PACK.min(self.limit) || self.count >= ITEMS
    }

    fn add<T: Serialize>(&mut self, item: &T) -> Result<(), (FailCode, String)> {
        let start = self.bytes.len();
        codec::encode_into(&mut self.bytes, item)
            .map_err(|error| (FailCode::Answer, chain(&error)))?;
        let length = self.bytes.len() - start;
        if length > self.limit {
            self.bytes.truncate(start);
            let text = format!("an item takes {length} bytes, the caller receives {}", self.limit);
            return Err((FailCode::AnswerTooLarge, text));
        }
        if self.count > 0 && self.bytes.len() - Self::HEAD > self.limit {
            self.next = self.bytes.split_off(start);
            return Ok(());
        }
        self.count += 1;
        self.write_count();
        Ok(())
    }

    fn write_count(&mut self) {
        self.bytes[..Self::HEAD].copy_from_slice(&self.count.to_le_bytes());
    }

    /// The message was taken; the item that did not fit begins the next one.
    fn sent(&mut self) {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; Self::HEAD]);
        self.count = u32::from(!self.next.is_empty());
        self.bytes.append(&mut self.next);
        self.write_count();
    }
}
