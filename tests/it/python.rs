//! The example client in Python against the example in Rust: PROTOCOL.md is enough to write one.

use std::path::Path;
use std::process::Stdio;

use crate::home::{Home, Run, has};

/// The client in this home; `None` where there is no Python.
fn python(home: &Home, args: &[&str]) -> Option<Run> {
    has("python3").then(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/python/counter.py");
        // Whatever stands in the user's own Python is no part of the test.
        home.run("python3").args(["-I".as_ref(), script.as_os_str()]).args(args)
    })
}

#[test]
fn it_counts_together_with_the_client_in_rust() {
    let home = Home::new();
    assert_eq!(home.counter(["get"]).out(), "0");
    let Some(add) = python(&home, &["add", "2"]) else { return };
    assert_eq!(add.out(), "2");
    assert_eq!(python(&home, &["add", "3"]).unwrap().out(), "5");
    assert_eq!(home.counter(["get"]).out(), "5");
    assert_eq!(home.counter(["add", "-1"]).out(), "4");
    assert_eq!(python(&home, &["get"]).unwrap().out(), "4");
    assert_eq!(python(&home, &["call", "add", r#"{"n": 2}"#]).unwrap().out(), "6");
    assert_eq!(python(&home, &["call", "add", "[1]"]).unwrap().out(), "7");
    assert_eq!(python(&home, &["close"]).unwrap().out(), "");
    let gone = python(&home, &["get"]).unwrap().done().failed(1);
    assert!(gone.starts_with("counter.py: "), "{gone}");
    assert_eq!(home.counter(["get"]).out(), "0", "a new daemon");
}

#[test]
fn it_watches_every_change() {
    let home = Home::new();
    home.counter(["add", "5"]).out();
    let Some(watch) = python(&home, &["watch"]) else { return };
    let mut watch = watch.spawn();
    assert_eq!(watch.line(), "5");
    for total in 6..100 {
        assert_eq!(home.counter(["add", "1"]).out(), total.to_string());
        assert_eq!(watch.line(), total.to_string());
    }
    home.counter(["close"]).out();
    let ended = watch.done().failed(1);
    assert!(ended.contains("the daemon is closing"), "{ended}");
}

#[test]
fn its_mistakes_are_told() {
    let home = Home::new();
    home.counter(["get"]).out();
    for (words, reason) in [
        (
            &["call", "ad", "{}"][..],
            "there is no such method: the methods of Counter are add, get, watch, close",
        ),
        (
            &["call", "add", r#"{"n": "two"}"#],
            "the argument n does not fit: invalid type: string \"two\", expected i64",
        ),
        (&["call", "add", r#"{"m": 2}"#], "there is no argument \"m\"; expected: n"),
        (&["call", "add"], "the argument n is missing; expected: n"),
        (&["call", "add", "[1, 2]"], "there are more arguments than 1; expected: n"),
        (&["call", "get", r#"{"n": 2}"#], "there is no argument \"n\"; none is expected"),
        (&["call", "watch"], "this method answers with a stream"),
    ] {
        let Some(run) = python(&home, words) else { return };
        let said = run.done().failed(1);
        assert!(said.starts_with("counter.py: ") && said.contains(reason), "{words:?}: {said}");
    }
    assert_eq!(home.counter(["get"]).out(), "0", "nothing was executed");
}

#[test]
fn many_calls_at_once_are_each_counted() {
    let home = Home::new();
    home.counter(["get"]).out();
    // Four clients, each with two hundred calls on its way before it reads the first answer.
    let calls = ["1"; 200];
    let run = || python(&home, &[&["add"][..], &calls].concat());
    let clients: Vec<_> = (0..4).map_while(|_| run()).map(Run::spawn).collect();
    if clients.is_empty() {
        return;
    }
    let mut totals: Vec<u32> = clients
        .into_iter()
        .flat_map(|client| {
            let out = client.done().good().stdout;
            let totals: Vec<u32> = out.lines().map(|line| line.parse().unwrap()).collect();
            assert!(totals.is_sorted(), "in the order of the calls: {totals:?}");
            totals
        })
        .collect();
    totals.sort_unstable();
    assert_eq!(totals, (1..=800).collect::<Vec<_>>());
}

#[test]
fn it_finds_the_socket_that_is_named() {
    let home = Home::new();
    let sock = home.join("other.sock");
    let sock = sock.to_str().unwrap();
    home.counter(["--sockfile", sock, "add", "7"]).out();
    let Some(get) = python(&home, &["--sockfile", sock, "get"]) else { return };
    assert_eq!(get.out(), "7");
    // Another service is not taken for the counter.
    home.fixture(["pid"]).out();
    let probe = home.place().join("sock");
    let refused = python(&home, &["--sockfile", probe.to_str().unwrap(), "get"]).unwrap();
    let refused = refused.done().failed(1);
    assert!(refused.contains("serves Probe, not Counter"), "{refused}");
}

#[test]
fn it_goes_with_the_reader_of_its_output() {
    let home = Home::new();
    home.counter(["get"]).out();
    let Some(mut watch) = python(&home, &["watch"]) else { return };
    watch.command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut watch = watch.spawn();
    assert_eq!(watch.line(), "0");
    watch.close_stdout();
    home.counter(["add", "1"]).out();
    assert!(!watch.done().status.success());
}
