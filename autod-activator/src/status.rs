//! What a service is doing, for people and programs.

use std::time::{Duration, SystemTime};

use crate::address::Address;

/// Where a service is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It is not there; the next connection starts it.
    Stopped,
    /// It is being started.
    Starting,
    /// It serves.
    Running,
    /// It is about to end; whoever comes waits for the next start.
    Stopping,
    /// It failed; the next start waits.
    Backoff,
}

/// A service as it was a moment ago.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub phase: Phase,
    /// Since when.
    pub since: SystemTime,
    /// Its process, if there is one.
    pub pid: Option<u32>,
    /// How many times it was started.
    pub generation: u64,
    /// Connections that are forwarded to it now. None are counted in fd mode.
    pub connections: usize,
    /// Connections that wait for it.
    pub waiting: usize,
    /// Why it is kept alive without connections.
    pub holds: Vec<String>,
    /// What it says about itself (`STATUS=`).
    pub says: Option<String>,
    /// Why its last start failed, until one succeeds.
    pub failure: Option<String>,
    /// Its public sockets.
    pub listens: Vec<Address>,
    /// When it is let go, if nobody comes.
    pub idle_in: Option<Duration>,
}
