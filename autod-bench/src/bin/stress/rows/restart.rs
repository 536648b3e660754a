//! stop and start, again and again: the call after a close is served by a successor, without an
//! error, with and without other callers.

use crate::Result;
use crate::caller::Caller;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, eventually, is_gone};
use crate::rows::leaving::refused;
use crate::setting::Setting;
use crate::tally::Tally;

pub(crate) fn alone(setting: &Setting) -> Result<Tally> {
    run(setting, 0)
}

/// Calls of others that were accepted before the close may be refused, as not executed.
pub(crate) fn under_load(setting: &Setting) -> Result<Tally> {
    run(setting, 3)
}

fn run(setting: &Setting, others: usize) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    home.daemon()?;
    let calls = 10 * setting.rounds(500, 30);
    let load: Vec<_> = (0..others)
        .map(|n| {
            let (prefix, calls) = (format!("o{n}"), calls.to_string());
            Caller::spawn(home.with("PAUSE_US", &4000).fixture(&["reconnect", &prefix, &calls]))
        })
        .collect::<Result<_>>()?;
    for round in 0..setting.rounds(500, 30) {
        let before = home.newest();
        let order = if round % 2 == 0 { "close" } else { "stop" };
        let ended = home.run(&[order])?;
        tally.expect(ended.status.success(), || format!("{order} {round}: {}", ended.said()));
        if others == 0 && order == "stop" {
            tally.expect(before.is_some_and(is_gone), || format!("{before:?} outlives its stop"));
        }
        let next = home.run(&["mark", &format!("n{round}")])?;
        ledger.enter(&next, 1, ledger::NONE, &mut tally);
        if others == 0 {
            let old = before.ok_or("the daemon is gone before its close")?;
            tally.expect(eventually(PATIENCE, || is_gone(old)), || {
                format!("round {round}: {old} does not end")
            });
        }
    }
    for caller in load {
        ledger.enter(&caller.done()?, calls, &refused, &mut tally);
    }
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}
