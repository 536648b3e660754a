//! The counter, as scripts rely on it.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::process::Stdio;

use rustix::process::Signal;

use crate::home::{Home, eventually, kill, wait_until_gone};

/// The scenario of auto-daemon's own test.
#[test]
fn state_lives_between_commands_until_it_is_closed() {
    let home = Home::new();
    assert_eq!(home.counter(["add", "3"]).out(), "3");
    assert_eq!(home.counter(["add", "4"]).out(), "7");
    assert_eq!(home.counter(["close"]).out(), "");
    assert_eq!(home.counter(["get"]).out(), "0");
}

#[test]
fn it_counts_down_and_stays_in_its_range() {
    let home = Home::new();
    assert_eq!(home.counter(["add", "-3"]).out(), "-3");
    let largest = i64::MAX.to_string();
    assert_eq!(home.counter(["add", &largest]).out(), (i64::MAX - 3).to_string());
    assert_eq!(home.counter(["add", "9"]).out(), largest);
}

#[test]
fn two_sockfiles_are_two_counters() {
    let home = Home::new();
    let (one, two) = (home.join("one.sock"), home.join("two.sock"));
    let add = |sock: &std::path::Path, n: &str| {
        let mut run = home.counter(["--sockfile"]);
        run.command.arg(sock).args(["add", n]);
        run.out()
    };
    assert_eq!(add(&one, "1"), "1");
    assert_eq!(add(&two, "5"), "5");
    assert_eq!(add(&one, "1"), "2");
}

#[test]
fn wrong_usage_is_told_and_starts_nothing() {
    let home = Home::new();
    for (words, reason) in [
        (&[][..], "a command is missing"),
        (&["add"], "add needs a number"),
        (&["add", "two"], "cannot add \"two\": invalid digit found in string"),
        (&["add", "9223372036854775808"], "number too large"),
        (&["add", "1", "2"], "unexpected argument 2"),
        (&["get", "now"], "unexpected argument now"),
        (&["--sockfile"], "--sockfile needs a path"),
        (&["--autoclose", "-1", "get"], "--autoclose cannot be \"-1\""),
        (&["--autoclose", "soon", "get"], "--autoclose cannot be \"soon\""),
        (&["reset"], "unknown argument \"reset\""),
    ] {
        let said = home.counter(words).done().failed(2);
        assert!(said.contains(reason), "{words:?}: {said}");
        assert!(said.ends_with("add N | get | watch | close"), "{said}");
    }
    assert!(home.processes().is_empty());
    assert!(home.counter(["--help"]).out().starts_with("usage: counter"));
}

#[test]
fn it_goes_when_nobody_needs_it() {
    let home = Home::new();
    assert_eq!(home.counter(["--autoclose", "0.05", "add", "1"]).out(), "1");
    eventually("the daemon has gone", || home.processes().is_empty());
    assert!(!home.join("autod-counter/sock").exists(), "its door is gone as well");
    assert_eq!(home.counter(["get"]).out(), "0");
}

#[test]
fn watching_prints_the_total_now_and_after_every_change() {
    let home = Home::new();
    home.counter(["add", "5"]).out();
    let mut one = home.counter(["watch"]).spawn();
    let mut two = home.counter(["watch"]).spawn();
    assert_eq!((one.line(), two.line()), ("5".to_owned(), "5".to_owned()));
    for total in 6..200 {
        assert_eq!(home.counter(["add", "1"]).out(), total.to_string());
        assert_eq!(one.line(), total.to_string());
    }
    for total in 6..200 {
        assert_eq!(two.line(), total.to_string());
    }
    kill(one.pid(), Signal::INT);
    assert_eq!(home.counter(["add", "1"]).out(), "200");
    assert_eq!(two.line(), "200");
    // The daemon's end is an error for whoever still watches.
    home.counter(["close"]).out();
    let watcher = two.done();
    assert_eq!(watcher.status.code(), Some(1), "{watcher:?}");
    assert!(watcher.stderr.contains("watch ended because the daemon is closing"), "{watcher:?}");
}

#[test]
fn a_watcher_whose_reader_goes_away_goes_too() {
    let home = Home::new();
    let mut watch = home.counter(["watch"]);
    watch.command.stdout(Stdio::piped());
    let mut watch = watch.spawn();
    assert_eq!(watch.line(), "0");
    let pid = watch.pid();
    watch.close_stdout();
    home.counter(["add", "1"]).out();
    wait_until_gone(pid);
    let done = watch.done();
    assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
}

#[test]
fn the_next_command_works_after_a_kill() {
    let home = Home::new();
    for round in 1..=5 {
        assert_eq!(home.counter(["add", "2"]).out(), "2", "round {round}");
        let [daemon] = home.processes()[..] else { panic!("{:?}", home.processes()) };
        kill(daemon, Signal::KILL);
        wait_until_gone(daemon);
        assert!(home.join("autod-counter/sock").exists(), "the door is stale");
    }
}

#[test]
fn a_service_that_does_not_match_is_told_apart() {
    let home = Home::new();
    let sock = home.join("shared.sock");
    home.fixture(["pid"]).env("FIX_SOCK", &sock).out();
    let mut counter = home.counter(["--sockfile"]);
    counter.command.arg(&sock).arg("get");
    let said = counter.done().failed(1);
    assert!(said.starts_with("counter: the daemon (pid "), "{said}");
    assert!(said.contains("serves Probe, not Counter"), "{said}");
    let pid: u32 = home.fixture(["pid"]).env("FIX_SOCK", &sock).out().parse().unwrap();
    assert!(home.processes().contains(&pid), "the other daemon is unharmed");
}

#[test]
fn bytes_that_are_no_greeting_end_their_connection_only() {
    let home = Home::new();
    home.counter(["add", "1"]).out();
    let sock = home.join("autod-counter/sock");
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0; 64],
        &[0xff; 4096],
        b"AUTOD\x01\x01\x00\xff\xff\xff\xff",
    ] {
        let mut stream = UnixStream::connect(&sock).unwrap();
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        // A reset is as good an end as any: the daemon does not read on.
        let _ = std::io::Read::read_to_end(&mut stream, &mut rest);
        assert_eq!(rest, b"", "nothing is said to strangers");
    }
    assert_eq!(home.counter(["get"]).out(), "1");
}
