//! The life of a daemon: where it lives, which locks prove that it does, how it is started and how
//! it leaves.
//!
//! Nothing here knows frames. The contract is LIFECYCLE.md.

mod alarm;
mod breaker;
mod channel;
mod door;
mod files;
mod follow;
mod inherit;
mod lease;
mod locks;
mod log;
mod machine;
mod names;
mod passing;
mod peer;
mod pidfile;
mod place;
mod publish;
mod reaper;
mod record;
mod registry;
mod root;
mod runtime;
mod scope;
mod settings;
mod snapshot;
mod spawn;
mod start;
mod starting;
mod status;
mod succession;
mod sys;
mod tail;
mod tenancy;
#[cfg(test)]
mod testing;
mod vacancy;
mod waiting;
mod watchdog;

pub(crate) use alarm::Alarm;
pub(crate) use breaker::Began;
pub(crate) use door::{Knock, accept_now};
pub(crate) use follow::Follow;
pub(crate) use inherit::{DEPTH, Heir, Inherited, check_guard};
pub use lease::Hold;
pub(crate) use lease::{Connected, Lease};
pub(crate) use locks::SpawnLock;
pub(crate) use machine::milliseconds as milliseconds_now;
pub use peer::Peer;
pub(crate) use peer::{check_listener, check_peer, peer};
pub(crate) use pidfile::PidFile;
pub(crate) use place::Place;
pub(crate) use record::{LifeRecord, SpawnRecord};
pub use registry::{Home, Obstacle};
pub(crate) use registry::{find_places, homes, remove_dead_links};
pub(crate) use root::Root;
pub(crate) use spawn::Launch;
pub(crate) use start::{Starter, Turn};
pub(crate) use starting::Starting;
pub(crate) use status::Status;
pub(crate) use succession::Succession;
pub(crate) use sys::{adopt_descriptor, forget_variables};
pub use tail::Tail;
pub(crate) use tail::log_tail;
pub(crate) use tenancy::Tenancy;
pub(crate) use vacancy::{Occupied, look};
pub(crate) use waiting::{Behind, Patience, wait_until_gone};
pub(crate) use watchdog::Watchdog;
