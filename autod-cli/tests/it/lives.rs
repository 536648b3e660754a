//! `autod stop` and `restart`, and by what names a daemon is found.

use rustix::process::Signal;

use crate::world::{World, eventually, fails, kill, out};

#[test]
fn a_daemon_is_stopped_by_its_name_its_pid_and_its_path() {
    let world = World::new();
    let sock = world.join("fixture/sock");
    let ways: [&dyn Fn(i32) -> String; 3] =
        [&|_| "fixture".to_owned(), &|pid| pid.to_string(), &|_| sock.to_str().unwrap().to_owned()];
    for name in ways {
        let pid = world.daemon();
        let name = name(pid);
        let ended = world.json(&["stop", &name]);
        assert_eq!(ended, serde_json::json!({"name": name, "ended": "by itself"}));
        assert!(!world.processes().contains(&pid));
        // What it wrote of itself is there after it, and after whoever asks again.
        let last = || world.row(&["--all"], "fixture").expect("a row")["life"]["pid"].clone();
        assert_eq!(last(), pid);
        let (code, text) = fails(&mut world.autod(&["stop", &name]));
        assert!(matches!(code, 3 | 4), "{code} {text}");
        assert!(text.contains(&name) || text.contains("fixture"), "{text}");
        assert_eq!(last(), pid);
    }
}

#[test]
fn who_is_not_there_is_said_with_what_to_do() {
    let world = World::new();
    for name in ["nobody", "4194305"] {
        for command in ["status", "describe", "logs", "stop", "restart"] {
            let (code, text) = fails(&mut world.autod(&[command, name]));
            assert_eq!(code, 4, "{command} {text}");
            assert!(text.contains(name) && text.contains("autod ps"), "{text}");
        }
    }
    let missing = world.join("missing/sock");
    let (code, text) = fails(&mut world.autod(&["status", missing.to_str().unwrap()]));
    assert!(code == 3 && text.contains("missing"), "{text}");
    assert_eq!(fails(&mut world.autod(&["status"])).0, 2);
    assert_eq!(fails(&mut world.autod(&["status", "--timeout", "0", "x"])).0, 2);
}

#[test]
fn an_instance_is_found_by_the_name_of_its_tool_as_long_as_it_is_the_only_one() {
    let world = World::new();
    let start = |key: &str| out(world.fixture(&["pid"]).env("FIX_INSTANCE", key));
    let one = start("one");
    assert_eq!(world.json(&["status", "fixture"])["pid"].to_string(), one);
    let two = start("two");
    let (code, text) = fails(&mut world.autod(&["status", "fixture"]));
    assert_eq!(code, 1);
    let named: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    assert_eq!(named.len(), 2, "{text}");
    let mut pids: Vec<String> =
        named.iter().map(|path| world.json(&["status", path])["pid"].to_string()).collect();
    pids.sort();
    let mut expected = [one, two];
    expected.sort();
    assert_eq!(pids, expected);
}

#[test]
fn a_daemon_that_hangs_is_ended_only_on_demand() {
    let world = World::new();
    let pid = world.daemon();
    kill(pid, Signal::STOP);
    let (code, text) = fails(&mut world.autod(&["stop", "--timeout", "200", "fixture"]));
    assert_eq!(code, 6);
    assert!(text.contains("autod stop --kill fixture"), "{text}");
    assert!(world.processes().contains(&pid));
    let ended = world.json(&["stop", "--kill", "--timeout", "200", "fixture"]);
    assert_eq!(ended["ended"], "killed");
    eventually("it is gone", || !world.processes().contains(&pid));
    assert!(!world.join("fixture/sock").exists(), "what it left behind is gone too");
    assert_ne!(world.daemon(), pid);
}

#[test]
fn a_restart_hands_the_state_on_and_executes_nothing() {
    let world = World::new();
    assert_eq!(out(world.fixture(&["add", "2"]).env("FIX_SNAPSHOT", "1")), "2");
    let before = world.json(&["status", "fixture"]);
    let restarted = {
        let text = out(world.autod(&["restart", "fixture", "--json"]).env("FIX_SNAPSHOT", "1"));
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    assert_eq!(restarted["before"], before["pid"]);
    let after = world.json(&["status", "fixture"]);
    assert_eq!(after["pid"], restarted["pid"]);
    assert_ne!(after["life"], before["life"]);
    assert_eq!(
        after["methods"],
        serde_json::json!([]),
        "the command of the first caller was not run"
    );
    assert_eq!(out(&mut world.fixture(&["add", "0"])), "2");
    // From anywhere, at an explicit place that was named relatively.
    let mut there = world.fixture(&["add", "3"]);
    out(there.env("FIX_SOCK", "mine.sock").current_dir(world.join("")));
    let sock = world.join("mine.sock");
    let path = sock.to_str().unwrap();
    let before = world.json(&["status", path]);
    out(world.autod(&["restart", path]).current_dir("/"));
    let after = world.json(&["status", path]);
    assert_ne!(after["pid"], before["pid"]);
    assert_eq!(after["socket"], path);
}

#[test]
fn a_restart_that_fails_says_why_in_the_words_of_the_daemon() {
    let world = World::new();
    let pid = world.daemon();
    let mut restart = world.autod(&["restart", "fixture"]);
    let (code, text) = fails(restart.env("FIX_INIT", "fail"));
    assert_eq!(code, 1);
    assert!(text.contains("fixture") && text.contains("the index is damaged"), "{text}");
    assert!(!world.processes().contains(&pid), "the old one made way");
    // A program that does not come to its run any more.
    let world = World::new();
    world.daemon();
    let other = world.write("other", "#!/bin/sh\nexit 0\n");
    let mut chmod = world.command("chmod");
    out(chmod.args(["755", other.to_str().unwrap()]));
    let copy = world.copy_of_fixture();
    let sock = world.join("copy.sock");
    let mut start = world.command(&copy);
    out(start.arg("pid").env("FIX_SOCK", &sock));
    std::fs::rename(&other, &copy).unwrap();
    let path = sock.to_str().unwrap();
    let (code, text) = fails(&mut world.autod(&["restart", path]));
    assert_eq!(code, 1);
    assert!(text.contains("without restarting it"), "{text}");
    assert_eq!(world.json(&["status", path])["outdated"], true);
}
