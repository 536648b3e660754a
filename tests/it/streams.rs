//! Streams of all shapes between real processes.

use std::io::Write;
use std::process::Stdio;

use crate::home::{Home, wait_until_gone};

#[test]
fn a_million_items_go_up() {
    let home = Home::new();
    assert_eq!(home.fixture(["sum", "1000000"]).out(), "499999500005");
    assert_eq!(home.fixture(["sum", "0"]).out(), "5");
}

#[test]
fn items_go_both_ways() {
    let home = Home::new();
    assert_eq!(home.fixture(["double", "300000"]).out(), "300000");
}

#[test]
fn a_stream_may_fail_to_open() {
    let home = Home::new();
    assert_eq!(home.fixture(["open", "3"]).out(), "0\n1\n2");
    let said = home.fixture(["open", "0"]).done().failed(1);
    assert!(said.ends_with("there is nothing to count"), "{said}");
}

#[test]
fn a_slow_caller_gets_the_newest_items_if_the_method_says_so() {
    let home = Home::new();
    let said = home.fixture(["newest", "1000000"]).out();
    assert_eq!(said, "1000000 of 1000000, last Some(999999), some skipped true");
}

#[test]
fn bytes_go_through_and_end_where_they_were_ended() {
    let home = Home::new();
    assert_eq!(home.fixture(["bytes", "64"]).out(), (64 << 20).to_string());
    assert_eq!(home.fixture(["bytes", "0"]).out(), "0");
}

#[test]
fn whoever_leaves_in_the_middle_leaves_nothing_behind() {
    let home = Home::new();
    let daemon = home.daemon();
    assert_eq!(home.fixture(["leave", "200"]).out(), format!("499505\n{}", 1 << 20));
    home.fixture(["close"]).out();
    wait_until_gone(daemon);
}

#[test]
fn streams_end_with_the_reason_when_the_daemon_closes() {
    let home = Home::new();
    for shape in ["sum", "double", "bytes"] {
        let daemon = home.daemon();
        let mut endless = home.fixture(["endless", shape]).spawn();
        assert_eq!(endless.line(), "flowing");
        home.fixture(["close"]).out();
        let said = endless.done().failed(1);
        assert!(said.contains("ended because the daemon"), "{shape}: {said}");
        wait_until_gone(daemon);
    }
}

#[test]
fn a_filter_passes_what_it_is_given_through_the_daemon() {
    let home = Home::new();
    let text = "some words\n".repeat(100_000);
    let mut upper = home.example("pipe", [""; 0]);
    upper.command.stdin(Stdio::piped());
    let mut upper = upper.spawn();
    let mut input = upper.input();
    let written = text.clone();
    let writer = std::thread::spawn(move || input.write_all(written.as_bytes()));
    let done = upper.done().good();
    writer.join().unwrap().unwrap();
    assert!(done.stdout == text.to_uppercase().trim_end());
    assert_eq!(done.stderr, format!("{} bytes so far", text.len()));
}

#[test]
fn a_filter_does_not_wait_for_input_when_the_daemon_is_gone() {
    let home = Home::new();
    let mut upper = home.example("pipe", [""; 0]);
    upper.command.stdin(Stdio::piped());
    let mut upper = upper.spawn();
    let mut input = upper.input();
    input.write_all(b"a line\n").unwrap();
    assert_eq!(upper.line(), "A LINE");
    let daemon = home.processes().into_iter().find(|pid| *pid != upper.pid()).expect("a daemon");
    crate::home::kill(daemon, rustix::process::Signal::KILL);
    let done = upper.done();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    drop(input);
}
