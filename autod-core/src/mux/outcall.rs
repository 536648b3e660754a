//! A call that this end makes, whatever it is answered with.
//!
//! It is sent at the first poll, and it sends the caller's stream whenever it is polled. Dropped
//! before its end it is cancelled, unless its method says otherwise.

use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use futures_util::Stream;
use serde::Serialize;
use tracing::field::debug;

use super::again::Again;
use super::asked::{End, Expect, Opening};
use super::connection::Connection;
use super::failure::{Called, failure, timed_out, undecodable, unsendable};
use super::flow::{Received, Role};
use super::pack::Pack;
use super::pump::{Feed, Pump, Stopped};
use super::queue::Place;
use super::shared::Shared;
use super::trace;
use crate::arguments::Arguments;
use crate::codec::{self, Codec, Message};
use crate::error::{Error, ErrorKind};
use crate::service::Method;
use crate::wire::frame::{BEFORE_ARGUMENTS, DEADLINE, DEADLINE_LENGTH, MAX_PIECE, Options};

pub(super) struct Outcall {
    pub(super) connection: Connection,
    pub(super) method: Called,
    pub(super) opening: Opening,
    pub(super) stage: Stage,
    /// The rest of the caller's stream.
    feed: Option<Box<dyn Feed>>,
    /// Of a connection that is made again when it is lost.
    pub(super) again: Option<Box<Again>>,
    /// Absent while nobody listens.
    span: Option<Box<trace::Made>>,
}

pub(super) enum Stage {
    /// `Some`: it has a place in the queue for a slot.
    Unsent(Message, Option<Place>),
    /// The arguments could not be encoded.
    Failed(Option<Error>),
    Open(u32),
    Done,
}

/// The stream that a call takes along, if any.
pub struct Upstream(Option<Box<dyn Feed>>);

impl Upstream {
    /// A call without a stream.
    pub const NONE: Self = Self(None);

    /// A stream of items of type `T`.
    pub fn items<T: Serialize + 'static>(items: impl Stream<Item = T> + Send + 'static) -> Self {
        Self(Some(Box::new(Pump::new(Box::pin(items), Pack::new()))))
    }
}

impl Outcall {
    pub(super) fn new(
        connection: &Connection,
        method: &'static Method,
        arguments: impl Arguments,
        expect: Expect,
        upstream: Upstream,
    ) -> Self {
        let codec = connection.shared().codec;
        Self::encoded(connection, method, expect, upstream, |head| match codec {
            Codec::Bincode => codec::arguments_message(head, arguments),
            #[cfg(feature = "json")]
            Codec::Json => Err(Error::new(
                ErrorKind::Usage,
                format!(
                    "{} cannot be called by a typed client: the connection speaks JSON",
                    method.name
                ),
            )),
        })
    }

    /// A call whose arguments `encode` puts behind the beginning of its message.
    pub(super) fn encoded(
        connection: &Connection,
        method: &'static Method,
        expect: Expect,
        Upstream(feed): Upstream,
        encode: impl FnOnce(Vec<u8>) -> Result<Message, Error>,
    ) -> Self {
        let options = match expect {
            Expect::Bytes => Options::Bytes,
            _ if feed.is_some() => Options::Items,
            _ => Options::Plain,
        };
        let (connection, again) = connection.line();
        let method = Called::new(method, connection.shared().side);
        let stage = match message(&connection, method, options, encode) {
            Ok(message) => Stage::Unsent(message, None),
            Err(error) => Stage::Failed(Some(error)),
        };
        let opening = Opening { expect, sends: options != Options::Plain };
        let span = trace::Made::begin(method.name, connection.shared().daemon());
        Self { connection, method, opening, stage, feed, again, span }
    }

    pub(super) fn shared(&self) -> &Shared {
        self.connection.shared()
    }

    /// The slot of a call that has been sent and is not over.
    pub(super) fn index(&self) -> Option<u32> {
        match self.stage {
            Stage::Open(index) => Some(index),
            _ => None,
        }
    }

    /// How much time the callee gets, if the call has not been sent.
    pub(super) fn set_time_left(&mut self, left: Duration) {
        if let Stage::Unsent(message, _) = &mut self.stage {
            put_deadline(message.head.make_mut(), left);
        }
    }

    /// Ends the call because its time is over.
    pub(super) fn time_out(&mut self) -> Error {
        if let Some(mut span) = self.span.take() {
            span.say("timed out");
        }
        let untouched = self.close();
        let error = timed_out(self.method);
        self.named(if untouched { error } else { error.maybe_executed() })
    }

    /// The error of a call or stream that ended otherwise than its method promises.
    pub(super) fn failure(&self, end: End) -> Error {
        self.named(failure(end, self.method))
    }

    /// The error of an answer that does not decode.
    pub(super) fn undecodable(&self, cause: Error) -> Error {
        self.named(undecodable(self.method, cause))
    }

    /// The error, as one of a call of this daemon.
    pub(super) fn named(&self, error: Error) -> Error {
        self.shared().named(error)
    }

    /// Sends the call when there is room for it, and gives its slot.
    #[inline]
    pub(super) fn poll_open(&mut self, waker: &Waker) -> Poll<Result<u32, Error>> {
        if self.again.is_some() { self.poll_open_again(waker) } else { self.poll_open_once(waker) }
    }

    pub(super) fn poll_open_once(&mut self, waker: &Waker) -> Poll<Result<u32, Error>> {
        let opened = match &mut self.stage {
            Stage::Open(index) => return Poll::Ready(Ok(*index)),
            Stage::Unsent(message, place) => {
                ready!(self.connection.shared().poll_begin(self.opening, message, place, waker))
            }
            Stage::Failed(error) => Err(error.take().unwrap_or_else(polled_again)),
            Stage::Done => Err(polled_again()),
        };
        self.stage = match &opened {
            Ok(index) => Stage::Open(*index),
            Err(error) => {
                self.note_failure(error);
                Stage::Done
            }
        };
        Poll::Ready(opened)
    }

    /// Says in the span of the call that it has failed here.
    #[cold]
    pub(super) fn note_failure(&mut self, error: &Error) {
        if let Some(mut span) = self.span.take() {
            span.say(debug(error.kind()));
        }
    }

    /// Sends what can be sent of the caller's stream. An error is the end of the call.
    fn drive(&mut self, index: u32, context: &mut Context<'_>) -> Result<(), Error> {
        let Some(feed) = &mut self.feed else { return Ok(()) };
        let shared = self.connection.shared();
        let role = Role::Caller(index);
        match feed.poll(shared, role, context) {
            Poll::Pending => return Ok(()),
            Poll::Ready(Ok(())) => shared.half_close(role),
            Poll::Ready(Err(Stopped::Over)) => {}
            Poll::Ready(Err(Stopped::Unsendable(why))) => {
                let error = unsendable(self.method, why, shared.peer_message);
                self.note_failure(&error);
                self.close();
                return Err(error);
            }
        }
        self.feed = None;
        Ok(())
    }

    /// The last word about the call.
    pub(super) fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<End, Error>> {
        let mut sent_before = self.index().is_some();
        let mut index = ready!(self.poll_open(context.waker()))?;
        // Looked for before the stream is asked for items that nobody may want. What was sent just
        // now has no answer, and its waker is there.
        while sent_before && let Poll::Ready(end) = self.shared().poll_end(index, context) {
            if !self.begins_again(&end) {
                self.ended(&end);
                return Poll::Ready(Ok(end));
            }
            sent_before = false;
            index = ready!(self.poll_open(context.waker()))?;
        }
        self.drive(index, context)?;
        Poll::Pending
    }

    /// The next part of the answer's stream.
    pub(super) fn poll_receive(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<Received, Error>> {
        loop {
            let index = ready!(self.poll_open(context.waker()))?;
            // Before the answer, which may always be ready: neither direction waits for the other.
            self.drive(index, context)?;
            let received = ready!(self.shared().poll_receive(Role::Caller(index), context));
            match &received {
                Received::End(end) if self.begins_again(end) => continue,
                Received::End(end) => self.ended(end),
                _ => self.again.iter_mut().for_each(|again| again.keep()),
            }
            return Poll::Ready(Ok(received));
        }
    }

    fn ended(&mut self, end: &End) {
        if let Some(mut span) = self.span.take() {
            span.end(end);
        }
        self.stage = Stage::Done;
        self.feed = None;
    }

    /// Ends the call; the callee is told if it is not over. `true` if it was never sent.
    pub(super) fn close(&mut self) -> bool {
        self.feed = None;
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Open(index) if self.method.no_cancel => {
                self.shared().forget(index);
                false
            }
            Stage::Open(index) => self.shared().abandon(index),
            Stage::Unsent(_, Some(place)) => {
                self.shared().give_up(place);
                true
            }
            Stage::Unsent(_, None) | Stage::Failed(_) => true,
            Stage::Done => false,
        }
    }
}

impl Drop for Outcall {
    fn drop(&mut self) {
        if !matches!(self.stage, Stage::Done) {
            self.close();
        }
    }
}

fn polled_again() -> Error {
    Error::new(ErrorKind::Usage, "a call was polled again after its end")
}

/// Puts a deadline before the arguments, or in the place of the one that is there. Rounded up, so
/// that the caller is the first to lose patience; 49 days is the most that it can say.
fn put_deadline(message: &mut Vec<u8>, left: Duration) {
    let milliseconds = left.as_nanos().div_ceil(1_000_000);
    let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX).to_le_bytes();
    let options = &mut message[BEFORE_ARGUMENTS - 1];
    let present = if *options & DEADLINE == 0 { 0 } else { DEADLINE_LENGTH };
    *options |= DEADLINE;
    message.splice(BEFORE_ARGUMENTS..BEFORE_ARGUMENTS + present, milliseconds);
}

/// The payload of a Call frame: method id, options, arguments.
fn message(
    connection: &Connection,
    method: Called,
    options: Options,
    encode: impl FnOnce(Vec<u8>) -> Result<Message, Error>,
) -> Result<Message, Error> {
    let mut head = Vec::with_capacity(64);
    head.extend_from_slice(&method.id.to_le_bytes());
    head.push(options as u8);
    debug_assert_eq!(head.len(), BEFORE_ARGUMENTS);
    let mut message = encode(head)?;
    if message.head.len() > MAX_PIECE - DEADLINE_LENGTH {
        // What is before long bytes is sent as one piece, and a deadline may come to it.
        message.join();
    }
    let length = message.len() - BEFORE_ARGUMENTS;
    let limit = connection.shared().peer_message;
    if length > limit {
        return Err(Error::new(
            ErrorKind::Limit,
            format!(
                "the arguments of {} take {length} bytes, {} receives at most {limit}",
                method.name,
                method.callee()
            ),
        ));
    }
    Ok(message)
}
