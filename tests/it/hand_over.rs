//! A start that breaks off before the daemon has what makes it one: nothing stays taken.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::faults::Faults;
use crate::home::{Home, eventually, is_gone, kill, wait_until_gone};

/// Where a daemon's process says that its `main` runs, and waits.
struct Gate {
    listener: UnixListener,
    path: PathBuf,
}

impl Gate {
    fn new(home: &Home) -> Self {
        let path = home.join("gate");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener, path }
    }

    /// The value of `FIX_MAIN`.
    fn setting(&self) -> String {
        format!("gate:{}", self.path.display())
    }

    /// The next process that stands there; dropped, it goes on.
    #[track_caller]
    fn next(&self) -> UnixStream {
        let mut next = None;
        eventually("main runs", || {
            next = self.listener.accept().ok();
            next.is_some()
        });
        next.unwrap().0
    }
}

/// The pids of the daemons that a caller says it has spawned.
fn spawned(stderr: &str) -> Vec<u32> {
    let notes = stderr.lines().filter_map(|line| line.strip_prefix("note: spawned "));
    notes.map(|pid| pid.parse().unwrap()).collect()
}

#[test]
fn what_main_has_started_is_in_nobodys_way_when_the_daemon_dies_before_it_takes_over() {
    let home = Home::new();
    for _ in 0..3 {
        let failing = home.fixture(["pid"]).env("FIX_MAIN_CHILD", "1").env("FIX_MAIN", "abort");
        let begin = Instant::now();
        let said = failing.done().failed(1);
        let reason = "fixture daemon was killed by signal 6 (SIGABRT) before it was ready";
        assert!(said.contains(reason), "{said}");
        let [aborted] = spawned(&said)[..] else { panic!("one daemon: {said}") };
        assert!(is_gone(aborted));
        let [child] = home.processes()[..] else { panic!("main has left one child") };
        // The next caller is past this failure, and nothing is in its way.
        let daemon = home.daemon();
        // The contract's own limit for it is the pause after a failed start.
        assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
        assert!(!is_gone(child), "it lived all the time");
        assert_ne!(daemon, child);
        kill(child, Signal::KILL);
        kill(daemon, Signal::KILL);
        wait_until_gone(child);
        wait_until_gone(daemon);
    }
}

#[test]
fn what_main_has_started_is_in_nobodys_way_when_the_daemon_is_killed_before_it_takes_over() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let late = || home.fixture(["pid"]).env("FIX_MAIN_CHILD", "1").env("FIX_MAIN", gate.setting());
    let starter = late().spawn();
    let in_main = gate.next();
    // Somebody who is in the queue of that daemon.
    let waiting = home.fixture(["pid"]).spawn();
    let daemon = *home
        .processes()
        .iter()
        .find(|&&pid| pid != starter.pid() && pid != waiting.pid() && has_gate_open(pid))
        .expect("it waits at the gate");
    kill(daemon, Signal::KILL);
    let said = starter.done().failed(1);
    assert!(said.contains("was killed by signal 9 (SIGKILL) before it was ready"), "{said}");
    assert_eq!(spawned(&said), [daemon]);
    // It came before the failure and was told, or after it and was served.
    let done = waiting.done();
    if !done.status.success() {
        assert!(done.stderr.contains("was killed by signal 9 (SIGKILL)"), "{done:?}");
    }
    home.daemon();
    drop(in_main);
}

/// Children of the fixture are another program.
fn has_gate_open(pid: u32) -> bool {
    let executable = std::fs::read_link(format!("/proc/{pid}/exe"));
    executable.is_ok_and(|path| path.ends_with("fixture"))
}

#[test]
fn what_main_has_started_is_in_nobodys_way_when_the_daemon_dies_with_everything_on_its_way() {
    let home = Home::new();
    let faults = Faults::of(&home);
    faults.order("daemon-seen", "hold");
    faults.order("starter-handed-over", "sleep 0");
    let starter = home.fixture(["pid"]).env("FIX_MAIN_CHILD", "1").spawn();
    let daemon = faults.wait("daemon-seen");
    faults.wait("starter-handed-over");
    kill(daemon, Signal::KILL);
    let said = starter.done().failed(1);
    assert!(said.contains("was killed by signal 9 (SIGKILL) before it was ready"), "{said}");
    let [child] = home.processes()[..] else { panic!("main has left one child") };
    home.daemon();
    assert!(!is_gone(child), "it lived all the time");
}

#[test]
fn a_starter_that_is_killed_before_it_hands_over_leaves_nothing() {
    let home = Home::new();
    let gate = Gate::new(&home);
    let late = home.fixture(["pid"]).env("FIX_MAIN_CHILD", "1").env("FIX_MAIN", gate.setting());
    let starter = late.spawn();
    let in_main = gate.next();
    let sock = home.place().join("sock");
    // It is in the queue of a daemon that will never be one.
    let queued = UnixStream::connect(&sock).unwrap();
    let waiting = home.fixture(["pid"]).spawn();
    kill(starter.pid(), Signal::KILL);
    drop(starter);
    // Its process stands in main, and nobody waits for it.
    let daemon: u32 = waiting.done().good().stdout.parse().unwrap();
    assert_eq!(home.daemon(), daemon);
    let mut byte = [0];
    assert!(matches!(std::io::Read::read(&mut &queued, &mut byte), Ok(0) | Err(_)));
    let orphans: Vec<u32> = home.processes().into_iter().filter(|&pid| pid != daemon).collect();
    assert_eq!(orphans.len(), 2, "the process and the child of its main: {orphans:?}");
    drop(in_main);
    eventually("it ends by itself", || home.processes().len() == 2);
    assert_eq!(home.daemon(), daemon);
    let log = std::fs::read_to_string(home.place().join("log.prev")).unwrap();
    let reason =
        "autod: the daemon failed to start: the starter went away before it had handed over";
    assert!(log.lines().any(|line| line == reason), "{log}");
}
