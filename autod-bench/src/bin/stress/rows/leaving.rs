//! close and SIGTERM under a herd while somebody holds the spawn lock: the daemon ends within its
//! limits, nothing is stuck, and whoever was refused is told that nothing was executed.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Result;
use crate::call::{Call, Failure};
use crate::caller::Caller;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, eventually, is_gone, kill};
use crate::setting::Setting;
use crate::tally::Tally;

/// The drain limit of the fixture by default, and the watchdog's margin.
const LIMIT: Duration = Duration::from_secs(6);

/// A call on a connection that the daemon had accepted before it was asked to close.
pub(crate) fn refused(_: &Call, failure: &Failure) -> bool {
    failure.kind == "closing" && !failure.may_have_executed
}

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    home.daemon()?;
    let calls = setting.size(3000, 300);
    let herd: Vec<_> = (0..8)
        .map(|n| {
            let (prefix, calls) = (format!("h{n}"), calls.to_string());
            Caller::spawn(home.with("PAUSE_US", &500).fixture(&["reconnect", &prefix, &calls]))
        })
        .collect::<Result<_>>()?;
    let mut worst = Duration::ZERO;
    for round in 0..setting.rounds(60, 6) {
        let daemon = home.daemon()?;
        let lock = File::open(home.place().join("spawn.lock"))?;
        let taken = setting.random(|random| random.below(3)) > 0 && {
            // As a starter would: in turns, never waiting.
            eventually(Duration::from_secs(1), || lock.try_lock().is_ok())
        };
        let began = Instant::now();
        if round % 2 == 0 {
            kill(daemon, Signal::TERM);
        } else {
            let close = home.run(&["close"])?;
            // The daemon may have been asked already, and then says so.
            tally.expect(!close.hung, || "close hangs".to_owned());
            kill(daemon, Signal::TERM);
        }
        let gone = eventually(LIMIT, || is_gone(daemon));
        tally.expect(gone, || format!("round {round}, S held: {taken}: it is still there"));
        worst = worst.max(began.elapsed());
        setting.pause(0, 30);
        drop(lock);
    }
    for caller in herd {
        ledger.enter(&caller.done()?, calls, &refused, &mut tally);
    }
    tally.remark(format!("gone after {:.1} ms at most", worst.as_secs_f64() * 1e3));
    let daemon = home.daemon()?;
    tally.expect(eventually(PATIENCE, || home.processes() == [daemon]), || {
        format!("left over: {:?}", home.processes())
    });
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}
