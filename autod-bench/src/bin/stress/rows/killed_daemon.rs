//! kill -9 of the daemon at random moments under load: the next call works, and whoever lost a
//! call is told whether it may have been executed.
//!
//! A call that was accepted dies with its daemon, and so does a start; both errors are the fault's.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::Result;
use crate::call::{Call, Failure, now};
use crate::caller::Caller;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, kill};
use crate::setting::Setting;
use crate::tally::Tally;

/// A caller starts over so many times when its daemon hangs up before it accepts.
const TRIES: usize = 5;

/// What kills at these moments explain.
fn explain(kills: &[Duration], call: &Call, failure: &Failure) -> bool {
    match failure.kind.as_str() {
        "lost" if failure.text.contains("hung up") => {
            let during = call.at.saturating_sub(call.took)..=call.at;
            kills.iter().filter(|kill| during.contains(kill)).count() >= TRIES
        }
        "lost" => true,
        "start" => failure.text.contains("was killed by signal 9"),
        _ => false,
    }
}

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    // The pauses keep the load up between the kills.
    let home = setting.home.with("PAUSE_US", &2_000).with("SEED", &1);
    let (count, calls) = (6, setting.size(1500, 150));
    let callers: Vec<_> = (0..count)
        .map(|n| {
            let (prefix, calls) = (format!("k{n}"), calls.to_string());
            Caller::spawn(home.fixture(&["reconnect", &prefix, &calls]))
        })
        .collect::<Result<_>>()?;
    let spared: HashSet<u32> = callers.iter().map(|caller| caller.pid).collect();
    let mut kills = Vec::new();
    let end = Instant::now() + PATIENCE / 2;
    while Instant::now() < end && callers.iter().any(|c| !crate::process::is_gone(c.pid)) {
        setting.pause(1, 50);
        // Its last user may be between two calls: what is killed is whoever the lock names.
        if let Some(pid) = home.named().filter(|pid| !spared.contains(pid)) {
            kill(pid, rustix::process::Signal::KILL);
            kills.push(now());
        }
    }
    for caller in callers {
        ledger.enter(
            &caller.done()?,
            calls,
            &|call, failure| explain(&kills, call, failure),
            &mut tally,
        );
    }
    tally.remark(format!("{} kills", kills.len()));
    // Without any more kills a call works; the pause after a failed start is 5 s at most.
    let done = home.run(&["mark", "last"])?;
    ledger.enter(&done, 1, ledger::NONE, &mut tally);
    tally.expect(done.took < Duration::from_secs(7), || format!("the last took {:?}", done.took));
    let daemon = home.daemon()?;
    tally.expect(home.settles_on(daemon), || format!("left over: {:?}", home.processes()));
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    Ok(tally)
}
