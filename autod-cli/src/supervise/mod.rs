//! Control of running supervisors: what each serves on a socket of its own, and how the other
//! commands find it. It does not know how a result is printed.
//!
//! The sockets of this user's supervisors stand in one private directory, each named after the
//! configuration file, so that a file has one supervisor and a directory's listing is the list of
//! supervisors.

mod control;
mod found;
mod place;
mod state;

use serde::{Deserialize, Serialize};

use crate::told::{Told, in_full};
pub(crate) use control::serve;
pub(crate) use found::Supervisors;
pub(crate) use place::{file_of, supervisor_of};
pub(crate) use state::{Overview, ServiceState};

/// An error of the library with its causes.
pub(crate) fn told(error: &autod_activator::Error) -> Told {
    Told::new(in_full(error), error.help())
}

/// What a supervisor does for other processes of its user.
#[autod::service]
pub(crate) trait Supervise {
    /// The supervisor, and all its services as they are now.
    async fn overview(&self) -> Overview;
    /// Starts a service, if it does not run, and answers when it is ready. Whoever gives up waiting
    /// does not stop the start.
    async fn start(&self, name: String) -> Result<(), Refusal>;
    /// Stops a service, if it runs, and answers when its processes are gone.
    async fn stop(&self, name: String, force: bool) -> Result<(), Refusal>;
}

/// Why a supervisor did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// It has no service of this name.
    Unknown,
    /// Anything else, in words.
    Failed(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown => formatter.write_str("it has no such service"),
            Self::Failed(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for Refusal {}
