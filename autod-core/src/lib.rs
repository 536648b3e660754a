//! The connection and the daemon behind the `autod` crate.
//!
//! Use that crate: it re-exports everything here that is meant for programs.

mod activation;
mod arguments;
#[cfg(feature = "progress")]
mod bar;
pub mod blocking;
mod boot;
mod builder;
mod callbacks;
mod caller;
mod client;
mod codec;
pub mod control;
mod daemon;
mod desk;
mod errand;
mod error;
#[cfg(feature = "fault-points")]
#[doc(hidden)]
pub mod fault;
#[cfg(not(feature = "fault-points"))]
mod fault;
mod flat_json;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod greet;
mod handle;
#[cfg(feature = "remote")]
mod hosted;
mod identity;
mod in_process;
#[cfg(feature = "log")]
mod journal;
#[cfg(feature = "json")]
pub mod json;
mod listening;
mod mux;
mod options;
#[cfg(not(feature = "progress"))]
mod progress;
#[cfg(feature = "progress")]
#[path = "progress_bar.rs"]
mod progress;
#[cfg(feature = "remote")]
mod remote;
mod resume;
mod server;
pub mod service;
mod session;
mod settings;
#[doc(hidden)]
pub mod shape;
mod start;
pub mod testing;
mod until_idle;
mod upgrade;
mod voucher;
mod wire;

pub use activation::Activation;
pub use arguments::Arguments;
#[cfg(feature = "progress")]
pub use bar::{Bar, Step};
pub use builder::{BoxError, Daemon, Nothing};
pub use caller::Caller;
pub use client::{Client, Reconnect};
#[cfg(feature = "remote")]
pub use client::{Readiness, readiness};
pub use daemon::{Hold, Peer};
pub use error::{CallError, Error, Result};
pub use handle::{DaemonHandle, Status};
#[cfg(feature = "remote")]
pub use hosted::Hosted;
pub use in_process::in_process;
#[cfg(feature = "log")]
pub use journal::Log;
pub use listening::Listening;
#[doc(hidden)]
pub use mux::blocking as blocking_calls;
pub use mux::{ByteStream, Call, Change, Connection, Incoming, Origin, Pipe, deadline};
#[doc(hidden)]
pub use mux::{Upstream, call, call_fallible, open, open_fallible, pipe, pipe_fallible};
#[cfg(feature = "remote")]
pub use remote::{Ssh, is_bridge};
pub use resume::{Resume, StreamError, resume};
pub use service::Value;
pub use session::Session;
pub use start::Start;
pub use until_idle::{UntilIdle, Visit};
pub use upgrade::Upgrade;
pub use voucher::Voucher;
pub use wire::limits::Limits;
