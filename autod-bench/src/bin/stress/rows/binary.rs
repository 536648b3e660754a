//! The program is replaced, or removed, while callers of it wait to start the daemon: they start
//! it all the same. The first caller of the new file is of a newer build, and replaces the daemon.

use crate::Result;
use crate::barrier::Barrier;
use crate::ledger::{self, Ledger};
use crate::setting::Setting;
use crate::tally::Tally;

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let program = setting.home.join("program");
    let next = setting.home.join("next");
    let home = setting.home.running(program.clone());
    let rounds = setting.rounds(40, 4);
    for round in 0..rounds {
        std::fs::copy(setting.home.program(), &program)?;
        let barrier = Barrier::new()?;
        let mut callers = (0..4)
            .map(|n| barrier.spawn(home.fixture(&["mark", &format!("{round}-{n}")])))
            .collect::<Result<Vec<_>>>()?;
        callers.iter_mut().try_for_each(crate::caller::Caller::arrive)?;
        std::fs::copy(setting.home.program(), &next)?;
        if round % 2 == 0 {
            std::fs::rename(&next, &program)?;
        } else {
            std::fs::remove_file(&program)?;
        }
        drop(barrier);
        for caller in callers {
            ledger.enter(&caller.done()?, 1, ledger::NONE, &mut tally);
        }
        if round % 2 == 1 {
            std::fs::rename(&next, &program)?;
        }
        ledger.enter(&home.run(&["mark", &format!("{round}-new")])?, 1, ledger::NONE, &mut tally);
        home.clear();
    }
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    tally.expect(tally.daemons == 2 * rounds, || "not two daemons for each round".to_owned());
    Ok(tally)
}
