//! What shells do with a command that starts a daemon: nobody hangs, and the daemon survives.

use std::process::Command;

use crate::Result;
use crate::caller::Caller;
use crate::home::Home;
use crate::process::{PATIENCE, eventually, is_gone};
use crate::setting::Setting;
use crate::tally::Tally;

/// The script, in which `$0` is the fixture, and what it prints.
const SCRIPTS: [(&str, &str); 7] = [
    ("x=$(\"$0\" add 2); echo got $x", "got 2"),
    ("\"$0\" add 2 | cat", "2"),
    ("\"$0\" add 2 9>&1 | cat", "2"),
    ("\"$0\" add 2 2>&1 | grep -v note", "2"),
    ("\"$0\" add 2 <&- >&- 2>&-; \"$0\" add 1", "3"),
    ("set -m; \"$0\" add 2 & wait; echo waited", "2\nwaited"),
    ("d=$(mktemp -d) && cd \"$d\" && rmdir \"$d\" && \"$0\" add 2", "2"),
];

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let mut tally = Tally::default();
    let home = &setting.home;
    for _ in 0..setting.rounds(20, 2) {
        for (script, prints) in SCRIPTS {
            let done = Caller::spawn(bash(home, script))?.done()?;
            tally.calls += 1;
            tally.waited(done.took);
            if done.hung || done.stdout != prints {
                tally.errors += 1;
                tally.find(format!("{script}: {:?} {}", done.stdout, done.said()));
            }
            // It lives on after the shell, and it is the only one.
            let daemon = home.newest().ok_or_else(|| format!("{script}: no daemon"))?;
            tally.expect(home.settles_on(daemon), || {
                format!("{script}: left over {:?}", home.processes())
            });
            home.clear();
            tally.expect(eventually(PATIENCE, || is_gone(daemon)), || {
                format!("{daemon} outlives kill -9")
            });
        }
    }
    tally.daemons = home.starts().pids.len();
    tally.expect(tally.daemons == tally.calls, || "more daemons than scripts".to_owned());
    Ok(tally)
}

fn bash(home: &Home, script: &str) -> Command {
    let mut command = home.command("/bin/bash");
    command.args(["-c", script]).arg(home.program());
    command
}
