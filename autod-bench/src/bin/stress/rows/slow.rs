//! An init that takes longer than the silence timeout and says how far it is: works for all, and
//! all see the progress.

use crate::Result;
use crate::barrier::at_once;
use crate::ledger::{self, Ledger};
use crate::setting::Setting;
use crate::tally::Tally;

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let (init, silence) = (setting.size(3000, 1200), setting.size(1000, 500));
    let home = setting.home.with("INIT", &format!("slow:{init}")).with("SILENCE", &silence);
    for round in 0..setting.rounds(3, 1) {
        home.clear();
        for caller in at_once((0..8).map(|n| home.fixture(&["mark", &format!("{round}-{n}")])))? {
            let done = caller.done()?;
            tally.expect(done.stderr.contains("note: progress step 5"), || {
                format!("it saw no progress: {}", done.stderr)
            });
            ledger.enter(&done, 1, ledger::NONE, &mut tally);
        }
    }
    let starts = home.starts().pids.len();
    let rounds = setting.rounds(3, 1);
    tally.expect(starts == rounds, || format!("{starts} daemons in {rounds} rounds"));
    ledger.close(&home, &mut tally)?;
    Ok(tally)
}
