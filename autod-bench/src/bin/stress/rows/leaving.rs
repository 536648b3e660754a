//! close, SIGTERM, stop and restart under a herd while somebody holds the spawn lock: the daemon ends
//! within its limits, nothing is stuck, and whoever was refused is told that nothing was executed.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Result;
use crate::call::{Call, Failure};
use crate::caller::Caller;
use crate::home::Home;
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

/// Two give the same order at once.
fn two(home: &Home, order: &str) -> Result<Vec<Caller>> {
    (0..2).map(|_| Caller::spawn(home.fixture(&[order]))).collect()
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
    let mut worst = [Duration::ZERO; 4];
    for round in 0..setting.rounds(80, 8) {
        let daemon = home.daemon()?;
        let lock = File::open(home.place().join("spawn.lock"))?;
        let taken = setting.random(|random| random.below(3)) > 0 && {
            // As a starter would: in turns, never waiting.
            eventually(Duration::from_secs(1), || lock.try_lock().is_ok())
        };
        let about = |what: &str| format!("round {round}, S held: {taken}: {what}");
        let began = Instant::now();
        let orders = match round % 4 {
            0 => {
                kill(daemon, Signal::TERM);
                Vec::new()
            }
            1 => {
                let close = home.run(&["close"])?;
                // The daemon may have been asked already, and then says so.
                tally.expect(!close.hung, || about("close hangs"));
                kill(daemon, Signal::TERM);
                Vec::new()
            }
            2 => two(home, "stop")?,
            _ => {
                // Whoever replaces a daemon holds S himself, and has to come to it first.
                setting.pause(0, 30);
                lock.unlock()?;
                two(home, "restart")?
            }
        };
        let gone = eventually(LIMIT, || is_gone(daemon));
        tally.expect(gone, || about("it is still there"));
        let left = began.elapsed();
        setting.pause(0, 30);
        drop(lock);
        for order in orders {
            let done = order.done()?;
            let own = done.took.saturating_sub(left);
            tally.expect(done.status.success(), || about(&done.said()));
            tally.expect(own < LIMIT, || about(&format!("the order took {own:?} longer")));
        }
        worst[round % 4] = left.max(worst[round % 4]);
    }
    for caller in herd {
        ledger.enter(&caller.done()?, calls, &refused, &mut tally);
    }
    for (what, worst) in ["SIGTERM", "close", "stop", "restart"].iter().zip(worst) {
        tally.remark(format!("{what}: gone after {:.1} ms at most", worst.as_secs_f64() * 1e3));
    }
    let daemon = home.daemon()?;
    tally.expect(eventually(PATIENCE, || home.processes() == [daemon]), || {
        format!("left over: {:?}", home.processes())
    });
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}
