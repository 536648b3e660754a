//! What is seen of a daemon from outside.

use std::time::Duration;

use crate::daemon::{LifeRecord, milliseconds_now};
use crate::identity::Build;

/// What was found at a [`Target`](super::Target).
#[derive(Debug)]
#[non_exhaustive]
pub enum Sight {
    /// It answers the question, in JSON.
    Answers(String),
    /// Somebody listens, and answers in no time that it was given: it hangs, or was stopped.
    Silent(Option<Life>),
    /// It does not let itself be asked, for this reason: it is of a build that cannot.
    Refuses(Option<Life>, String),
    /// Somebody is starting it. These words say who and how far.
    Starting(String),
    /// It takes nobody any more and ends when its last call is answered.
    Closing(Life),
    /// None runs.
    Gone {
        /// The last one that did, if one ever did here.
        last: Option<Life>,
        /// It left its socket behind: it was killed.
        leftover: bool,
    },
}

/// What the lock of a daemon says about it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Life {
    /// The process.
    pub pid: u32,
    /// The build, as in a greeting.
    pub build: String,
    /// Since it was started; `None` if that was before the machine was.
    pub age: Option<Duration>,
}

impl Life {
    pub(super) fn new(record: &LifeRecord) -> Option<Self> {
        let age = milliseconds_now().checked_sub(record.since).filter(|_| !record.is_foreign());
        let age = age.map(Duration::from_millis);
        (record.pid != 0).then(|| Self { pid: record.pid, build: record.build.clone(), age })
    }

    /// The version in the build.
    pub fn version(&self) -> String {
        Build::parse(&self.build).version().to_owned()
    }
}
