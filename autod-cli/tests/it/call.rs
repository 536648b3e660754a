//! `autod call`: the methods of any daemon, by their names.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::world::{World, eventually, example, fails, kill, out};

/// A command with these words on its standard input: its code, what it prints, and what it says.
#[track_caller]
fn fed(command: &mut Command, input: &str) -> (Option<i32>, String, String) {
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("autod");
    let mut to = child.stdin.take().expect("its input");
    let input = input.to_owned();
    // It may end without reading all of it.
    let feeder = std::thread::spawn(move || to.write_all(input.as_bytes()).is_ok());
    let output = child.wait_with_output().expect("its output");
    feeder.join().expect("no panic");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_method_is_called_with_json_or_with_pairs() {
    let world = World::new();
    let pid = world.daemon().to_string();
    let call = |words: &[&str]| out(world.autod(&["call", "fixture"]).args(words));
    assert_eq!(call(&["pid"]), pid);
    assert_eq!(call(&["add", r#"{"n": 2}"#]), "2");
    assert_eq!(call(&["add", "[3]"]), "5");
    assert_eq!(call(&["add", "n=-1"]), "4");
    assert_eq!(call(&["judge", "flag=true", "letter=1", "text=2"]), r#""true 1 2 None""#);
    // Nothing is nothing, and a value that is none is one.
    assert_eq!(call(&["sleep", "milliseconds=0"]), "");
    assert_eq!(call(&["time_left"]), "null");
    assert_eq!(call(&["add", "--json", "n=0"]), r#"{"ok":4}"#);
    let socket = world.json(&["status", "fixture"])["socket"].as_str().unwrap().to_owned();
    for name in [&*pid, &*socket] {
        assert_eq!(out(&mut world.autod(&["call", name, "add", "n=0"])), "4");
    }
}

#[test]
fn each_way_to_fail_has_its_code() {
    let world = World::new();
    let (code, text) = fails(&mut world.autod(&["call", "fixture", "pid"]));
    assert!(code == 4 && text.contains("no daemon called fixture"), "{code} {text}");
    world.daemon();
    let call = |words: &[&str]| fails(world.autod(&["call", "fixture"]).args(words));
    // The method's own error is JSON.
    assert_eq!(call(&["divide", "a=1", "b=0"]), (1, "\"cannot divide 1 by 0\"\n".to_owned()));
    assert_eq!(call(&["open", "end=0"]), (1, "\"there is nothing to count\"\n".to_owned()));
    let output = world.autod(&["call", "fixture", "divide", "[1, 0]", "--json"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"error\":\"cannot divide 1 by 0\"}\n");
    assert!(output.status.code() == Some(1) && output.stderr.is_empty(), "{output:?}");
    for (words, expected, says) in [
        (&["divided"][..], 2, "no method divided; it has pid, add, echo"),
        (&["add", "m=1"], 2, "no argument m"),
        (&["add", "2"], 2, "neither KEY=VALUE"),
        (&["add", r#"{"n": "two"}"#], 7, "add"),
        (&["panic", "text=oh"], 7, "oh"),
    ] {
        let (code, text) = call(words);
        assert!(code == expected && text.contains(says), "{words:?}: {code} {text}");
    }
    out(&mut world.autod(&["stop", "fixture"]));
    assert_eq!(call(&["pid"]).0, 3);
}

#[test]
fn streams_are_lines_in_both_directions() {
    let world = World::new();
    world.daemon();
    let call =
        |words: &[&str], input: &str| fed(world.autod(&["call", "fixture"]).args(words), input);
    assert_eq!(call(&["count", "end=3"], ""), (Some(0), "0\n1\n2\n".to_owned(), String::new()));
    let (_, items, _) = call(&["count", "end=2", "--json"], "");
    assert_eq!(items, "{\"ok\":0}\n{\"ok\":1}\n");
    assert_eq!(call(&["sum", "start=1"], "2\n\n3"), (Some(0), "6\n".to_owned(), String::new()));
    assert_eq!(call(&["double"], "2\n3\n").1, "4\n6\n");
    let (code, text, error) = call(&["sum", "start=1"], "2\ntwo\n3\n");
    assert!(code == Some(2) && text.is_empty() && error.contains("line 2"), "{text} {error}");
    let many = "21\n".repeat(20_000);
    let (code, doubled, _) = call(&["double"], &many);
    assert_eq!((code, doubled.lines().count()), (Some(0), 20_000));
}

#[test]
fn bytes_go_through_and_the_answer_beside_them() {
    let world = World::new();
    world.daemon();
    let text = "Some bytes.\n".repeat(50_000);
    let (code, upper, answer) = fed(&mut world.autod(&["call", "fixture", "upper"]), &text);
    assert_eq!(code, Some(0));
    assert!(upper == text.to_uppercase(), "{} bytes", upper.len());
    assert_eq!(answer, "600000\n");
}

#[test]
fn an_interrupt_ends_a_stream_and_a_call() {
    let world = World::new();
    world.daemon();
    let open = || world.json(&["status", "fixture"])["calls_open"].as_u64();
    let ways = [
        (["stall", "{}"], Signal::INT, 0),
        (["stall", "{}"], Signal::HUP, 0),
        (["sleep", "[60000]"], Signal::INT, 130),
        (["sleep", "[60000]"], Signal::TERM, 130),
        (["sleep", "[60000]"], Signal::HUP, 130),
    ];
    for (words, signal, expected) in ways {
        let mut command = world.autod(&["call", "fixture"]);
        let mut child = command.args(words).stdout(Stdio::piped()).spawn().unwrap();
        if words[0] == "stall" {
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, "1\n");
        }
        eventually("the call runs", || open() == Some(1));
        kill(child.id().cast_signed(), signal);
        eventually("it has ended", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(expected), "{words:?} {signal:?}");
        eventually("the call is over", || open() == Some(0));
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_stream() {
    let world = World::new();
    world.daemon();
    let autod = env!("CARGO_BIN_EXE_autod");
    let script =
        format!("'{autod}' call fixture count end=10000000 | head -n 1; echo ${{PIPESTATUS[0]}}");
    assert_eq!(out(world.command("bash").args(["-c", &script])), "0\n0");
}

/// Also one that has nothing to print then, and so does not come to fail at it.
#[test]
fn whoever_waits_for_nobody_ends() {
    let world = World::new();
    world.daemon();
    out(&mut world.fixture(&["say", "words"]));
    let open = || world.json(&["status", "fixture"])["calls_open"].as_u64();
    for words in [&["call", "fixture", "stall", "{}"][..], &["logs", "-f", "fixture"]] {
        let mut child = world.autod(words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut line).unwrap();
        assert!(!line.is_empty());
        eventually("it waits", || words[0] == "logs" || open() == Some(1));
        drop(lines);
        eventually("it has ended", || child.try_wait().unwrap().is_some());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{words:?}");
    }
    assert_eq!(open(), Some(0));
}

#[test]
fn the_daemons_of_the_examples_are_called_too() {
    let world = World::new();
    let call = |words: &[&str]| out(world.autod(&["call"]).args(words));
    out(world.command(example("counter")).args(["add", "5"]));
    assert_eq!(call(&["autod-counter", "add", "n=2"]), "7");
    let mut watch = world.autod(&["call", "autod-counter", "watch"]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "7");
    out(world.command(example("counter")).args(["add", "1"]));
    assert_eq!(lines.next().unwrap().unwrap(), "8");
    // The daemon ends, and so does the stream.
    assert_eq!(call(&["autod-counter", "close"]), "");
    assert_eq!(watch.wait().unwrap().code(), Some(7));

    out(&mut world.command(example("hello")));
    assert!(call(&["autod-hello", "greet", "name=you"]).contains("you"));

    out(world.command(example("stream")).args(["build", "echo", "built"]));
    let log = call(&["autod-stream", "follow"]);
    assert_eq!(log, "{\"Line\":\"built\"}\n{\"Ended\":0}");

    fed(&mut world.command(example("pipe")), "a");
    let (code, upper, total) = fed(&mut world.autod(&["call", "autod-pipe", "convert"]), "bc");
    assert_eq!((code, &*upper, &*total), (Some(0), "BC", "3\n"));

    let files = world.join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("one"), "").unwrap();
    let watcher = out(world.command(example("watcher")).arg(&files).arg("count"));
    assert_eq!(call(&["autod-watcher", "count"]), watcher);
}
