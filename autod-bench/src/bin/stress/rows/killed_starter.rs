//! kill -9 of a starter, at random moments and at every fault point that a start passes: no daemon
//! that the door does not lead to, no lock that stays, no litter, and the next call works.

use std::time::Duration;

use crate::Result;
use crate::caller::Caller;
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::orders::Orders;
use crate::process::{PATIENCE, end, eventually, is_gone};
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
        check(&home, round, &format!("after {moment} us"), &mut ledger, &mut tally)?;
    }
    ledger::check_only_one(&setting.home, &mut tally);
    ledger.close(&setting.home, &mut tally)?;
    Ok(tally)
}

/// Whoever passes the point is killed: the starter or the daemon that it starts.
pub(crate) fn at_points(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    let orders = Orders::of(home)?;
    let points = home.run(&["fault-points"])?.stdout;
    let (mut round, mut passed) = (0, 0);
    for _ in 0..setting.rounds(6, 1) {
        for point in points.lines() {
            round += 1;
            home.clear();
            orders.give(point, "kill")?;
            let starter = Caller::spawn(home.fixture(&["mark", &format!("s{round}")]))?;
            let pid = starter.pid;
            eventually(PATIENCE, || orders.is_taken(point) || is_gone(pid));
            // Those of other parts of a life are not passed by a start.
            passed += usize::from(orders.withdraw(point)?.is_some());
            ledger.enter_killed(&starter.done()?, &mut tally);
            check(home, round, &format!("at {point}"), &mut ledger, &mut tally)?;
        }
    }
    tally.remark(format!("{passed} killed at a point"));
    tally.expect(passed > 0, || "no start passes a point".to_owned());
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}

/// The next call works, one daemon is there, and nothing else. Then the place is left in one of
/// several ways.
fn check(
    home: &Home,
    round: usize,
    killed: &str,
    ledger: &mut Ledger,
    tally: &mut Tally,
) -> Result<()> {
    let next = home.run(&["mark", &format!("n{round}")])?;
    ledger.enter(&next, 1, ledger::NONE, tally);
    let daemon = home.daemon()?;
    tally.expect(home.settles_on(daemon), || {
        format!("killed {killed}: {daemon} serves, and there are {:?}", home.processes())
    });
    let litter = litter(home)?;
    tally.expect(litter.is_empty(), || format!("killed {killed}: litter {litter:?}"));
    match round % 4 {
        0 => home.clear(),
        1 => drop(home.run(&["close"])?),
        _ => drop(end(daemon)),
    }
    Ok(())
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
