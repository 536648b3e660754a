//! One call, from the arguments to its answer.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::asked::{End, Expect};
use super::connection::Connection;
use super::deadline::Deadline;
use super::outcall::{Outcall, Upstream};
use crate::arguments::Arguments;
use crate::codec;
use crate::error::{CallError, Error};
use crate::service::Method;
use crate::wire::frame::FailCode;

/// A call of a method: a future of its answer.
///
/// Nothing is sent before the first poll. Dropping it cancels the call: the daemon drops the
/// handler at its next `await`, unless the method is `#[autod(no_cancel)]`. Above the limit of calls in flight it waits for its turn.
///
/// A stream among the arguments is sent while the call is awaited, as fast as the handler takes its
/// items, and no further than [`Limits::window`](crate::Limits::window) ahead of it. When the
/// handler takes no more of it, or has answered, the stream is dropped.
///
/// # Errors
///
/// The future ends with the service's own error, if the method has one, and with
/// [`Error`] otherwise; [`Error::may_have_executed`] tells whether the handler may have run. An item
/// of a stream that cannot be encoded, or is larger than the daemon receives, ends the call.
#[must_use = "a call is sent when it is awaited"]
pub struct Call<T, E = Error> {
    pub(super) outcall: Outcall,
    pub(super) decode: Decode<T, E>,
    patience: Option<Patience>,
    output: PhantomData<fn() -> (T, E)>,
}

/// How long the caller waits.
enum Patience {
    /// From the first poll on.
    Limit(Duration),
    Until(Deadline),
}

/// Makes an answer of the last word about a call.
pub(super) type Decode<T, E> = fn(End, &Outcall) -> Result<T, E>;

/// Calls a method that cannot fail by itself.
pub fn call<T: DeserializeOwned + Send + 'static>(
    connection: &Connection,
    method: &'static Method,
    arguments: impl Arguments,
    upstream: Upstream,
) -> Call<T> {
    let outcall = Outcall::new(connection, method, arguments, Expect::Value, upstream);
    Call::of(outcall, decode_value)
}

/// Calls a method that returns a `Result`.
pub fn call_fallible<T, E>(
    connection: &Connection,
    method: &'static Method,
    arguments: impl Arguments,
    upstream: Upstream,
) -> Call<T, CallError<E>>
where
    T: DeserializeOwned + Send + 'static,
    E: DeserializeOwned + Send + 'static,
{
    let outcall = Outcall::new(connection, method, arguments, Expect::Value, upstream);
    Call::of(outcall, decode_result)
}

pub(super) fn decode_value<T: DeserializeOwned + 'static>(
    end: End,
    outcall: &Outcall,
) -> Result<T, Error> {
    match end {
        End::Value(message) => {
            codec::decode_message(message).map_err(|error| outcall.undecodable(error))
        }
        other => Err(outcall.failure(other)),
    }
}

pub(super) fn decode_result<T: DeserializeOwned + 'static, E: DeserializeOwned + 'static>(
    end: End,
    outcall: &Outcall,
) -> Result<T, CallError<E>> {
    match end {
        End::Value(_) => decode_value(end, outcall).map_err(CallError::Autod),
        other => Err(service_error(other, outcall)),
    }
}

/// The error of a call of a method that has its own ones.
pub(super) fn service_error<E: DeserializeOwned + 'static>(
    end: End,
    outcall: &Outcall,
) -> CallError<E> {
    match end {
        End::Fail(FailCode::Service, bytes) => match codec::decode(&bytes) {
            Ok(error) => CallError::Service(error),
            Err(error) => outcall.undecodable(error).into(),
        },
        other => outcall.failure(other).into(),
    }
}

impl<T, E> Call<T, E> {
    pub(super) fn of(outcall: Outcall, decode: Decode<T, E>) -> Self {
        Self { outcall, decode, patience: None, output: PhantomData }
    }

    /// Gives the call so much time, from its first poll on; without this it has no limit.
    ///
    /// The time that is left is sent along. When it is over, the future ends with an error of which
    /// [`Error::is_timeout`] is true, and [`Error::may_have_executed`] is false only if nothing of
    /// the call was sent; and the daemon drops the handler at its next `await`, unless its method is
    /// `#[autod(no_cancel)]`. A handler can ask for it: [`deadline`](crate::deadline()). What is sent
    /// is rounded up to a millisecond, at most 49 days. A second call of this replaces the first.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn example(add: autod_core::Call<i64>) -> autod_core::Result<()> {
    /// match add.deadline(Duration::from_secs(2)).await {
    ///     Err(error) if error.is_timeout() => eprintln!("the daemon is busy"),
    ///     total => println!("{}", total?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// The future, when it is polled first in a tokio runtime without time.
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.patience = Some(Patience::Limit(limit));
        self
    }

    /// Starts the clock, and tells a call that is not sent what is left.
    fn begin(&mut self) {
        if let Some(Patience::Limit(limit)) = self.patience {
            self.patience = Deadline::after(limit).map(Patience::Until);
        }
        if let Some(Patience::Until(deadline)) = &self.patience
            && self.outcall.index().is_none()
        {
            self.outcall.set_time_left(deadline.left());
        }
    }
}

impl<T, E: From<Error>> Future for Call<T, E> {
    type Output = Result<T, E>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.patience.is_some() {
            this.begin();
        }
        if let Poll::Ready(end) = this.outcall.poll_end(context) {
            let end = end.map_err(|error| this.outcall.named(error))?;
            return Poll::Ready((this.decode)(end, &this.outcall));
        }
        let Some(Patience::Until(deadline)) = &mut this.patience else { return Poll::Pending };
        ready!(deadline.poll(context));
        Poll::Ready(Err(this.outcall.time_out().into()))
    }
}
