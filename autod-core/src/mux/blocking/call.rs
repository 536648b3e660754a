//! A call that blocks until its answer is there.

use std::time::Instant;

use super::connection::{Connection, Drive};
use crate::client::Client;
use crate::error::Error;
use crate::mux::call::Call;

/// The async client of a blocking one's connection. Only for calls that are waited for here.
pub fn client<C: Client>(connection: &Connection) -> C {
    C::from_connection(connection.inner().clone())
}

/// Waits for the answer to a call.
pub fn call<T, E: From<Error>>(connection: &Connection, call: Call<T, E>) -> Result<T, E> {
    let Call { outcall, decode, .. } = call;
    let drive = connection.drive();
    // Dropped after the call, which has a last word of its own if an iterator panics.
    let _last_word = LastWord(drive);
    let mut outcall = outcall;
    drive.check().map_err(|error| outcall.named(error))?;
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
    let end = answered.unwrap_or_else(|| Err(outcall.time_out()));
    decode(end.map_err(|error| outcall.named(error))?, &outcall)
}

/// Sends what there is to send when a call or stream is dropped.
pub(super) struct LastWord<'a>(pub(super) &'a Drive);

impl Drop for LastWord<'_> {
    fn drop(&mut self) {
        self.0.flush();
    }
}
