#![doc = include_str!("../README.md")]

pub use autod_core::{
    BoxError, ByteStream, Call, CallError, Caller, Client, Connection, Daemon, DaemonHandle, Error,
    Hold, Incoming, Limits, Listening, Nothing, Origin, Peer, Pipe, Result, Session, Start, Status,
    Upgrade, service,
};
pub use autod_macros::service;

/// What the code that `#[autod::service]` generates refers to. Not for people.
#[doc(hidden)]
pub mod __private {
    pub use autod_core::service::{
        Answered, Argument, Fallible, Kind, Method, Policy, Request, Serves, Service, Table,
        assert_distinct, method_id,
    };
    pub use autod_core::{
        Client, Connection, Upstream, call, call_fallible, open, open_fallible, pipe, pipe_fallible,
    };
}
