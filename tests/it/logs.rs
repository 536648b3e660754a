//! The log of a daemon that writes much.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::home::{Home, eventually};

/// The size past which a log is rotated.
const LIMIT: u64 = 16 << 20;

#[test]
fn a_log_that_grows_is_rotated_under_the_daemon_and_its_followers() {
    let home = Home::new();
    let daemon = home.daemon();
    let mut follower = home.fixture(["wait-and-add"]).env("FIX_DEBUG", "true");
    let copied = home.join("copied");
    let stderr = std::fs::File::create(&copied).unwrap();
    follower.command.stdin(Stdio::piped()).stderr(stderr);
    let mut follower = follower.spawn();
    assert_eq!(follower.line(), "connected");
    home.fixture(["say", "before"]).out();

    let (log, previous) = (home.place().join("log"), home.place().join("log.prev"));
    let length = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len());
    for round in 0..3 {
        // Twice 9 MiB: what is said goes to standard output and to standard error.
        home.fixture(["say-much", "9"]).out();
        assert!(length(&log) > LIMIT, "round {round}");
        // Any change of its files makes the daemon look, as the half minute does.
        let lock = home.place().join("spawn.lock");
        std::fs::set_permissions(lock, std::fs::Permissions::from_mode(0o600)).unwrap();
        eventually("the log is rotated", || length(&log) < LIMIT);
        assert!(length(&previous) > LIMIT, "round {round}");
    }
    home.fixture(["say", "after"]).out();
    assert_eq!(length(&log), "after to stdout\nafter to stderr\n".len() as u64);
    let names = std::fs::read_dir(home.place()).unwrap().flatten().map(|entry| entry.file_name());
    let logs = names.filter(|name| name.to_string_lossy().starts_with("log")).count();
    assert_eq!(logs, 2, "the log and the one before");
    assert_eq!(home.daemon(), daemon);

    follower.release();
    follower.done().good();
    let text = std::fs::read_to_string(copied).unwrap();
    for said in ["before", "after"] {
        for stream in ["stdout", "stderr"] {
            let line = format!("{said} to {stream}");
            assert_eq!(text.matches(&line).count(), 1, "{line}");
        }
    }
}

#[test]
fn a_flood_of_events_is_bounded_as_it_is_written() {
    const FLOOD: u64 = 80 << 20;
    let home = Home::new();
    home.fixture(["pid"]).env("FIX_INIT", format!("flood:{}", FLOOD >> 20)).out();
    let [log, previous] = ["log", "log.prev"].map(|name| home.place().join(name));
    let length = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len());
    let mut most = 0;
    eventually("the flood is over", || {
        most = most.max(length(&log)).max(length(&previous));
        // The end of the log alone: it is long.
        let text = std::fs::read(&log).unwrap_or_default();
        let end = text.len().saturating_sub(300);
        String::from_utf8_lossy(&text[end..]).contains("the flood is over")
    });
    // A step of a megabyte beyond the limit, and an event of each thread.
    assert!(most > LIMIT && most < LIMIT + (2 << 20), "{most}");
    assert!(length(&log) < LIMIT + (2 << 20));
}

/// The lines of the log of a daemon that was called twice.
fn log_of(home: &Home, setting: (&str, &str)) -> String {
    for _ in 0..2 {
        let done = home.fixture(["add", "1"]).env(setting.0, setting.1).env("AUTOD_LOG", "debug");
        done.done().good();
    }
    let log = home.place().join("log");
    eventually("the call is in the log", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("method=\"add\""))
    });
    std::fs::read_to_string(log).unwrap()
}

/// The daemon's own log begins each line with the time.
fn has_time(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_digit())
}

#[test]
fn a_subscriber_of_the_programs_own_goes_before_the_log() {
    for (setting, by) in [(("FIX_SUBSCRIBER", "1"), "main"), (("FIX_INIT", "subscriber"), "init")] {
        let home = Home::new();
        let text = log_of(&home, setting);
        assert!(text.contains(&format!("set by {by}")), "{text}");
        assert!(!text.lines().any(has_time), "{text}");
    }
    let home = Home::new();
    assert!(log_of(&home, ("FIX_NOTHING", "1")).lines().any(has_time));
}

#[test]
fn a_caller_gets_no_subscriber_and_its_own_one_sees_its_calls() {
    let home = Home::new();
    home.daemon();
    let silent = home.fixture(["add", "1"]).env("AUTOD_LOG", "trace").done().good();
    assert_eq!(silent.stderr, "");
    let sock = home.place().join("sock");
    let daemon = format!("daemon=fixture on {}", sock.display());
    for (words, method, outcome) in [
        (&["add", "1"][..], "add", "outcome=\"answered\""),
        (&["count", "3"], "count", "outcome=\"answered\""),
        (&["panic", "oh"], "panic", "outcome=Panicked"),
        (&["blocking", "pid"], "pid", "outcome=\"answered\""),
    ] {
        let done = home.fixture(words.iter().copied()).env("FIX_SUBSCRIBER", "1").done();
        let call = format!("call{{method=\"{method}\" {daemon} {outcome} duration_ms=");
        let line = done.stderr.lines().find(|line| line.contains(&call));
        let line = line.unwrap_or_else(|| panic!("{call}: {}", done.stderr));
        assert!(line.contains("autod::client: close"), "{line}");
    }
    let done = home.fixture(["add", "1"]).env("FIX_SUBSCRIBER", "1").done();
    let connection = format!("connection{{{daemon} pid=");
    assert!(done.stderr.contains(&connection), "{}", done.stderr);
}
