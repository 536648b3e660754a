//! The connection and the daemon behind the [`autod`](https://docs.rs/autod) crate.
//!
//! Use that crate: it re-exports everything here that is meant for programs.

mod codec;
mod daemon;
mod error;
mod mux;
pub mod service;
mod wire;

pub use error::{CallError, Error, Result};
pub use mux::{Call, Connection, Incoming, Origin};
pub use wire::limits::Limits;
