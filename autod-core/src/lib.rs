//! The connection and the daemon behind the [`autod`](https://docs.rs/autod) crate.
//!
//! Use that crate: it re-exports everything here that is meant for programs.

mod daemon;
mod error;
pub mod service;

pub use error::{CallError, Error, Result};
