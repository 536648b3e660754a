//! Daemons that call their callers.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::{Home, Run, eventually, kill, wait_until_gone};

/// A command that has the daemon call it back.
fn errand(home: &Home, what: &str, n: &str) -> Run {
    let mut run = home.fixture(["errand", what, n]).env("FIX_CALLER", "errand");
    run.command.stdin(Stdio::piped());
    run
}

#[test]
fn each_caller_is_asked_itself() {
    let home = Home::new();
    let mut callers = [1, 2, 3].map(|n: u32| errand(&home, "ask", &n.to_string()).spawn());
    for (n, caller) in (1..).zip(&mut callers) {
        assert_eq!(caller.line(), format!("how about {n}?"));
    }
    // All of them wait for a person; others are served.
    assert_eq!(home.fixture(["add", "1"]).out(), "1");
    for (n, mut caller) in [1, 2, 3].into_iter().zip(callers).rev() {
        writeln!(caller.input(), "as {n} says").unwrap();
        assert_eq!(caller.done().good().stdout, format!("as {n} says"));
    }
}

#[test]
fn handlers_of_both_ends_call_each_other() {
    let home = Home::new();
    let said = errand(&home, "deeper", "50").out();
    assert_eq!(said, format!("{}1{}", "(".repeat(50), ")".repeat(50)));
}

#[test]
fn streams_of_all_shapes_go_back() {
    let home = Home::new();
    let said = errand(&home, "streams", "200000").out();
    assert_eq!(said, "19999900000 19999900005 39999800000 200000 true");
}

#[test]
fn a_caller_that_dies_is_an_error_of_the_call_and_nothing_else() {
    let home = Home::new();
    let daemon = home.daemon();
    let file = home.join("said");
    let mut caller =
        errand(&home, &format!("ask-apart:{}", file.display()), "0").env("FIX_STAY", "1").spawn();
    // Its own answer may come first.
    let lines = [caller.line(), caller.line()];
    assert!(lines.contains(&"are you there?".to_owned()), "{lines:?}");
    kill(caller.pid(), Signal::KILL);
    eventually("the daemon hears of it", || file.exists());
    let said = std::fs::read_to_string(file).unwrap();
    assert_eq!(said, "lost true true, then lost true false");
    assert_eq!(home.daemon(), daemon);
}

#[test]
fn a_client_of_a_caller_keeps_neither_connection_nor_daemon() {
    let home = Home::new();
    let file = home.join("said");
    // The daemon goes on asking when the caller has what it came for and leaves.
    let caller = errand(&home, &format!("ask-apart:{}", file.display()), "0")
        .env("FIX_AUTOCLOSE", "0")
        .done()
        .good();
    assert!(caller.stdout.contains("asked"), "{caller:?}");
    eventually("the daemon hears of it", || file.exists());
    eventually("the daemon goes", || home.processes().is_empty());
}

#[test]
fn what_the_caller_does_not_serve_is_told_before_anything_is_called() {
    let home = Home::new();
    let nothing = home.fixture(["errand", "ask", "1"]).done().failed(1);
    assert!(
        nothing.contains("the caller serves nothing that could be Errand\nhelp: let the caller"),
        "{nothing}"
    );
    for (what, words) in [
        ("rest", "the caller serves Rest, not Errand"),
        ("shape", "the caller serves another shape of Errand"),
    ] {
        let said = errand(&home, "ask", "1").env("FIX_CALLER", what).done().failed(1);
        assert!(said.contains(&format!("{words}\nhelp: ")), "{said}");
    }
}

#[test]
fn limits_and_panics_of_the_caller_are_errors_of_the_call() {
    let home = Home::new();
    let daemon = home.daemon();
    let said = errand(&home, "echo", "2000000").env("FIX_MESSAGE", "1000000").done().failed(1);
    assert!(said.contains("the caller receives at most 1000000\nhelp: "), "{said}");
    assert_eq!(errand(&home, "echo", "20000000").out(), "true");
    let panicked = errand(&home, "panic", "0").done();
    assert_eq!(panicked.status.code(), Some(1));
    assert!(
        panicked.stderr.contains("panic panicked in the caller: as asked\nhelp: "),
        "{panicked:?}"
    );
    assert_eq!(home.daemon(), daemon);
}

#[test]
fn a_daemon_that_closes_gives_its_callers_time_to_answer() {
    let home = Home::new();
    let daemon = home.daemon();
    let mut caller = errand(&home, "ask", "1").spawn();
    assert_eq!(caller.line(), "how about 1?");
    home.fixture(["close"]).out();
    writeln!(caller.input(), "in time").unwrap();
    assert_eq!(caller.done().good().stdout, "in time");
    wait_until_gone(daemon);
}

#[test]
fn a_question_that_nobody_answers_ends_within_the_drain_limit() {
    let home = Home::new();
    let daemon: u32 = home.fixture(["pid"]).env("FIX_DRAIN", "2000").out().parse().unwrap();
    let mut caller = errand(&home, "ask", "1").spawn();
    assert_eq!(caller.line(), "how about 1?");
    let began = Instant::now();
    home.fixture(["close"]).out();
    let done = caller.done();
    assert_eq!(done.status.code(), Some(1), "{done:?}");
    // The handler has heard why, and has answered.
    assert!(done.stderr.starts_with("the daemon is closing\nhelp: "), "{done:?}");
    wait_until_gone(daemon);
    assert!(began.elapsed() >= Duration::from_millis(1700), "it got its time");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_example_asks_its_terminal() {
    let home = Home::new();
    let directory = home.join("files");
    std::fs::create_dir(&directory).unwrap();
    for name in ["one", "two", "three"] {
        std::fs::write(directory.join(name), "").unwrap();
    }
    let mut prompt = home.example("prompt", ["one", "two", "three", "four"]).cwd(&directory);
    prompt.command.stdin(Stdio::piped());
    let mut prompt = prompt.spawn();
    prompt.input().write_all(b"y\nn\n").unwrap();
    let done = prompt.done();
    // The input has ended after two answers.
    assert_eq!(done.stdout, "removed 1 of 4");
    assert!(done.stderr.contains("remove one?") && done.stderr.contains("remove two?"), "{done:?}");
    let left: Vec<_> = ["one", "two", "three"].map(|name| directory.join(name).exists()).into();
    assert_eq!(left, [false, true, true]);
}
