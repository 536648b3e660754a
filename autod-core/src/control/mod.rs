//! Daemons seen from outside: which there are, how they are, and what they can be asked.
//!
//! This is what the `autod` command is made of. It needs neither the program of a daemon nor its
//! build: every daemon answers the same few questions, in JSON, and answers them while its handlers
//! are busy. Nothing here starts a daemon, and asking does not keep one alive.
//!
//! The questions and the fields of their answers are in PROTOCOL.md, "Control".

mod sight;
mod target;

use std::path::PathBuf;

pub use crate::daemon::{Home, Obstacle, Tail};
use crate::daemon::{find_places, remove_dead_links};
use crate::flat_json::Writer;
#[cfg(feature = "remote")]
pub use crate::remote::{Distant, relay, run_there};
pub use sight::{Life, Sight};
pub use target::Target;

/// All daemons of this user that can be found, also those that have ended, and what kept others from
/// being found. Those in the best of the [`homes`] come first.
pub fn find() -> (Vec<Target>, Vec<Obstacle>) {
    let (places, obstacles) = find_places();
    (places.into_iter().map(Target::new).collect(), obstacles)
}

/// The directories in which daemons of this user have theirs, the best first: the first without a
/// finding is where the next daemon goes.
pub fn homes() -> Vec<Home> {
    crate::daemon::homes()
}

/// Forgets daemons whose directories are gone; gives the paths of their sockets.
pub fn forget_lost() -> Vec<PathBuf> {
    remove_dead_links()
}

pub(crate) fn question(method: &str, fields: &[(&str, &str)]) -> String {
    let question = Writer::default().text("method", method);
    fields.iter().fold(question, |question, (key, value)| question.text(key, value)).finish()
}
