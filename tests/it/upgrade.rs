//! Two builds of a program meet, and daemons are stopped and restarted.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::home::{Done, Home, Run, eventually, example, is_gone, wait_until_gone};

fn version(home: &Home, version: &str, words: &[&str]) -> Run {
    home.fixture(words).env("FIX_VERSION", version)
}

fn pid(home: &Home, of: &str) -> u32 {
    version(home, of, &["pid"]).out().parse().unwrap()
}

#[test]
fn a_newer_version_replaces_the_daemon_and_an_older_one_uses_it() {
    let home = Home::new();
    let old = pid(&home, "1.9.0");
    let new = pid(&home, "1.10.0");
    assert_ne!(old, new);
    wait_until_gone(old);
    for _ in 0..10 {
        assert_eq!(pid(&home, "1.9.0"), new);
        assert_eq!(pid(&home, "1.10.0"), new);
    }
    assert_eq!(home.processes(), [new]);
}

#[test]
fn a_newer_file_of_the_same_version_replaces_the_daemon_once() {
    let home = Home::new();
    let old = home.daemon();
    let copy = home.executable(example("fixture"), "newer");
    let newer = || -> u32 { home.run(&copy).args(["pid"]).out().parse().unwrap() };
    let new = newer();
    assert_ne!(old, new);
    for _ in 0..5 {
        assert_eq!(home.daemon(), new);
        assert_eq!(newer(), new);
    }
}

#[test]
fn many_callers_of_a_newer_build_replace_the_daemon_once() {
    let home = Home::new();
    let starts = home.join("starts");
    let old: u32 =
        version(&home, "1.0.0", &["pid"]).env("FIX_STARTS", &starts).out().parse().unwrap();
    let callers: Vec<_> = (0..16)
        .map(|_| version(&home, "2.0.0", &["pid"]).env("FIX_STARTS", &starts).spawn())
        .collect();
    let pids: BTreeSet<String> =
        callers.into_iter().map(|caller| caller.done().good().stdout).collect();
    assert_eq!(pids.len(), 1, "{pids:?}");
    assert!(!pids.contains(&old.to_string()));
    assert_eq!(std::fs::read_to_string(&starts).unwrap().lines().count(), 2);
}

#[test]
fn a_snapshot_carries_the_state_over() {
    let home = Home::new();
    let add = |of: &str| version(&home, of, &["add", "1"]).env("FIX_SNAPSHOT", "1").out();
    assert_eq!(add("1.0.0"), "1");
    assert_eq!(add("2.0.0"), "2");
    assert_eq!(add("3.0.0"), "3");
    assert!(!home.place().join("snapshot").exists(), "it has been used");
    // Without one the state ends, and nothing of it comes back later.
    assert_eq!(version(&home, "4.0.0", &["close"]).out(), "");
    assert_eq!(version(&home, "4.0.0", &["add", "1"]).out(), "1");
}

#[test]
fn a_successor_that_fails_to_start_loses_nothing() {
    let home = Home::new();
    let old = |words: &[&str]| version(&home, "1.0.0", words).env("FIX_SNAPSHOT", "1");
    assert_eq!(old(&["add", "5"]).out(), "5");
    let new = version(&home, "2.0.0", &["add", "1"]).env("FIX_SNAPSHOT", "1");
    let said = new.env("FIX_INIT", "fail").done().failed(1);
    assert!(said.contains("fixture daemon failed to start: the index is damaged"), "{said}");
    assert_eq!(old(&["add", "1"]).out(), "6", "the old build has its state back");
}

#[test]
fn a_successor_that_does_not_come_to_run_leaves_the_daemon_alone() {
    let home = Home::new();
    let old = pid(&home, "1.0.0");
    let said = version(&home, "2.0.0", &["no-hand-over"]).done().failed(1);
    assert!(said.contains("main() never called autod's run"), "{said}");
    assert_eq!(pid(&home, "1.0.0"), old);
}

#[test]
fn a_replaced_daemon_answers_its_calls_and_ends_its_streams() {
    let home = Home::new();
    let mut stream = version(&home, "1.0.0", &["stall"]).spawn();
    assert_eq!(stream.line(), "1");
    let call = version(&home, "1.0.0", &["sleep", "500"]).spawn();
    eventually("both run", || version(&home, "1.0.0", &["status"]).out().starts_with("(3,"));
    let new = pid(&home, "2.0.0");
    call.done().good();
    let Done { status, stderr, .. } = stream.done();
    assert_eq!(status.code(), Some(1));
    assert!(stderr.contains("stall ended because the daemon is restarting"), "{stderr}");
    assert_eq!(pid(&home, "2.0.0"), new);
}

#[test]
fn each_policy_does_what_it_says() {
    let with = |home: &Home, policy: &str, of: &str| {
        version(home, of, &["pid"]).env("FIX_UPGRADE", policy).done()
    };
    let home = Home::new();
    let old = with(&home, "coexist", "1.0.0").good().stdout;
    let new = with(&home, "coexist", "2.0.0").good().stdout;
    assert_ne!(old, new);
    assert_eq!(with(&home, "coexist", "1.0.0").good().stdout, old);
    assert_eq!(with(&home, "coexist", "2.0.0").good().stdout, new);

    let home = Home::new();
    let old = with(&home, "compatible", "1.0.0").good().stdout;
    assert_eq!(with(&home, "compatible", "2.0.0").good().stdout, old);

    let home = Home::new();
    let old = with(&home, "refuse", "1.0.0").good().stdout;
    let said = with(&home, "refuse", "2.0.0").failed(1);
    assert!(said.contains("1.0.0@") && said.contains("2.0.0@"), "it names both: {said}");
    assert!(said.contains(&format!("`kill {old}`")), "{said}");
    assert_eq!(with(&home, "refuse", "1.0.0").good().stdout, old);
}

#[test]
fn two_versions_in_turn_never_play_ping_pong() {
    // The policy, and how many daemons a hundred calls in turn start.
    for (policy, daemons) in [("restart", 2), ("coexist", 2), ("compatible", 1), ("refuse", 1)] {
        let home = Home::new();
        let starts = home.join("starts");
        for turn in 0..100 {
            let of = ["1.0.0", "2.0.0"][turn % 2];
            let run = version(&home, of, &["add", "1"]).env("FIX_UPGRADE", policy);
            let done = run.env("FIX_STARTS", &starts).done();
            assert_eq!(done.status.success(), policy != "refuse" || turn % 2 == 0, "{done:?}");
        }
        let starts = std::fs::read_to_string(&starts).unwrap();
        assert_eq!(starts.lines().count(), daemons, "{policy}");
    }
}

#[test]
fn another_shape_of_the_service_is_replaced_by_the_newer_and_refused_to_the_older() {
    let home = Home::new();
    let old = pid(&home, "2.0.0");
    let said = version(&home, "1.0.0", &["other-shape"]).done().failed(1);
    assert!(
        said.contains("version 2.0.0) serves another shape of Probe than version 1.0.0"),
        "{said}"
    );
    assert_eq!(pid(&home, "2.0.0"), old);
    let new = version(&home, "3.0.0", &["other-shape"]).out();
    assert!(new.starts_with("other "), "{new}");
    wait_until_gone(old);
}

#[test]
fn stopping_returns_when_the_daemon_is_gone() {
    let home = Home::new();
    assert_eq!(home.fixture(["stop"]).out(), "false");
    for total in 1..=20 {
        assert_eq!(home.fixture(["add", "1"]).out(), "1", "round {total}");
        let [daemon] = home.processes()[..] else { panic!("one daemon") };
        assert_eq!(home.fixture(["stop"]).out(), "true");
        wait_until_gone(daemon);
    }
}

#[test]
fn stopping_and_restarting_are_possible_whatever_shape_is_served() {
    let home = Home::new();
    let old = version(&home, "1.0.0", &["other-shape"]).out();
    let new = version(&home, "1.0.0", &["restart"]).out();
    assert!(!old.ends_with(&new));
    assert!(!version(&home, "1.0.0", &["other-shape"]).done().failed(1).is_empty());
    assert_eq!(home.counter(["get"]).out(), "0", "another daemon is another matter");
    assert_eq!(home.fixture(["stop"]).out(), "true");
    wait_until_gone(new.parse().unwrap());
}

#[test]
fn restarting_keeps_a_snapshot_and_starts_what_does_not_run() {
    let home = Home::new();
    let run = |words: &[&str]| home.fixture(words).env("FIX_SNAPSHOT", "1");
    let first = run(&["restart"]).out();
    assert_eq!(run(&["add", "7"]).out(), "7");
    let second = run(&["restart"]).out();
    assert_ne!(first, second);
    wait_until_gone(first.parse().unwrap());
    assert_eq!(run(&["add", "1"]).out(), "8");
}

#[test]
fn a_daemon_that_cannot_drain_is_still_stopped_in_time() {
    let home = Home::new();
    let run = |words: &[&str]| home.fixture(words).env("FIX_DRAIN", "200");
    let daemon: u32 = run(&["pid"]).out().parse().unwrap();
    let blocked = run(&["block", "600000"]).spawn();
    eventually("the call runs", || run(&["status"]).out().starts_with("(2,"));
    assert_eq!(run(&["stop"]).out(), "true");
    wait_until_gone(daemon);
    drop(blocked);
}

#[test]
fn a_daemon_whose_handlers_block_every_thread_is_stopped_and_restarted_in_time() {
    for (order, exit_on_close) in [("stop", "true"), ("stop", "false"), ("restart", "false")] {
        let home = Home::new();
        let run = |words: &[&str]| {
            let run = home.fixture(words).env("FIX_DRAIN", "200").env("FIX_SNAPSHOT", "1");
            run.env("FIX_EXIT_ON_CLOSE", exit_on_close)
        };
        assert_eq!(run(&["add", "1"]).out(), "1");
        let daemon: u32 = run(&["pid"]).out().parse().unwrap();
        let threads = std::thread::available_parallelism().map_or(2, |count| count.get().max(2));
        let blocked: Vec<_> = (0..threads).map(|_| run(&["block", "600000"]).spawn()).collect();
        let log = home.place().join("log");
        eventually("all of them block", || {
            std::fs::read_to_string(&log).unwrap().matches("blocking").count() == threads
        });
        let began = Instant::now();
        run(&[order]).out();
        // The drain limit and the watchdog's second; far below every timeout of a caller.
        assert!(began.elapsed() < Duration::from_secs(6), "{order} took {:?}", began.elapsed());
        wait_until_gone(daemon);
        for caller in blocked {
            caller.done().failed(1);
        }
        let total = run(&["add", "1"]).out();
        assert_eq!(total, if order == "restart" { "2" } else { "1" });
    }
}

#[test]
fn stopping_waits_for_a_daemon_that_goes_already() {
    let home = Home::new();
    let daemon = home.daemon();
    // It has no door any more, and goes on for as long as its call.
    let call = home.fixture(["sleep", "700"]).spawn();
    eventually("the call runs", || home.fixture(["status"]).out().starts_with("(2,"));
    home.fixture(["close"]).out();
    eventually("the door is gone", || !home.place().join("sock").exists());
    assert!(!is_gone(daemon), "its call still runs");
    assert_eq!(home.fixture(["stop"]).out(), "true");
    assert!(is_gone(daemon));
    call.done().good();
    assert_eq!(home.fixture(["stop"]).out(), "false");
}
