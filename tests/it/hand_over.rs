//! A start that breaks off before the daemon has what makes it one: nothing stays taken.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::faults::Faults;
use crate::home::{Home, eventually, is_gone, kill, wait_until_gone};

/// The pids of the daemons that a caller says it has spawned.
fn spawned(stderr: &str) -> Vec<u32> {
    let notes = stderr.lines().filter_map(|line| line.strip_prefix("note: spawned "));
    notes.map(|pid| pid.parse().unwrap()).collect()
}

/// What a daemon has left that is gone itself. A process is not known by its mark before its exec is
/// through, which its parent does not wait for to the end.
#[track_caller]
fn child_of_main(home: &Home) -> u32 {
    eventually("main has left one child", || home.processes().len() == 1);
    home.processes()[0]
}

#[test]
fn what_main_has_started_is_in_nobodys_way_when_the_daemon_dies_before_it_takes_over() {
    let home = Home::new();
    for _ in 0..3 {
        let failing = home.fixture(["pid"]).env("FIX_MAIN_CHILD", "1").env("FIX_MAIN_ABORTS", "1");
        let said = failing.done().failed(1);
        let reason = "fixture daemon was killed by signal 6 (SIGABRT) before it was ready";
        assert!(said.contains(reason), "{said}");
        let [aborted] = spawned(&said)[..] else { panic!("one daemon: {said}") };
        assert!(is_gone(aborted));
        let child = child_of_main(&home);
        // The next caller waits out the pause after a failed start, and for nothing else.
        let begin = Instant::now();
        let daemon = home.daemon();
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
    let faults = Faults::of(&home);
    faults.order("daemon-begins", "hold");
    let starter = home.fixture(["pid"]).env("FIX_MAIN_CHILD", "1").spawn();
    let daemon = faults.wait("daemon-begins");
    // Somebody for the queue of that daemon.
    let waiting = home.fixture(["pid"]).spawn();
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
    let child = child_of_main(&home);
    home.daemon();
    assert!(!is_gone(child), "it lived all the time");
}

#[test]
fn a_starter_that_is_killed_before_it_hands_over_leaves_nothing() {
    let home = Home::new();
    let faults = Faults::of(&home);
    faults.order("daemon-begins", "hold");
    let starter = home.fixture(["pid"]).env("FIX_MAIN_CHILD", "1").spawn();
    let orphan = faults.wait("daemon-begins");
    let sock = home.place().join("sock");
    // It is in the queue of a daemon that will never be one.
    let queued = UnixStream::connect(&sock).unwrap();
    let waiting = home.fixture(["pid"]).spawn();
    kill(starter.pid(), Signal::KILL);
    drop(starter);
    let daemon: u32 = waiting.done().good().stdout.parse().unwrap();
    assert_eq!(home.daemon(), daemon);
    let mut byte = [0];
    assert!(matches!(std::io::Read::read(&mut &queued, &mut byte), Ok(0) | Err(_)));
    assert!(!is_gone(orphan), "it was not looked for");
    faults.release("daemon-begins");
    wait_until_gone(orphan);
    assert_eq!(home.daemon(), daemon);
    let log = std::fs::read_to_string(home.place().join("log.prev")).unwrap();
    let reason =
        "autod: the daemon failed to start: the starter went away before it had handed over";
    assert!(log.lines().any(|line| line == reason), "{log}");
}
