#![doc = include_str!("../README.md")]

pub use autod_core::{
    Activation, BoxError, Call, CallError, Caller, Client, Connection, Daemon, DaemonHandle, Error,
    Hold, Incoming, Limits, Listening, Nothing, Origin, Peer, Result, Session, Start, Status,
    UntilIdle, Upgrade, Visit, service,
};
pub use autod_macros::service;

/// What the code that `#[autod::service]` generates refers to. Not for people.
#[doc(hidden)]
pub mod __private {
    pub use autod_core::service::{
        Answered, Argument, Fallible, Kind, Method, Request, Serves, Service, Table,
        assert_distinct, method_id,
    };
    pub use autod_core::{Client, Connection, call, call_fallible, open};
}
