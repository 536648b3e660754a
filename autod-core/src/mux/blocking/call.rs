//! A call that blocks until its answer is there.

use std::time::Instant;

use serde::de::DeserializeOwned;

use super::connection::Connection;
use super::line::Line;
use crate::arguments::Arguments;
use crate::error::{CallError, Error};
use crate::mux::asked::Expect;
use crate::mux::call::{Decode, decode_result, decode_value};
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
    answer(connection, outcall, decode_value)
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
    answer(connection, outcall, decode_result)
}

/// What comes of the last word about a call.
fn answer<T, E: From<Error>>(
    connection: &Connection,
    outcall: Outcall,
    decode: Decode<T, E>,
) -> Result<T, E> {
    let line = connection.line();
    // Dropped after the call, which has a last word of its own if an iterator panics.
    let _last_word = LastWord(line);
    let mut outcall = outcall;
    let until = connection.until();
    let answered = line.wait_for(
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
    let end = answered.unwrap_or_else(|| Err(outcall.time_out()));
    decode(end.map_err(|error| outcall.named(error))?, &outcall)
}

/// Sends what there is to send when a call or stream is dropped.
pub(super) struct LastWord<'a>(pub(super) &'a Line);

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        self.0.flush();
    }
}
