//! The life of a daemon: where it lives, which locks prove that it does, how it is started and how
//! it leaves.
//!
//! Nothing here knows frames. The contract is LIFECYCLE.md.
#![allow(dead_code, reason = "the client and the server that use all of it are built on top")]

pub(crate) mod breaker;
pub(crate) mod door;
mod files;
pub(crate) mod follow;
pub(crate) mod inherit;
mod json;
pub(crate) mod locks;
pub(crate) mod log;
pub(crate) mod machine;
mod names;
pub(crate) mod peer;
pub(crate) mod place;
mod publish;
mod reaper;
pub(crate) mod record;
mod runtime;
mod settings;
pub(crate) mod spawn;
pub(crate) mod start;
pub(crate) mod starting;
pub(crate) mod status;
mod sys;
pub(crate) mod tenancy;
#[cfg(test)]
mod testing;
mod waiting;
