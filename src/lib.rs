#![doc = include_str!("../README.md")]

/// A test of a service needs no daemon:
///
/// ```
/// #[autod::service]
/// trait Doubler {
///     async fn double(&self, n: i64) -> i64;
/// }
///
/// struct Plain;
///
/// impl Doubler for Plain {
///     async fn double(&self, n: i64) -> i64 {
///         n * 2
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let doubler: DoublerClient = autod::in_process(Plain);
/// assert_eq!(doubler.double(21).await?, 42);
/// # Ok::<(), autod::Error>(())
/// # }).unwrap();
/// ```
pub use autod_core::in_process;

#[cfg(feature = "cli")]
pub mod cli;

#[cfg(feature = "log")]
pub use autod_core::Log;
#[cfg(feature = "json")]
pub use autod_core::json;
pub use autod_core::{
    Activation, BoxError, ByteStream, Call, CallError, Caller, Change, Client, Connection, Daemon,
    DaemonHandle, Error, Hold, Incoming, Limits, Listening, Nothing, Origin, Peer, Pipe, Reconnect,
    Result, Resume, Session, Start, Status, StreamError, UntilIdle, Upgrade, Value, Visit, Voucher,
    blocking, control, deadline, resume, service, testing,
};
#[cfg(feature = "remote")]
pub use autod_core::{Hosted, Readiness, Ssh, is_bridge, readiness};
pub use autod_macros::service;

/// Bars on a terminal for whoever waits; nothing on a pipe. Feature `progress`.
///
/// ```
/// use autod::progress::{Bar, Step};
/// use futures::{StreamExt, stream};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let parts = stream::iter([1, 2, 3]);
/// let step = |part: &u64| Step { done: *part, total: Some(3), text: "parts".to_owned() };
/// let parts: Vec<u64> = Bar::new("reading").follow(parts, step).collect().await;
/// assert_eq!(parts, [1, 2, 3]);
/// # });
/// ```
#[cfg(feature = "progress")]
pub mod progress {
    pub use autod_core::{Bar, Step};
}

/// The guide's code is run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/guide.md")]
struct Guide;

/// So is that of the page about clients that come back.
#[cfg(doctest)]
#[doc = include_str!("../docs/reconnect.md")]
struct Reconnecting;

/// And those of daemons on other machines, of the command, and of the protocol.
#[cfg(all(doctest, feature = "remote"))]
#[doc = include_str!("../docs/remote.md")]
struct Remote;

#[cfg(all(doctest, feature = "cli"))]
#[doc = include_str!("../docs/command.md")]
struct Command;

#[cfg(doctest)]
#[doc = include_str!("../PROTOCOL.md")]
struct Protocol;

/// What the code that `#[autod::service]` generates refers to. Not for people.
#[doc(hidden)]
pub mod __private {
    pub use autod_core::service::{
        Answered, Argument, Fallible, Kind, Method, Parameter, Policy, Request, Serves, Service,
        Table, assert_distinct, method_id,
    };
    pub use autod_core::shape::{constant, shape};
    pub use autod_core::{
        Client, Connection, Upstream, call, call_fallible, open, open_fallible, pipe, pipe_fallible,
    };

    /// The same for the client that blocks.
    pub mod blocking {
        pub use autod_core::blocking::{Client, Connection};
        pub use autod_core::blocking_calls::{call, client, items, open, pipe};
    }
}
