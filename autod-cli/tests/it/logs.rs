//! `autod logs` and `log-level`.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use rustix::process::Signal;

use crate::world::{World, fails, kill, out};

#[test]
fn a_log_is_read_and_followed_across_a_successor() {
    let world = World::new();
    for line in ["one", "two", "three"] {
        out(&mut world.fixture(&["say", line]));
    }
    let all = out(&mut world.autod(&["logs", "fixture"]));
    assert!(all.contains("one") && all.ends_with("three to stderr"), "{all}");
    let last = out(&mut world.autod(&["logs", "fixture", "-n", "1"]));
    assert!(last.contains("three") && last.lines().count() == 1, "{last}");
    let json = out(&mut world.autod(&["logs", "fixture", "-n", "1", "--json"]));
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(line["line"], last);

    let mut follow = world.autod(&["logs", "-f", "-n", "1", "fixture"]);
    let mut follow = follow.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follow.stdout.take().unwrap()).lines();
    let mut until = |text: &str| {
        loop {
            let line = lines.next().expect("a line").unwrap();
            if line.contains(text) {
                break;
            }
        }
    };
    until("three");
    out(&mut world.fixture(&["say", "four"]));
    until("four");
    out(&mut world.autod(&["stop", "fixture"]));
    out(&mut world.fixture(&["say", "of the next life"]));
    until("of the next life");
    kill(follow.id().cast_signed(), Signal::TERM);
    follow.wait().unwrap();
    let previous = out(&mut world.autod(&["logs", "fixture", "--previous"]));
    assert!(previous.contains("four"), "{previous}");
    // Of a dead one too.
    out(&mut world.autod(&["stop", "fixture"]));
    assert!(out(&mut world.autod(&["logs", "fixture"])).contains("of the next life"));
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    for _ in 0..3 {
        out(&mut world.fixture(&["say", &"x".repeat(100_000)]));
    }
    let autod = env!("CARGO_BIN_EXE_autod");
    let script = format!("'{autod}' logs fixture | head -c 1 >/dev/null; echo ${{PIPESTATUS[0]}}");
    assert_eq!(out(world.command("bash").args(["-c", &script])), "0");
}

#[test]
fn the_log_level_is_the_programs_to_set() {
    let world = World::new();
    world.daemon();
    let (code, text) = fails(&mut world.autod(&["log-level", "fixture", "debug"]));
    assert_eq!(code, 1);
    assert!(text.contains("fixture") && text.contains("on_log_level"), "{text}");
    out(&mut world.autod(&["stop", "fixture"]));

    out(world.fixture(&["pid"]).env("FIX_INIT", "levels"));
    out(&mut world.autod(&["log-level", "fixture", "7"]));
    assert!(out(&mut world.autod(&["logs", "fixture"])).contains("level 7"));
    let (code, text) = fails(&mut world.autod(&["log-level", "fixture", "loud"]));
    assert!(code == 1 && text.contains("invalid digit"), "{text}");
    let (code, text) = fails(&mut world.autod(&["log-level", "fixture", "panic"]));
    assert!(code == 1 && text.contains("panicked"), "{text}");
    assert_eq!(world.json(&["status", "fixture"])["state"], "ready");
}
