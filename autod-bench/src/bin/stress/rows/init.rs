//! A daemon that cannot start: everybody who waits reads why, at once, and few start it.

use std::time::Duration;

use crate::Result;
use crate::barrier::at_once;
use crate::call::{Call, Failure};
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, eventually};
use crate::setting::Setting;
use crate::tally::Tally;

/// The contract is 200 ms on a machine that has nothing else to do.
const BOUND: Duration = Duration::from_secs(1);

/// How it fails, and what is read.
const WAYS: [(&str, &str); 6] = [
    ("fail", "daemon failed to start: the index is damaged"),
    ("panic", "init panicked: init lost its head"),
    ("abort", "was killed by signal 6 (SIGABRT) before it was ready"),
    ("exit:0", "exited with status 0 before it was ready"),
    ("exit:3", "exited with status 3 before it was ready"),
    ("kill", "was killed by signal 9 (SIGKILL) before it was ready"),
];

pub(crate) fn each(setting: &Setting) -> Result<Tally> {
    let mut tally = Tally::default();
    for (how, words) in WAYS {
        let mut worst = Duration::ZERO;
        for _ in 0..setting.rounds(20, 2) {
            worst = worst.max(failure(&setting.home, how, words, &mut tally)?);
        }
        tally.remark(format!("{how}: read {:.1} ms after", worst.as_secs_f64() * 1e3));
        tally.expect(worst < BOUND, || format!("{how}: read {worst:?} after"));
        tally.waited(worst);
    }
    for _ in 0..setting.rounds(5, 1).min(5) {
        silence(&setting.home, &mut tally)?;
    }
    tally.daemons = setting.home.starts().pids.len();
    Ok(tally)
}

/// Four callers of a daemon that fails; gives the longest time from the death to the error.
fn failure(home: &Home, how: &str, words: &str, tally: &mut Tally) -> Result<Duration> {
    home.clear();
    let died = home.join("died");
    let _ = std::fs::remove_file(&died);
    let home = home.with("INIT", &how).with("DIED", &died.display());
    let before = home.starts().pids.len();
    let mut ends = Vec::new();
    for caller in at_once((0..4).map(|n| home.fixture(&["mark", &format!("i{n}")])))? {
        let done = caller.done()?;
        tally.calls += 1;
        let call = done.calls().next().ok_or_else(|| format!("{how}: {}", done.said()))?;
        let read = call.failure.as_ref().is_some_and(|failure| {
            !failure.may_have_executed && failure.kind == "start" && failure.text.contains(words)
        });
        if read {
            tally.told += 1;
        } else {
            tally.errors += 1;
            tally.find(format!("{how}: {:?}", call.failure));
        }
        ends.push(call.at);
    }
    let starts = home.starts().pids.len() - before;
    tally.expect(starts <= 2, || format!("{how}: {starts} starts for 4 callers"));
    tally.expect(eventually(PATIENCE, || home.processes().is_empty()), || {
        format!("{how}: left over {:?}", home.processes())
    });
    let deaths = std::fs::read_to_string(died)?;
    let deaths: Vec<_> =
        deaths.lines().filter_map(|at| at.parse().ok()).map(Duration::from_micros).collect();
    let since_death = |end: Duration| deaths.iter().filter_map(|&at| end.checked_sub(at)).min();
    Ok(ends.into_iter().filter_map(since_death).max().unwrap_or_default())
}

/// A daemon that says nothing is ended at the silence timeout, and is gone when that is read.
fn silence(home: &Home, tally: &mut Tally) -> Result<()> {
    home.clear();
    let home = home.with("INIT", &"hang").with("SILENCE", &300);
    let done = home.run(&["mark", "silent"])?;
    let left = home.processes();
    tally.calls += 1;
    let call = done.calls().next().ok_or_else(|| done.said())?;
    let words = "said nothing for 300 ms while starting";
    let told = call.failure.is_some_and(|failure| failure.text.contains(words));
    tally.expect(told, || format!("a silent start: {}", done.stdout));
    tally.told += usize::from(told);
    tally
        .expect(call.took < 2 * BOUND, || format!("a silent start was told after {:?}", call.took));
    tally.expect(left.is_empty(), || format!("a silent daemon is left: {left:?}"));
    Ok(())
}

/// At most two starts for a herd; mended, the next call works.
pub(crate) fn always(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let callers = setting.size(32, 12);
    let config = setting.home.join("config");
    let home = setting.home.with("INIT", &format!("file:{}", config.display()));
    let mut most = 0;
    for round in 0..setting.rounds(20, 3) {
        home.clear();
        let _ = std::fs::remove_file(&config);
        let before = home.starts().pids.len();
        let commands = (0..callers).map(|n| home.fixture(&["mark", &format!("f{round}-{n}")]));
        for caller in at_once(commands)? {
            let permitted = |_: &Call, failure: &Failure| {
                failure.kind == "start" && failure.text.contains("config: No such file")
            };
            ledger.enter(&caller.done()?, 1, &permitted, &mut tally);
        }
        let starts = home.starts().pids.len() - before;
        most = most.max(starts);
        tally.expect(starts <= 2, || format!("round {round}: {starts} starts"));
        std::fs::write(&config, "")?;
        let mended = home.run(&["mark", &format!("m{round}")])?;
        ledger.enter(&mended, 1, ledger::NONE, &mut tally);
    }
    tally.remark(format!("at most {most} starts for {callers} callers"));
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    Ok(tally)
}
