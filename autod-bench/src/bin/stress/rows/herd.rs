//! A herd that finds no daemon: one daemon, no error, every call once.
//!
//! What the herd finds takes turns: nothing at all, what a closed daemon leaves, what a killed one
//! leaves.

use rustix::process::Signal;

use crate::Result;
use crate::barrier::at_once;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, end, eventually, is_gone, kill};
use crate::setting::Setting;
use crate::tally::Tally;

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    let callers = setting.size(64, 16);
    for round in 0..setting.rounds(50, 6) {
        let before = home.starts().pids.len();
        let commands = (0..callers).map(|n| home.fixture(&["mark", &format!("{round}-{n}")]));
        for caller in at_once(commands)? {
            ledger.enter(&caller.done()?, 1, ledger::NONE, &mut tally);
        }
        let pids = home.starts().pids;
        tally.expect(pids.len() == before + 1, || {
            format!("round {round}: {} daemons were started", pids.len() - before)
        });
        let daemon = pids.last().copied().ok_or("no daemon was started")?;
        match round % 3 {
            0 => {
                // The next herd meets the drain, which begins when the daemon hears of the signal.
                kill(daemon, Signal::TERM);
                let heard = || is_gone(daemon) || home.is_draining();
                tally.expect(eventually(PATIENCE, heard), || format!("{daemon} ignores SIGTERM"));
            }
            1 => tally.expect(end(daemon), || format!("daemon {daemon} outlives kill -9")),
            _ => home.clear(),
        }
    }
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}
