//! A terminal that is closed, and Ctrl-C on it, at random moments of calls and of starts: whoever is
//! in its foreground ends, the daemon does not, and the terminal is not kept open by it.

use crate::Result;
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::setting::Setting;
use crate::tally::Tally;
use crate::terminal::Terminal;

/// Calls, and then a job that goes on.
const SCRIPT: &str = "\"$0\" mark \"$1\"; sleep 100; sleep 100";

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = setting.home.with("PAUSE_US", &2000);
    let mut survived = 0;
    for round in 0..setting.rounds(200, 16) {
        let draw = setting.random(crate::random::Random::draw);
        let home =
            if draw & 1 == 0 { home.with("INIT", &"slow:20") } else { home.with("INIT", &"") };
        // Two of three meet a daemon, the others are the ones to start it.
        let before = if round % 3 == 0 { None } else { Some(home.daemon()?) };
        let in_a_shell = draw & 2 == 0;
        let mut terminal = open(&home, round, in_a_shell)?;
        setting.pause(0, 60);
        let hangs_up = draw & 4 == 0;
        if hangs_up {
            terminal.hang_up();
        } else {
            terminal.interrupt();
        }
        let done = terminal.done()?;
        let how = format!(
            "round {round}, {} of {}",
            if hangs_up { "closed" } else { "Ctrl-C" },
            if in_a_shell { "a shell" } else { "a caller" }
        );
        tally.expect(!done.hung, || format!("{how}: it hangs"));
        ledger.enter_killed(&done, &mut tally);
        if let Some(before) = before {
            let now = home.newest();
            tally.expect(now == Some(before), || format!("{how}: {before} became {now:?}"));
            survived += usize::from(now == Some(before));
        }
        ends_by_itself(&home, round, &mut ledger, &mut tally)?;
        let daemon = home.daemon()?;
        tally.expect(home.settles_on(daemon), || {
            format!("{how}: {daemon} serves, and there are {:?}", home.processes())
        });
        if round % 3 == 2 {
            home.clear();
        }
    }
    tally.remark(format!("{survived} daemons went on"));
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    Ok(tally)
}

fn open(home: &Home, round: usize, in_a_shell: bool) -> Result<Terminal> {
    let id = format!("t{round}");
    if !in_a_shell {
        return Terminal::run(&home.fixture(&["reconnect", &id, "1000"]));
    }
    let mut shell = home.command("/bin/bash");
    shell.args(["-c", SCRIPT]).arg(home.program()).arg(id);
    Terminal::run(&shell)
}

/// Nobody does anything to this one: its terminal is free as soon as it has its answer.
fn ends_by_itself(home: &Home, round: usize, ledger: &mut Ledger, tally: &mut Tally) -> Result<()> {
    let done = Terminal::run(&home.fixture(&["mark", &format!("n{round}")]))?.done()?;
    ledger.enter(&done, 1, ledger::NONE, tally);
    Ok(())
}
