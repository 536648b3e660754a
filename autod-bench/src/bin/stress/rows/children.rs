//! main, init and a handler each leave a child behind, and the daemon is killed: the next call
//! works, because no child holds a lock or the door.

use crate::Result;
use crate::ledger::{self, Ledger};
use crate::process::{end, kill};
use crate::setting::Setting;
use crate::tally::Tally;

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = setting.home.with("INIT", &"child").with("MAIN_CHILD", &"1");
    for round in 0..setting.rounds(50, 5) {
        // Half of the rounds kill while it starts: anybody who carries the mark and is not a caller.
        if round % 2 == 1 {
            let caller = crate::caller::Caller::spawn(home.fixture(&["pid"]))?;
            setting.pause(2, 12);
            if let Some(daemon) = home.named().filter(|&pid| pid != caller.pid) {
                kill(daemon, rustix::process::Signal::KILL);
            }
            tally.expect(!caller.done()?.hung, || format!("round {round}: the starter hangs"));
        }
        let done = home.run(&["mark", &format!("c{round}")])?;
        ledger.enter(&done, 1, ledger::NONE, &mut tally);
        let child = home.run(&["leave-child"])?;
        tally.expect(child.status.success(), || child.said());
        let daemon = home.daemon()?;
        tally.expect(end(daemon), || format!("{daemon} outlives kill -9"));
        // Main's, init's and the handler's of this round at least.
        let children = home.processes().len();
        tally.expect(children >= 3 * (round + 1), || {
            format!("only {children} children are left behind after {} rounds", round + 1)
        });
    }
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    Ok(tally)
}
