//! A call that blocks until its answer is there.

use std::time::Instant;

use serde::de::DeserializeOwned;

use super::connection::{Connection, Drive};
use crate::arguments::Arguments;
use crate::error::{CallError, Error};
use crate::mux::asked::{End, Expect};
use crate::mux::call::{decode_result, decode_value};
use crate::mux::outcall::{Outcall, Upstream};

use crate::service::Method;

/// Calls a method that cannot fail by itself.
pub fn call<T: DeserializeOwned + 'static>(
    connection: &Connection,
    method: &'static Method,
    arguments: impl Arguments,
    upstream: Upstream,
) -> Result<T, Error> {
    let outcall = Outcall::new(connection.inner(), method, arguments, Expect::Value, upstream);
    let called = outcall.method;
    decode_value(end(connection, outcall)?, called)
}

/// Calls a method that returns a `Result`.
pub fn call_fallible<T, E>(
    connection: &Connection,
    method: &'static Method,
    arguments: impl Arguments,
    upstream: Upstream,
) -> Result<T, CallError<E>>
where
    T: DeserializeOwned + 'static,
    E: DeserializeOwned + 'static,
{
    let outcall = Outcall::new(connection.inner(), method, arguments, Expect::Value, upstream);
    let called = outcall.method;
    decode_result(end(connection, outcall)?, called)
}

/// The last word about a call.
fn end(connection: &Connection, outcall: Outcall) -> Result<End, Error> {
    let drive = connection.drive();
    // Dropped after the call, which has a last word of its own if an iterator panics.
    let _last_word = LastWord(drive);
    let mut outcall = outcall;
    let until = connection.until();
    let answered = drive.wait_for(
        |context| {
            if let Some(until) = until
                && outcall.index().is_none()
            {
                outcall.set_time_left(until.saturating_duration_since(Instant::now()));
            }
            outcall.poll_end(context)
        },
        until,
    );
    answered.unwrap_or_else(|| Err(outcall.time_out()))
}

/// Sends what there is to send when a call or stream is dropped.
pub(super) struct LastWord<'a>(pub(super) &'a Drive);

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        self.0.flush();
    }
}
