//! One call, from the arguments to its answer.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::Connection;
use super::outgoing::{End, Expect};
use super::queue::Place;
use crate::codec;
use crate::error::{CallError, Error, ErrorKind};
use crate::service::Method;
use crate::wire::frame::FailCode;

/// A call of a method: a future of its answer.
///
/// Nothing is sent before the first poll. Dropping it cancels the call: the daemon drops the
/// handler at its next `await`. Above the limit of calls in flight it waits for its turn.
///
/// # Errors
///
/// The future ends with the service's own error, if the method has one, and with
/// [`Error`] otherwise; [`Error::may_have_executed`] tells whether the handler may have run.
#[must_use = "a call is sent when it is awaited"]
pub struct Call<T, E = Error> {
    connection: Connection,
    method: &'static Method,
    stage: Stage,
    decode: fn(End, &'static Method) -> Result<T, E>,
    output: PhantomData<fn() -> (T, E)>,
}

enum Stage {
    /// `Some`: it has a place in the queue for a slot.
    Unsent(Vec<u8>, Option<Place>),
    /// The arguments could not be encoded.
    Failed(Option<Error>),
    Sent(u32),
    Done,
}

/// Calls a method that cannot fail by itself.
pub fn call<T: DeserializeOwned + Send + 'static>(
    connection: &Connection,
    method: &'static Method,
    arguments: &impl Serialize,
) -> Call<T> {
    Call::new(connection, method, arguments, |end, method| match end {
        End::Value(bytes) => codec::decode(&bytes).map_err(|error| undecodable(method, error)),
        other => Err(failure(other, method)),
    })
}

/// Calls a method that returns a `Result`.
pub fn call_fallible<T, E>(
    connection: &Connection,
    method: &'static Method,
    arguments: &impl Serialize,
) -> Call<T, CallError<E>>
where
    T: DeserializeOwned + Send + 'static,
    E: DeserializeOwned + Send + 'static,
{
    Call::new(connection, method, arguments, |end, method| {
        Err(match end {
            End::Value(bytes) => match codec::decode(&bytes) {
                Ok(value) => return Ok(value),
                Err(error) => undecodable(method, error),
            },
            End::Fail(FailCode::Service, bytes) => match codec::decode(&bytes) {
                Ok(error) => return Err(CallError::Service(error)),
                Err(error) => undecodable(method, error),
            },
            other => failure(other, method),
        }
        .into())
    })
}

impl<T, E> Call<T, E> {
    fn new(
        connection: &Connection,
        method: &'static Method,
        arguments: &impl Serialize,
        decode: fn(End, &'static Method) -> Result<T, E>,
    ) -> Self {
        let stage = match message(connection, method, arguments) {
            Ok(message) => Stage::Unsent(message, None),
            Err(error) => Stage::Failed(Some(error)),
        };
        Self { connection: connection.clone(), method, stage, decode, output: PhantomData }
    }
}

impl<T, E: From<Error>> Future for Call<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let shared = this.connection.shared();
        match &mut this.stage {
            Stage::Unsent(message, place) => {
                match shared.poll_begin(Expect::Value, message, place, context) {
                    Poll::Ready(Ok(index)) => this.stage = Stage::Sent(index),
                    Poll::Ready(Err(error)) => {
                        this.stage = Stage::Done;
                        return Poll::Ready(Err(error.into()));
                    }
                    Poll::Pending => {}
                }
                Poll::Pending
            }
            Stage::Sent(index) => match shared.poll_end(*index, context) {
                Poll::Ready(end) => {
                    this.stage = Stage::Done;
                    Poll::Ready((this.decode)(end, this.method))
                }
                Poll::Pending => Poll::Pending,
            },
            Stage::Failed(error) => {
                let error = error.take();
                this.stage = Stage::Done;
                Poll::Ready(Err(error.unwrap_or_else(polled_again).into()))
            }
            Stage::Done => Poll::Ready(Err(polled_again().into())),
        }
    }
}

impl<T, E> Drop for Call<T, E> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Sent(index) => self.connection.shared().abandon(index),
            Stage::Unsent(_, Some(place)) => self.connection.shared().give_up(place),
            Stage::Unsent(_, None) | Stage::Failed(_) | Stage::Done => {}
        }
    }
}

/// The payload of a Call frame: method id, options (none yet), arguments.
pub(super) fn message(
    connection: &Connection,
    method: &Method,
    arguments: &impl Serialize,
) -> Result<Vec<u8>, Error> {
    let mut message = Vec::with_capacity(64);
    message.extend_from_slice(&method.id.to_le_bytes());
    message.push(0);
    let start = message.len();
    codec::encode_into(&mut message, arguments)?;
    let length = message.len() - start;
    let limit = connection.shared().peer_message;
    if length > limit {
        return Err(Error::new(
            ErrorKind::Limit,
            format!(
                "the arguments of {} take {length} bytes, the daemon receives at most {limit}",
                method.name
            ),
        ));
    }
    Ok(message)
}

pub(super) fn undecodable(method: &Method, cause: Error) -> Error {
    Error::new(ErrorKind::Codec, format!("the answer of {} does not decode", method.name))
        .caused_by(cause)
        .maybe_executed()
}

fn polled_again() -> Error {
    Error::new(ErrorKind::Usage, "a call was polled again after its end")
}

/// The error of a call or stream that ended otherwise than its method promises.
pub(super) fn failure(end: End, method: &Method) -> Error {
    let name = method.name;
    let (code, bytes) = match end {
        End::Fail(code, bytes) => (code, bytes),
        End::Lost(loss) => return loss.of_open_call(),
        End::Value(_) | End::Finished => {
            return Error::new(
                ErrorKind::Protocol,
                format!("the daemon answered {name} with the wrong kind of answer"),
            )
            .maybe_executed();
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    match code {
        FailCode::UnknownMethod => Error::new(
            ErrorKind::UnknownMethod,
            format!("the daemon has no method {name}; it may be of an older build: restart it"),
        ),
        FailCode::Arguments => {
            Error::new(ErrorKind::Codec, format!("the daemon cannot use the arguments of {name}"))
                .caused_by(text.into_owned())
        }
        FailCode::Panicked => {
            Error::new(ErrorKind::Panicked, format!("{name} panicked in the daemon"))
                .caused_by(text.into_owned())
                .maybe_executed()
        }
        FailCode::Cancelled => {
            Error::new(ErrorKind::Cancelled, format!("{name} was cancelled")).maybe_executed()
        }
        FailCode::Closing => {
            Error::new(ErrorKind::Closing, format!("{name} was refused because {text}"))
        }
        FailCode::Ended => {
            Error::new(ErrorKind::Closing, format!("{name} ended because {text}")).maybe_executed()
        }
        FailCode::Answer | FailCode::AnswerTooLarge => {
            let kind = if code == FailCode::Answer { ErrorKind::Codec } else { ErrorKind::Limit };
            Error::new(kind, format!("{name} cannot be answered"))
                .caused_by(text.into_owned())
                .maybe_executed()
        }
        FailCode::TooLarge => Error::new(
            ErrorKind::Limit,
            format!("the arguments of {name} are larger than the daemon receives"),
        ),
        FailCode::Memory => Error::new(
            ErrorKind::Limit,
            format!(
                "the daemon holds too much for this connection to take the arguments of {name}"
            ),
        ),
        FailCode::Service | FailCode::Refused => {
            Error::new(ErrorKind::Protocol, format!("the daemon refused {name}"))
                .caused_by(text.into_owned())
                .maybe_executed()
        }
    }
}
