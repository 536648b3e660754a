//! Places other than a runtime directory: a socket in /tmp, a path too long for a socket address,
//! and whatever is chosen without a usable `XDG_RUNTIME_DIR`. All callers of a herd come to the
//! same one, also after the daemon was killed or closed.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::Result;
use crate::barrier::at_once;
use crate::guard;
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, eventually, is_gone, kill};
use crate::setting::Setting;
use crate::tally::Tally;

/// How the callers of a place name it; some differ and mean the same.
type Name = fn(&mut Command, &Home, usize);

const PLACES: [(&str, Name); 4] = [
    ("a socket in /tmp", |command, _, _| {
        let name = format!("{}.sock", guard::name());
        command.env("FIX_SOCK", Path::new("/tmp").join(name));
    }),
    ("a directory of 200 bytes", |command, home, _| {
        command.env("FIX_SOCK", deep(home).join("door.sock"));
    }),
    ("a runtime directory of 200 bytes", |command, home, _| {
        command.env("XDG_RUNTIME_DIR", deep(home));
    }),
    ("no usable XDG_RUNTIME_DIR", |command, _, n| {
        command.env("FIX_NAME", guard::name());
        match n % 4 {
            0 => command.env_remove("XDG_RUNTIME_DIR"),
            1 => command.env("XDG_RUNTIME_DIR", ""),
            2 => command.env("XDG_RUNTIME_DIR", "relative/path"),
            _ => command.env("XDG_RUNTIME_DIR", "/nonexistent/runtime"),
        };
    }),
];

fn deep(home: &Home) -> PathBuf {
    home.join(&"d".repeat(100)).join("e".repeat(99))
}

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    std::fs::DirBuilder::new().recursive(true).create(deep(home))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(deep(home), mode)?;
    let callers = setting.size(16, 8);
    for round in 0..setting.rounds(20, 2) {
        for (place, (what, name)) in PLACES.iter().enumerate() {
            let before = home.starts().pids.len();
            let command = |n: usize| {
                let mut command = home.fixture(&["mark", &format!("{round}-{place}-{n}")]);
                name(&mut command, home, n);
                command
            };
            for caller in at_once((0..callers).map(command))? {
                ledger.enter(&caller.done()?, 1, ledger::NONE, &mut tally);
            }
            let daemons = home.starts().pids.split_off(before);
            let [daemon] = daemons[..] else {
                tally.find(format!("{what}: the daemons {daemons:?} for one herd"));
                continue;
            };
            // The next round meets what is left of it.
            kill(daemon, if round % 2 == 0 { Signal::KILL } else { Signal::TERM });
            tally.expect(eventually(PATIENCE, || is_gone(daemon)), || {
                format!("{what}: {daemon} does not end")
            });
        }
    }
    for base in ["/nonexistent", "relative"] {
        tally.expect(!Path::new(base).exists(), || format!("{base} was made"));
    }
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}
