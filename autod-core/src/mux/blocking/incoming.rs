//! A stream of items, as an iterator that blocks.

use std::pin::Pin;
use std::time::{Duration, Instant};

use futures_util::Stream as _;
use serde::de::DeserializeOwned;

use super::connection::Connection;
use crate::error::{Error, ErrorKind};
use crate::mux::incoming;

/// A stream of items from the daemon, as an iterator.
///
/// The daemon sends ahead as much as [`Limits::window`](crate::Limits::window) allows and then waits,
/// unless the method drops old items instead ([`skipped`](Self::skipped)). An item is a `Result`; the
/// iterator ends after the last item, or after an error, which is that of an
/// [async stream](crate::Incoming). The one error that is not the end: [`Error::is_timeout`], when
/// nothing has come within the time of [`next_timeout`](Self::next_timeout) or of
/// [`with_deadline`](crate::blocking::Client::with_deadline).
///
/// Nothing is sent before the first item is asked for, and dropping it cancels the call. An iterator
/// among the arguments is asked while this one is.
///
/// ```no_run
/// # fn watch(totals: autod_core::blocking::Incoming<i64>) -> autod_core::Result<()> {
/// for total in totals {
///     println!("{}", total?);
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream is opened when it is asked for an item"]
pub struct Incoming<T, E = Error> {
    connection: Connection,
    method: &'static str,
    /// Absent when it is dropped.
    items: Option<incoming::Incoming<T, E>>,
}

/// Lets a thread wait for the items of a call.
pub fn open<T, E>(connection: &Connection, items: incoming::Incoming<T, E>) -> Incoming<T, E> {
    Incoming { connection: connection.clone(), method: items.method(), items: Some(items) }
}

impl<T, E> Incoming<T, E> {
    /// How many items were dropped before the one that came last, in all: those that a method with
    /// `#[autod(drop_oldest = ..)]` did not keep because they were not taken in time. 0 otherwise.
    pub fn skipped(&self) -> u64 {
        self.items.as_ref().map_or(0, incoming::Incoming::skipped)
    }
}

impl<T: DeserializeOwned + 'static, E: From<Error>> Incoming<T, E> {
    /// The next item, as [`next`](Iterator::next), but waits for it no longer than this. The stream
    /// goes on after an error of which [`Error::is_timeout`] is true; nothing is lost.
    pub fn next_timeout(&mut self, limit: Duration) -> Option<Result<T, E>> {
        self.next_until(Instant::now().checked_add(limit))
    }

    fn next_until(&mut self, until: Option<Instant>) -> Option<Result<T, E>> {
        let items = self.items.as_mut()?;
        if let Some(item) = items.next_now() {
            return Some(item);
        }
        let drive = self.connection.drive();
        if let Err(error) = drive.check() {
            return Some(Err(self.connection.inner().shared().named(error).into()));
        }
        drive.wait_for(|context| Pin::new(&mut *items).poll_next(context), until).unwrap_or_else(
            || Some(Err(self.connection.inner().shared().named(late(self.method)).into())),
        )
    }
}

/// Nothing has come in time.
fn late(method: &str) -> Error {
    let text = format!("no item of {method} has come in time");
    Error::new(ErrorKind::Timeout, text).maybe_executed()
}

impl<T: DeserializeOwned + 'static, E: From<Error>> Iterator for Incoming<T, E> {
    type Item = Result<T, E>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_until(self.connection.until())
    }
}

impl<T, E> Drop for Incoming<T, E> {
    fn drop(&mut self) {
        self.items = None;
        self.connection.drive().flush();
    }
}
