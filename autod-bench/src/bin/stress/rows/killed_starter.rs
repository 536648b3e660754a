//! kill -9 of a starter at random moments: no daemon that the door does not lead to, no lock that
//! stays, no litter, and the next call works.

use std::time::Duration;

use crate::Result;
use crate::caller::Caller;
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::process::end;
use crate::setting::Setting;
use crate::tally::Tally;

/// What may stand in the daemon's directory while it runs.
const FILES: [&str; 5] = ["sock", "spawn.lock", "life.lock", "log", "log.prev"];

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    for round in 0..setting.rounds(300, 20) {
        let slow = if round % 3 == 0 { "slow:20" } else { "" };
        let home = setting.home.with("INIT", &slow);
        let starter = Caller::spawn(home.fixture(&["mark", &format!("s{round}")]))?;
        let moment = if round % 3 == 0 { 40_000 } else { 14_000 };
        let moment = setting.random(|random| random.below(moment));
        std::thread::sleep(Duration::from_micros(moment));
        starter.kill();
        ledger.enter_killed(&starter.done()?, &mut tally);
        let next = home.run(&["mark", &format!("n{round}")])?;
        ledger.enter(&next, 1, ledger::NONE, &mut tally);
        let daemon = home.daemon()?;
        tally.expect(home.settles_on(daemon), || {
            format!(
                "killed after {moment} us: {daemon} serves, and there are {:?}",
                home.processes()
            )
        });
        let litter = litter(&home)?;
        tally.expect(litter.is_empty(), || format!("killed after {moment} us: litter {litter:?}"));
        match round % 4 {
            0 => home.clear(),
            1 => drop(home.run(&["close"])?),
            _ => drop(end(daemon)),
        }
    }
    ledger::check_only_one(&setting.home, &mut tally);
    ledger.close(&setting.home, &mut tally)?;
    Ok(tally)
}

fn litter(home: &Home) -> Result<Vec<String>> {
    let mut litter = Vec::new();
    for entry in std::fs::read_dir(home.place())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !FILES.contains(&name.as_str()) {
            litter.push(name);
        }
    }
    Ok(litter)
}
