//! The project that a daemon works for is removed while callers come: the daemon ends in order, its
//! callers are told and have lost nothing, and a project of the same name gets a daemon of its own.

use crate::Result;
use crate::call::{Call, Failure};
use crate::caller::Caller;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, eventually, is_gone};
use crate::setting::Setting;
use crate::tally::Tally;

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let project = setting.home.join("project");
    let home = setting.home.with("ROOT", &project.display());
    let calls = setting.size(200, 60);
    let path = project.display().to_string();
    let told = |_: &Call, failure: &Failure| {
        !failure.may_have_executed && (failure.kind == "closing" || failure.text.contains(&path))
    };
    for round in 0..setting.rounds(20, 3) {
        std::fs::create_dir_all(project.join("src"))?;
        let daemon = home.daemon()?;
        let load = home.with("PAUSE_US", &1000);
        let callers: Vec<_> = (0..3)
            .map(|n| {
                let prefix = format!("p{round}-{n}");
                Caller::spawn(load.fixture(&["reconnect", &prefix, &calls.to_string()]))
            })
            .collect::<Result<_>>()?;
        setting.pause(1, 60);
        std::fs::remove_dir_all(&project)?;
        tally.expect(eventually(PATIENCE, || is_gone(daemon)), || format!("{daemon} stays"));
        for caller in callers {
            ledger.enter(&caller.done()?, calls, &told, &mut tally);
        }
        let everybody_gone = eventually(PATIENCE, || home.processes().is_empty());
        tally.expect(everybody_gone, || format!("left over: {:?}", home.processes()));
        let door = home.place().join("sock");
        tally.expect(!door.exists(), || "the door stays".to_owned());
        tally.expect(!project.exists(), || "somebody has made the project anew".to_owned());
    }
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    Ok(tally)
}
