//! Many callers at once: one daemon, nothing lost.

use std::collections::BTreeSet;
use std::process::Stdio;

use rustix::process::Signal;

use crate::home::{Home, Running, eventually, kill, wait_until_gone};

/// Starts callers that wait at a barrier, and lets them go together.
fn at_once(home: &Home, count: usize, args: &[&str], env: &[(&str, &str)]) -> Vec<Running> {
    let mut callers: Vec<Running> = (0..count)
        .map(|_| {
            let mut run = home.fixture(args).env("FIX_BARRIER", "1");
            for (name, value) in env {
                run = run.env(name, value);
            }
            run.command.stdin(Stdio::piped());
            run.spawn()
        })
        .collect();
    for caller in &mut callers {
        assert_eq!(caller.line(), "waiting");
    }
    callers.iter_mut().for_each(Running::release);
    callers
}

/// The pids that daemons wrote down when they began, in this test.
fn starts(home: &Home) -> Vec<String> {
    let starts = std::fs::read_to_string(home.join("starts")).unwrap_or_default();
    starts.lines().map(str::to_owned).collect()
}

#[test]
fn thirty_two_callers_start_exactly_one_daemon() {
    for _ in 0..5 {
        let home = Home::new();
        let path = home.join("starts");
        let env = [("FIX_STARTS", path.to_str().unwrap())];
        let totals: BTreeSet<u32> = at_once(&home, 32, &["add", "1"], &env)
            .into_iter()
            .map(|caller| caller.done().good().stdout.parse().unwrap())
            .collect();
        assert_eq!(totals, (1..=32).collect(), "every call was executed once, by one daemon");
        assert_eq!(starts(&home).len(), 1, "{:?}", starts(&home));
    }
}

#[test]
fn callers_that_come_while_init_runs_wait_for_it() {
    let home = Home::new();
    let path = home.join("starts");
    let env =
        [("FIX_STARTS", path.to_str().unwrap()), ("FIX_INIT", "slow:1500"), ("FIX_SILENCE", "700")];
    for caller in at_once(&home, 8, &["pid"], &env) {
        let done = caller.done().good();
        assert!(done.stderr.contains("note: progress step 3"), "{done:?}");
    }
    assert_eq!(starts(&home).len(), 1);
}

#[test]
fn a_daemon_about_to_go_loses_no_call() {
    let home = Home::new();
    let path = home.join("starts");
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let script = "for i in $(seq 40); do \"$0\" add 1 || exit 1; done";
            home.run("/bin/sh")
                .args(["-c", script])
                .args([crate::home::example("fixture")])
                .env("FIX_AUTOCLOSE", "2")
                .env("FIX_STARTS", &path)
                .spawn()
        })
        .collect();
    let answers: usize = callers
        .into_iter()
        .map(|caller| {
            let done = caller.done().good();
            done.stdout.lines().count()
        })
        .sum();
    assert_eq!(answers, 160);
    // Each daemon counts from 1, so its calls were executed once each if they add up.
    eventually("all daemons have gone", || home.processes().is_empty());
}

#[test]
fn a_killed_daemon_is_replaced_while_callers_come() {
    let home = Home::new();
    for round in 0..10 {
        let daemon = home.daemon();
        let callers = at_once(&home, 8, &["add", "1"], &[]);
        kill(daemon, Signal::KILL);
        for caller in callers {
            let done = caller.done();
            // A call that had been accepted may be lost with its daemon; its caller is told so.
            if !done.status.success() {
                assert!(
                    done.stderr.contains("the other end closed the connection"),
                    "round {round}: {done:?}"
                );
            }
        }
        wait_until_gone(daemon);
        home.daemon();
    }
}

#[test]
fn a_killed_starter_leaves_nothing_stuck() {
    let home = Home::new();
    let mut starter = home.fixture(["pid"]).env("FIX_INIT", "slow:400").spawn();
    eventually("the daemon's process runs", || home.processes().len() > 1);
    kill(starter.pid(), Signal::KILL);
    assert_eq!(starter.line(), "");
    drop(starter);
    let pid = home.daemon();
    assert_eq!(home.processes(), [pid], "one daemon, whoever started it");
}

#[test]
fn a_daemon_whose_starter_was_killed_goes_when_nobody_comes() {
    let home = Home::new();
    let starts = home.join("starts");
    let run = home.fixture(["pid"]).env("FIX_INIT", "slow:300").env("FIX_AUTOCLOSE", "50");
    let starter = run.env("FIX_STARTS", &starts).spawn();
    eventually("the daemon has taken over", || starts.exists());
    kill(starter.pid(), Signal::KILL);
    drop(starter);
    eventually("the daemon has gone", || home.processes().is_empty());
    assert!(!home.place().join("sock").exists(), "in order");
}
