//! The rows: a load or a fault each, and what must hold.

mod backlog;
mod binary;
mod builds;
mod chaos;
mod children;
mod deaf;
mod elsewhere;
mod herd;
mod init;
mod killed_daemon;
mod killed_starter;
mod leaving;
mod linger;
mod places;
mod removal;
mod restart;
mod root;
mod shell;
mod slow;
mod terminal;
mod theft;

use crate::Result;
use crate::setting::Setting;
use crate::tally::Tally;

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Setting) -> Result<Tally>,
}

const fn row(name: &'static str, what: &'static str, run: fn(&Setting) -> Result<Tally>) -> Row {
    Row { name, what, run }
}

pub(crate) const ROWS: &[Row] = &[
    row("herd", "64 callers at a barrier without a daemon, 50 rounds", herd::run),
    row("linger-2ms", "8 callers x 200 calls, autoclose after 2 ms", linger::two_ms),
    row("linger-0.5ms", "3 callers x 1000 calls, autoclose after 0.5 ms", linger::half_ms),
    row("kill-daemon", "kill -9 of the daemon at random moments under load", killed_daemon::run),
    row("kill-starter", "kill -9 of the starter at random moments", killed_starter::run),
    row("kill-at-points", "kill -9 at every fault point of a start", killed_starter::at_points),
    row("children", "main, init and a handler leave children, kill -9", children::run),
    row("second", "a second daemon by hand on the same place", theft::second),
    row("theft", "somebody removes the door and binds his own", theft::door),
    row("init", "init fails, panics, aborts, exits, is killed, hangs", init::each),
    row("always-failing", "32 callers of a daemon that fails; then mended", init::always),
    row("slow-init", "3 s of init with progress, 1 s of silence, 8 callers", slow::run),
    row("close-under-S", "close, SIGTERM, stop, restart under a herd that holds S", leaving::run),
    row("deaf", "stop and restart while handlers block every thread", deaf::run),
    row("shell", "$(), 9>&1 | cat, closed 0-2, set -m & wait, no cwd", shell::run),
    row("terminal", "a terminal is closed, Ctrl-C, at random moments", terminal::run),
    row("rm-sock", "the door is removed under load", removal::door),
    row("rm-locks", "the locks and the directory are removed under load", removal::locks),
    row("rm-cwd", "the daemon's working directory is removed under load", removal::cwd),
    row("rm-root", "the project is removed under load", root::run),
    row("binary", "the program is replaced under its callers", binary::run),
    row("places", "links, files, modes, owners and listeners that are refused", places::run),
    row("elsewhere", "a socket in /tmp, long paths, no XDG_RUNTIME_DIR", elsewhere::run),
    row("builds", "two builds in turn, each policy, snapshots, failing starts", builds::run),
    row("backlog", "50 callers of a stopped daemon with a full queue", backlog::run),
    row("stop-start", "close or stop, then the next call, 500 times", restart::alone),
    row("stop-start-load", "the same beside other callers", restart::under_load),
    row("chaos", "random orders at random fault points, callers of two versions", chaos::run),
];
