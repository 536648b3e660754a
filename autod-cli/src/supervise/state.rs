//! A supervisor and its services, as they are told to other processes.

use std::time::{Duration, SystemTime};

use autod_activator::{Phase, Status};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::state::Seen;

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
    /// How long it is as it is.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed().unwrap_or_default()
    }

    /// As a row among daemons. It is known by what no socket is called.
    pub(crate) fn to_seen(&self, owner: &Overview) -> Seen {
        let state = STATES.into_iter().find(|state| *state == self.phase).unwrap_or("unknown");
        let status = self.pid.map(|pid| {
            let holds: Vec<Value> =
                self.holds.iter().map(|reason| json!({"reason": reason})).collect();
            let mut status = json!({
                "pid": pid,
                "connections": self.connections + self.waiting,
                "uptime_ms": milliseconds(self.age()),
                "holds": holds,
            });
            if let Some(left) = self.idle_in {
                status["closes_in_ms"] = milliseconds(left).into();
            }
            status
        });
        let text = match &self.failure {
            Some(failure) => failure.clone(),
            None => format!("listens at {}", self.listens.join(" ")),
        };
        Seen {
            name: self.name.clone(),
            supervises: None,
            socket: format!("service {} of {}", self.name, owner.file),
            state,
            status,
            life: None,
            text: Some(text),
            help: None,
            reaped: false,
        }
    }

    /// Whether its process serves, or is about to.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.phase.as_str(), "running" | "starting")
    }

    pub(crate) fn to_json(&self, owner: &Overview) -> Value {
        let holds: Vec<Value> = self.holds.iter().map(|reason| json!({"reason": reason})).collect();
        let mut object = json!({
            "kind": "service",
            "name": self.name,
            "state": self.phase,
            "state_ms": milliseconds(self.age()),
            "starts": self.generation,
            "connections": self.connections,
            "waiting": self.waiting,
            "holds": holds,
            "listens": self.listens,
            "file": owner.file,
            "supervisor": owner.pid,
        });
        // As in the answers of daemons, what there is not is left out.
        for (key, value) in [
            ("pid", self.pid.map(Value::from)),
            ("text", self.says.as_deref().map(Value::from)),
            ("failure", self.failure.as_deref().map(Value::from)),
            ("closes_in_ms", self.idle_in.map(|time| milliseconds(time).into())),
        ] {
            if let Some(value) = value {
                object[key] = value;
            }
        }
        object
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

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

const STATES: [&str; 5] = ["stopped", "starting", "running", "stopping", "backoff"];

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Stopped => "stopped",
        Phase::Starting => "starting",
        Phase::Running => "running",
        Phase::Stopping => "stopping",
        Phase::Backoff => "backoff",
    }
}
