//! A daemon goes, in order or not, and what comes after it.

use rustix::process::Signal;

use crate::home::{Home, eventually, kill, wait_until_gone};

#[test]
fn a_daemon_that_is_asked_to_end_does_not_wait_for_the_spawn_lock() {
    let home = Home::new();
    for how in ["a signal", "a call"] {
        let daemon = home.daemon();
        let lock = std::fs::File::open(home.place().join("spawn.lock")).unwrap();
        eventually("the spawn lock is free", || lock.try_lock().is_ok());
        match how {
            "a signal" => kill(daemon, Signal::TERM),
            _ => drop(home.fixture(["close"]).done().good()),
        }
        wait_until_gone(daemon);
        assert!(
            home.place().join("sock").exists(),
            "{how}: only a holder of both locks removes it"
        );
        let caller = home.fixture(["pid"]).spawn();
        drop(lock);
        assert_ne!(caller.done().good().stdout, daemon.to_string());
    }
}

#[test]
fn the_call_after_a_close_is_served_by_a_successor() {
    let home = Home::new();
    let starts = home.join("starts");
    let pid = || home.fixture(["pid"]).env("FIX_STARTS", &starts).out();
    let mut before = pid();
    for _ in 0..20 {
        home.fixture(["close"]).done().good();
        let after = pid();
        assert_ne!(after, before);
        before = after;
    }
    let starts = std::fs::read_to_string(&starts).unwrap();
    assert_eq!(starts.lines().count(), 21);
    assert!(!starts.contains("beside"), "there is one at a time: {starts}");
}

#[test]
fn children_of_a_killed_daemon_are_in_nobodys_way() {
    let home = Home::new();
    // One of main's before the daemon took over, one of init's, one of a handler's.
    let run = |word: &str| home.fixture([word]).env("FIX_MAIN_CHILD", "1").env("FIX_INIT", "child");
    for _ in 0..3 {
        run("leave-child").out();
        let daemon: u32 = run("pid").out().parse().unwrap();
        kill(daemon, Signal::KILL);
        wait_until_gone(daemon);
        assert_ne!(run("pid").out(), daemon.to_string());
    }
}

#[test]
fn callers_of_a_stopped_daemon_are_served_when_it_goes_on() {
    let home = Home::new();
    let daemon = home.daemon();
    kill(daemon, Signal::STOP);
    let callers: Vec<_> = (0..12).map(|_| home.fixture(["pid"]).spawn()).collect();
    kill(daemon, Signal::CONT);
    for caller in callers {
        assert_eq!(caller.done().good().stdout, daemon.to_string());
    }
}
