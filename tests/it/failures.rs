//! A daemon that cannot start says why in the caller's terminal, at once.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::{Home, eventually, kill, stop, wait_until_gone};

/// What the caller of a daemon with this `init` reads. Nothing of the daemon is left.
#[track_caller]
fn told(init: &str) -> String {
    let home = Home::new();
    let begin = Instant::now();
    let said = home.fixture(["pid"]).env("FIX_INIT", init).done().failed(1);
    // Far above the 200 ms of the contract, which a benchmark shows, far below every timeout.
    assert!(begin.elapsed() < Duration::from_secs(5), "it did not wait for a timeout");
    eventually("the daemon is gone", || home.processes().is_empty());
    // Whatever it is, it says which daemon, and what to do.
    let (sock, log) = (home.place().join("sock"), home.place().join("log"));
    let (name, log) = (format!(" ({})", sock.display()), format!("its log is {}", log.display()));
    assert!(said.contains(&name), "{said}");
    assert!(said.lines().any(|line| line.starts_with("help: ") && line.ends_with(&log)), "{said}");
    let own = said
        .lines()
        .filter(|line| !line.starts_with("note: spawned") && !line.starts_with("help: "));
    own.collect::<Vec<_>>().join("\n").replace(&name, "")
}

#[test]
fn the_error_of_init_is_what_the_caller_reads() {
    assert_eq!(told("fail"), "fixture daemon failed to start: the index is damaged");
    assert_eq!(
        told("file:/nonexistent/config"),
        "fixture daemon failed to start: /nonexistent/config: No such file or directory (os error 2)"
    );
}

#[test]
fn a_panic_in_init_is_told() {
    assert_eq!(told("panic"), "fixture daemon failed to start: init panicked: init lost its head");
}

#[test]
fn an_abort_an_exit_and_a_signal_are_told_apart() {
    assert!(
        told("abort")
            .starts_with("fixture daemon was killed by signal 6 (SIGABRT) before it was ready")
    );
    assert!(
        told("kill")
            .starts_with("fixture daemon was killed by signal 9 (SIGKILL) before it was ready")
    );
    assert_eq!(told("exit:3"), "fixture daemon exited with status 3 before it was ready");
    assert_eq!(told("exit:0"), "fixture daemon exited with status 0 before it was ready");
}

#[test]
fn a_main_that_never_hands_over_is_told() {
    let home = Home::new();
    let said = home.fixture(["no-hand-over"]).done().failed(1);
    assert!(said.contains("main() never called autod's run"), "{said}");
}

#[test]
fn a_main_that_connects_before_it_hands_over_starts_no_second_daemon() {
    let home = Home::new();
    let said = home.fixture(["connects-first"]).done().failed(1);
    assert!(said.contains("main() never called autod's run"), "{said}");
    assert_eq!(said.matches("note: spawned").count(), 1, "{said}");
    eventually("nothing is left", || home.processes().is_empty());
}

#[test]
fn a_silent_start_is_ended_after_the_silence_timeout() {
    for init in ["hang", "block:600000"] {
        let home = Home::new();
        let run = home.fixture(["pid"]).env("FIX_INIT", init).env("FIX_SILENCE", "300");
        let said = run.done().failed(1);
        assert!(said.contains("fixture daemon said nothing for 300 ms while starting"), "{said}");
        assert!(home.processes().is_empty(), "it is gone when the error is read");
    }
}

#[test]
fn everybody_who_waits_reads_the_reason_and_few_start_it() {
    let home = Home::new();
    let starts = home.join("starts");
    let config = home.join("config");
    let callers: Vec<_> = (0..32)
        .map(|_| {
            home.fixture(["pid"])
                .env("FIX_STARTS", &starts)
                .env("FIX_INIT", format!("file:{}", config.display()))
                .spawn()
        })
        .collect();
    for caller in callers {
        let said = caller.done().failed(1);
        assert!(said.contains("config: No such file or directory"), "{said}");
    }
    let count = std::fs::read_to_string(&starts).unwrap().lines().count();
    assert!(count <= 32 / 4, "{count} starts for 32 callers that came over a while");
    // Mended, the next call works.
    std::fs::write(&config, "").unwrap();
    home.fixture(["pid"]).env("FIX_INIT", format!("file:{}", config.display())).out();
}

#[test]
fn an_order_to_start_does_not_mind_the_failure_before() {
    let home = Home::new();
    let config = home.join("config");
    let starts = home.join("starts");
    let run = |word: &str| {
        let run = home.fixture([word]).env("FIX_STARTS", &starts);
        run.env("FIX_INIT", format!("file:{}", config.display()))
    };
    // Six failures in a row make the longest pause, 5 s.
    for _ in 0..6 {
        run("restart").done().failed(1);
    }
    assert_eq!(std::fs::read_to_string(&starts).unwrap().lines().count(), 6);
    let began = Instant::now();
    std::fs::write(&config, "").unwrap();
    let daemon = run("restart").out();
    assert!(began.elapsed() < Duration::from_secs(4), "it did not wait for the pause of 5 s");
    assert!(!home.place().join("failed.json").exists());
    assert_eq!(run("pid").out(), daemon);
}

#[test]
fn a_failed_daemon_tells_those_who_came_and_nobody_after_them() {
    let home = Home::new();
    let config = home.join("config");
    let init = format!("file:{}", config.display());
    for _ in 0..10 {
        let _ = std::fs::remove_file(&config);
        let callers: Vec<_> =
            (0..8).map(|_| home.fixture(["pid"]).env("FIX_INIT", &init).spawn()).collect();
        for caller in callers {
            let said = caller.done().failed(1);
            assert!(said.contains("fixture daemon failed to start: /"), "{said}");
        }
        // Mended as soon as the last one has read it: this is the next start's caller.
        std::fs::write(&config, "").unwrap();
        let daemon: u32 = home.fixture(["pid"]).env("FIX_INIT", &init).out().parse().unwrap();
        kill(daemon, Signal::KILL);
        wait_until_gone(daemon);
    }
}

#[test]
fn a_panic_in_a_handler_is_an_error_of_its_call() {
    let home = Home::new();
    let said = home.fixture(["panic", "by intent"]).done().good();
    let [sock, log] = ["sock", "log"].map(|name| home.place().join(name));
    let [sock, log] = [sock.display(), log.display()];
    let expected = format!(
        "panic panicked in the daemon (fixture on {sock}): by intent\n\
         help: report it to whoever wrote the service; its log is {log}\n1"
    );
    assert_eq!(said.stdout, expected);
    assert_eq!(home.fixture(["add", "1"]).out(), "2", "the daemon lives");
}

#[test]
fn a_panic_in_the_factory_is_an_error_of_its_connection() {
    let home = Home::new();
    let said = home.fixture(["pid"]).env("FIX_FACTORY", "panics").done().failed(1);
    assert!(said.contains("the service panicked for this connection: no object today"), "{said}");
}

#[test]
fn a_daemon_killed_during_a_call_is_told() {
    let home = Home::new();
    let daemon = home.daemon();
    let mut caller = home.fixture(["linger", "300"]).spawn();
    assert_eq!(caller.line(), "connected");
    kill(daemon, Signal::KILL);
    wait_until_gone(daemon);
    let done = caller.done();
    assert_eq!(done.status.code(), Some(1));
    assert!(done.stderr.contains("the other end closed the connection"), "{done:?}");
}

#[test]
fn a_call_that_was_executed_when_its_daemon_was_killed_is_not_executed_again() {
    let home = Home::new();
    let daemon = home.daemon();
    let caller = home.fixture(["block", "600000"]).spawn();
    let log = home.place().join("log");
    let executed = |log: &std::path::Path| {
        std::fs::read_to_string(log).unwrap_or_default().matches("blocking").count()
    };
    eventually("the call is executed", || executed(&log) == 1);
    kill(daemon, Signal::KILL);
    let said = caller.done().failed(1);
    assert!(said.contains("the other end closed the connection"), "{said}");
    // The error says it; the caller has started nothing to try again.
    assert!(home.processes().is_empty());
    assert_eq!(executed(&log), 1);
    assert_ne!(home.daemon(), daemon);
    assert_eq!((executed(&log), executed(&log.with_extension("prev"))), (0, 1));
}

#[test]
fn a_service_can_end_a_connection() {
    let home = Home::new();
    let said = home.fixture(["disconnect"]).out();
    assert!(said.contains("the service ended the connection"), "{said}");
    home.daemon();
}

#[test]
fn a_stopped_daemon_is_a_clear_timeout_and_is_not_replaced() {
    let home = Home::new();
    let daemon = home.daemon();
    stop(daemon);
    let said = home.fixture(["pid"]).env("FIX_SILENCE", "200").done().failed(1);
    kill(daemon, Signal::CONT);
    assert!(said.contains(&format!("the daemon (pid {daemon}) on ")), "{said}");
    assert!(
        said.contains(&format!("does not answer\nhelp: if it hangs, end it with `kill {daemon}`"))
    );
    assert_eq!(home.daemon(), daemon, "it was only busy");
}
