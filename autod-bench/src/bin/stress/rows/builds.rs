//! Callers of two builds in turn, under each policy, with and without a snapshot, with a newer
//! build that works and with one that fails to start: restarts are bounded, and the state is what
//! the policy promises.

use crate::Result;
use crate::barrier::at_once;
use crate::call::{Call, Failure};
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::setting::Setting;
use crate::tally::Tally;

const OLD: &str = "1.9.0";
const NEW: &str = "1.10.0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Newer {
    Works,
    /// The same version, in a file that was made later.
    WorksByAge,
    /// It ends before its main hands over.
    FailsInMain,
    FailsInInit,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    policy: &'static str,
    newer: Newer,
    snapshot: bool,
}

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let mut tally = Tally::default();
    for policy in ["restart", "coexist", "compatible", "refuse"] {
        for newer in [Newer::Works, Newer::FailsInMain, Newer::FailsInInit] {
            for snapshot in [false, true] {
                in_turn(setting, Case { policy, newer, snapshot }, &mut tally)?;
            }
        }
    }
    for snapshot in [false, true] {
        let case = Case { policy: "restart", newer: Newer::WorksByAge, snapshot };
        in_turn(setting, case, &mut tally)?;
    }
    Ok(tally)
}

/// The two builds as callers of one home.
struct Builds {
    old: Home,
    new: Home,
}

fn builds(home: &Home, case: Case) -> Result<Builds> {
    let home = home.with("UPGRADE", &case.policy);
    let home = if case.snapshot { home.with("SNAPSHOT", &1) } else { home };
    let old = home.with("VERSION", &OLD);
    let new = match case.newer {
        Newer::WorksByAge => {
            let newer = home.join("newer");
            std::fs::copy(home.program(), &newer)?;
            old.running(newer)
        }
        Newer::Works => home.with("VERSION", &NEW),
        Newer::FailsInMain => home.with("VERSION", &NEW).with("MAIN_EXITS", &3),
        Newer::FailsInInit => home.with("VERSION", &NEW).with("INIT", &"fail"),
    };
    Ok(Builds { old, new })
}

impl Case {
    /// How often both builds call. After a failed start callers wait, up to 5 s if each one fails.
    fn turns(self, setting: &Setting) -> usize {
        match (self.policy, self.newer) {
            ("restart", Newer::FailsInInit) => setting.size(20, 3),
            ("coexist", Newer::FailsInMain | Newer::FailsInInit) => setting.size(4, 2),
            _ => setting.size(100, 6),
        }
    }

    /// Whether the newer build's callers cannot be served, and what they are told then.
    fn permits(self, failure: &Failure) -> bool {
        let told = match (self.policy, self.newer) {
            ("refuse", _) => failure.text.contains("is of another build"),
            ("compatible", _) | (_, Newer::Works | Newer::WorksByAge) => return false,
            (_, Newer::FailsInMain) => failure.text.contains("main() never called"),
            (_, Newer::FailsInInit) => failure.text.contains("the index is damaged"),
        };
        told && !failure.may_have_executed
    }

    /// So many daemons come to `init` at most.
    fn most(self, turns: usize) -> usize {
        match (self.policy, self.newer) {
            ("restart", Newer::Works | Newer::WorksByAge) | ("coexist", Newer::Works) => 2,
            // Each invocation of the newer build tries once, and each time the older one comes back.
            ("restart", Newer::FailsInInit) => 1 + 2 * turns,
            ("coexist", Newer::FailsInInit) => 1 + turns,
            _ => 1,
        }
    }
}

/// What the totals of the answers have to be.
#[derive(Default)]
struct Expected {
    last: Option<i64>,
    starts: usize,
}

impl Expected {
    fn check(&mut self, case: Case, call: &Call, starts: usize, tally: &mut Tally) {
        let Some(total) = call.total else { return };
        let is_new = std::mem::replace(&mut self.starts, starts) != starts;
        let last = self.last.replace(total);
        // Two that live side by side start without disturbing each other.
        let begins_anew = is_new && !case.snapshot && case.policy != "coexist";
        let expected = if begins_anew { 1 } else { last.map_or(total, |last| last + 1) };
        tally.expect(total == expected, || {
            format!("{case:?}: {} found the total {total}, not {expected}", call.id)
        });
    }
}

fn in_turn(setting: &Setting, case: Case, tally: &mut Tally) -> Result<()> {
    let name = format!("{}-{:?}-{}", case.policy, case.newer, case.snapshot);
    let home = Home::new(setting.home.join(&name), setting.home.program())?;
    let Builds { old, new } = builds(&home, case)?;
    let mut ledger = Ledger::default();
    let permitted = |_: &Call, failure: &Failure| case.permits(failure);
    let (mut of_old, mut of_new) = (Expected::default(), Expected::default());
    let turns = case.turns(setting);
    let is_shared = case.policy != "coexist";
    for turn in 0..turns {
        for (which, caller) in [("old", &old), ("new", &new)] {
            let done = caller.run(&["mark", &format!("{which}-{turn}")])?;
            let permitted = if which == "old" { ledger::NONE } else { &permitted };
            ledger.enter(&done, 1, permitted, tally);
            let call = done.calls().next().ok_or("a caller made no call")?;
            let expected = if which == "old" || is_shared { &mut of_old } else { &mut of_new };
            expected.check(case, &call, home.starts().pids.len(), tally);
        }
        if turn == turns / 2 && case.policy == "restart" && case.newer == Newer::Works {
            // Once all together; each of them finds the newer daemon there.
            let commands = (0..8).map(|n| {
                let caller = if n % 2 == 0 { &old } else { &new };
                caller.fixture(&["mark", &format!("both-{n}")])
            });
            for caller in at_once(commands)? {
                ledger.enter(&caller.done()?, 1, ledger::NONE, tally);
            }
            of_old.last = of_old.last.map(|last| last + 8);
        }
    }
    let starts = home.starts().pids.len();
    let most = case.most(turns);
    tally.expect(starts <= most, || {
        format!("{case:?}: {starts} daemons in {turns} turns, more than {most}")
    });
    if case.policy == "restart" && case.newer == Newer::FailsInInit {
        // Mended, it goes on with what the last daemon of the older build left.
        let done = new.with("INIT", &"").run(&["mark", "mended"])?;
        ledger.enter(&done, 1, ledger::NONE, tally);
        let call = done.calls().next().ok_or("a caller made no call")?;
        of_old.check(case, &call, home.starts().pids.len(), tally);
    }
    if is_shared {
        ledger::check_only_one(&home, tally);
    }
    ledger.close(&home, tally)?;
    home.clear();
    Ok(())
}
