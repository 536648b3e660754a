//! A supervisor and its services, as they are told to other processes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use autod_activator::{Phase, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A running supervisor.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Overview {
    pub(crate) pid: u32,
    /// Its configuration file, for people.
    pub(crate) file: String,
    pub(crate) services: Vec<ServiceState>,
}

/// A service of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ServiceState {
    pub(crate) name: String,
    pub(crate) phase: String,
    pub(crate) since: SystemTime,
    pub(crate) pid: Option<u32>,
    pub(crate) generation: u64,
    pub(crate) connections: u64,
    pub(crate) waiting: u64,
    pub(crate) holds: Vec<String>,
    pub(crate) says: Option<String>,
    pub(crate) failure: Option<String>,
    pub(crate) listens: Vec<String>,
    pub(crate) idle_in: Option<Duration>,
}

impl ServiceState {
    /// Whether its process serves, or is about to.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase.as_str(), "running" | "starting")
    }

    pub(crate) fn to_json(&self, owner: &Overview) -> Value {
        let since = self.since.duration_since(UNIX_EPOCH).unwrap_or_default();
        json!({
            "service": self.name,
            "phase": self.phase,
            "since": since.as_secs_f64(),
            "pid": self.pid,
            "generation": self.generation,
            "connections": self.connections,
            "waiting": self.waiting,
            "holds": self.holds,
            "says": self.says,
            "failure": self.failure,
            "listens": self.listens,
            "idle_in": self.idle_in.map(|time| time.as_secs_f64()),
            "file": owner.file,
            "supervisor": owner.pid,
        })
    }
}

impl From<Status> for ServiceState {
    fn from(status: Status) -> Self {
        Self {
            name: status.name,
            phase: phase(status.phase).to_owned(),
            since: status.since,
            pid: status.pid,
            generation: status.generation,
            connections: status.connections as u64,
            waiting: status.waiting as u64,
            holds: status.holds,
            says: status.says,
            failure: status.failure,
            listens: status.listens.iter().map(ToString::to_string).collect(),
            idle_in: status.idle_in,
        }
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Stopped => "stopped",
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Stopping => "stopping",
        Phase::Backoff => "backoff",
    }
}
