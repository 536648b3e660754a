//! Many calls and streams over one connection.
//!
//! What is open on a connection is plain data in [`state`], guarded by one short lock per
//! connection and never held across an await, a system call or user code. The [`driver`] is the
//! only one that touches the transport. This module knows frames and services, but no processes,
//! files or listeners.
//!
//! A call goes like this: the caller encodes it, appends it to the outbox and wakes the driver; the
//! driver writes everything in the outbox with one system call. At the other end the driver reads
//! what is there, polls each handler once and appends the answers of those that are ready, so that
//! a batch of calls is answered by one write, without a task or a wake-up in between.

mod account;
mod again;
mod answers;
mod arrival;
mod asked;
mod backlog;
mod batch;
pub mod blocking;
mod bytes;
mod call;
mod chunks;
mod company;
mod connection;
mod counters;
mod deadline;
mod dispatch;
mod driver;
mod failure;
mod flow;
#[cfg(feature = "remote")]
mod foreign;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod glance;
mod incoming;
mod inflow;
mod input;
#[cfg(feature = "remote")]
mod keep_alive;
mod lookout;
mod loss;
mod outbox;
mod outcall;
mod outflow;
mod outgoing;
mod pack;
mod pieces;
mod pipe;
mod pulse;
mod pump;
mod queue;
mod reader;
mod renewal;
mod request;
mod served;
mod serving;
mod shared;
mod socket;
mod spares;
mod state;
mod tally;
pub(crate) mod trace;
mod transport;
mod turns;
#[cfg(feature = "json")]
pub(crate) mod untyped;
mod wakers;
mod watch;
mod writer;

pub use bytes::ByteStream;
pub use call::{Call, call, call_fallible};
pub use connection::{Connection, Origin};
pub(crate) use counters::Figures;
pub use deadline::deadline;
pub(crate) use dispatch::panic_message;
pub(crate) use dispatch::{Dispatch, Dispatcher, NoService};
pub(crate) use driver::Driver;
#[cfg(feature = "remote")]
pub(crate) use foreign::Foreign;
pub(crate) use glance::glance;
pub use incoming::{Incoming, open, open_fallible};
#[cfg(feature = "remote")]
pub(crate) use keep_alive::KeepAlive;
pub use outcall::Upstream;
pub use pipe::{Pipe, pipe, pipe_fallible};
pub(crate) use pulse::Pulse;
pub use renewal::Change;
pub(crate) use renewal::{Connect, OnChange, Persistence, Renewal};
pub(crate) use request::Incall;
pub(crate) use shared::Shared;
pub(crate) use socket::Socket;
pub(crate) use state::Side;
pub(crate) use tally::{OpenCall, Tally};
pub(crate) use transport::Transport;

#[cfg(test)]
mod tests;
