//! The comparison of what was executed with what the callers were told.
//!
//! Answered: executed once. An error that says it was not executed: never. An error that says it
//! may have been: at most once. Nothing told, because the caller was killed: at most once.

use std::collections::HashMap;

use crate::Result;
use crate::call::{Call, Failure};
use crate::caller::Done;
use crate::home::Home;
use crate::tally::Tally;

#[derive(Default)]
pub(crate) struct Ledger {
    told: HashMap<String, Call>,
}

/// Which errors a fault makes unavoidable.
pub(crate) type Permitted<'a> = &'a dyn Fn(&Call, &Failure) -> bool;

/// A row without a fault has no errors.
pub(crate) const NONE: Permitted<'static> = &|_, _| false;

/// Which error it was and what it said about the call.
fn kind(failure: &Failure) -> String {
    let executed = if failure.may_have_executed { "may have executed" } else { "untouched" };
    match failure.kind.as_str() {
        "lost" if failure.text.contains("hung up") => format!("hung up 5 times, {executed}"),
        "other" => format!("{}, {executed}", gist(&failure.text)),
        kind => format!("{kind}, {executed}"),
    }
}

/// The beginning of an error, without the pid that makes each one another.
fn gist(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect();
    let mut words = text.split(' ').filter(|word| !word.contains('#') && !word.contains('/'));
    words.by_ref().take(8).collect::<Vec<_>>().join(" ")
}

impl Ledger {
    /// Enters what a caller of so many calls was told.
    pub(crate) fn enter(
        &mut self,
        done: &Done,
        calls: usize,
        permitted: Permitted<'_>,
        tally: &mut Tally,
    ) {
        let mut count = 0;
        for call in done.calls() {
            count += 1;
            tally.waited(call.took);
            tally.retries += call.retries;
            if let Some(failure) = &call.failure {
                if permitted(&call, failure) {
                    tally.told += 1;
                    *tally.kinds.entry(kind(failure)).or_default() += 1;
                } else {
                    tally.errors += 1;
                    tally.find(format!("{}: {} {}", call.id, failure.kind, failure.text));
                }
            }
            self.told.insert(call.id.clone(), call);
        }
        tally.calls += calls;
        if count != calls || done.hung || !done.status.success() {
            tally.errors += 1;
            tally.find(format!(
                "a caller made {count} of {calls} calls{}: {} {}",
                if done.hung { " and hung" } else { "" },
                done.status,
                done.said()
            ));
        }
    }

    /// Enters what a caller was told that was killed.
    pub(crate) fn enter_killed(&mut self, done: &Done, tally: &mut Tally) {
        tally.calls += 1;
        self.told.extend(done.calls().map(|call| (call.id.clone(), call)));
    }

    /// Draws the balance, and counts the daemons.
    pub(crate) fn close(self, home: &Home, tally: &mut Tally) -> Result<()> {
        let executed = home.join("executed");
        let executed =
            if executed.exists() { std::fs::read_to_string(executed)? } else { String::new() };
        let mut times: HashMap<&str, usize> = HashMap::new();
        for id in executed.lines() {
            *times.entry(id).or_default() += 1;
        }
        for (id, call) in &self.told {
            let times = times.get(id.as_str()).copied().unwrap_or(0);
            let untouched = call.failure.as_ref().is_some_and(|failure| !failure.may_have_executed);
            if call.failure.is_none() && times == 0 {
                tally.lost += 1;
                tally.find(format!("{id} was answered and not executed"));
            }
            if untouched && times > 0 {
                tally.doubled += 1;
                tally.find(format!("{id} was executed and its caller was told that it was not"));
            }
        }
        for (id, times) in times {
            if times > 1 {
                tally.doubled += 1;
                tally.find(format!("{id} was executed {times} times"));
            }
        }
        tally.daemons += home.starts().pids.len();
        Ok(())
    }
}

/// Two daemons at once, where there is no fault that could excuse it.
pub(crate) fn check_only_one(home: &Home, tally: &mut Tally) {
    for line in home.starts().beside {
        tally.find(format!("two daemons at once: {line}"));
    }
}
