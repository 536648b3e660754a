//! What a row has counted and found.

use std::collections::BTreeMap;
use std::time::Duration;

/// So many findings of a row are told.
const TOLD: usize = 8;

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) daemons: usize,
    pub(crate) calls: usize,
    /// How often callers started over before they were connected, and then were answered.
    pub(crate) retries: usize,
    /// Errors that must not be.
    pub(crate) errors: usize,
    /// Errors that the fault makes unavoidable, and that say the truth.
    pub(crate) told: usize,
    /// How many of them there were of each kind.
    pub(crate) kinds: BTreeMap<String, usize>,
    /// Answered, and never executed.
    pub(crate) lost: usize,
    /// Executed twice, or executed although the caller was told that it was not.
    pub(crate) doubled: usize,
    pub(crate) worst: Duration,
    /// Further figures.
    pub(crate) remarks: Vec<String>,
    findings: Vec<String>,
    further: usize,
}

impl Tally {
    /// The row could not be run.
    pub(crate) fn broken(why: &str) -> Self {
        let mut tally = Self::default();
        tally.find(why);
        tally
    }

    /// Something that must not be.
    pub(crate) fn find(&mut self, what: impl Into<String>) {
        if self.findings.len() < TOLD {
            self.findings.push(what.into());
        } else {
            self.further += 1;
        }
    }

    /// Something that must be.
    pub(crate) fn expect(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.find(what());
        }
    }

    pub(crate) fn waited(&mut self, wait: Duration) {
        self.worst = self.worst.max(wait);
    }

    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    pub(crate) fn holds(&self) -> bool {
        self.findings.is_empty()
    }

    /// Takes in what a part of the row has counted and found.
    pub(crate) fn add(&mut self, part: Self) {
        self.daemons += part.daemons;
        self.calls += part.calls;
        self.errors += part.errors;
        self.told += part.told;
        self.lost += part.lost;
        self.doubled += part.doubled;
        self.waited(part.worst);
        for (kind, count) in part.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self.remarks.extend(part.remarks);
        part.findings.into_iter().for_each(|finding| self.find(finding));
        self.further += part.further;
    }

    /// The findings, for people.
    pub(crate) fn findings(&self) -> impl Iterator<Item = String> {
        let further = (self.further > 0).then(|| format!("and {} more", self.further));
        self.findings.iter().cloned().chain(further)
    }
}
