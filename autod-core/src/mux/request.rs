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
use crate::wire::frame::{ENVELOPE, FailCode, Kind};

/// The method id and the options before the arguments.
const BEFORE_ARGUMENTS: usize = 9;

/// Items are packed into one message until it is this long, as long as the stream has more ready.
const PACK: usize = 32 << 10;

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
            return self.fail(FailCode::Answer, &text);
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
        let mut pack = Pack::default();
        let mut over = false;
        let result = std::future::poll_fn(|context| {
            loop {
                // Everything that is ready goes into one message; what cannot be sent for want of
                // credit stops the stream from being asked for more.
                let next = if over || pack.is_full() {
                    Poll::Pending
                } else {
                    items.as_mut().poll_next(context)
                };
                match next {
                    Poll::Ready(Some(item)) => {
                        if let Err(text) = pack.add(&item, self.shared.peer_message) {
                            return Poll::Ready(Err(text));
                        }
                        continue;
                    }
                    Poll::Ready(None) => over = true,
                    Poll::Pending => {}
                }
                let full = pack.is_full();
                if pack.count > 0 {
                    ready!(self.shared.poll_send_items(self.ticket, &mut pack.bytes, context));
                    pack.count = 0;
                }
                if over {
                    return Poll::Ready(Ok(()));
                }
                if !full {
                    return Poll::Pending;
                }
            }
        })
        .await;
        match result {
            Ok(()) => {
                self.shared.finish(self.ticket, Kind::End, Vec::new());
                Answered::new()
            }
            Err(text) => self.fail(FailCode::Answer, &text),
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
#[derive(Default)]
struct Pack {
    count: u32,
    bytes: Vec<u8>,
}

impl Pack {
    fn is_full(&self) -> bool {
        self.bytes.len() >= PACK
    }

    fn add<T: Serialize>(&mut self, item: &T, limit: usize) -> Result<(), String> {
        if self.count == 0 {
            self.bytes.clear();
            self.bytes.extend_from_slice(&[0; 4]);
        }
        codec::encode_into(&mut self.bytes, item).map_err(|error| chain(&error))?;
        if self.bytes.len() > limit + ENVELOPE {
            return Err(format!("an item is larger than the {limit} bytes the caller receives"));
        }
        self.count += 1;
        self.bytes[..4].copy_from_slice(&self.count.to_le_bytes());
        Ok(())
    }
}
