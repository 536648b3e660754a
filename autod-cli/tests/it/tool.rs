//! The subcommand that a tool gets by `autod::cli`.

use rustix::process::Signal;

use crate::world::{World, eventually, example, fails, kill, out};

#[test]
fn a_tool_looks_after_its_daemon() {
    let world = World::new();
    let tool = |words: &[&str]| {
        let mut command = world.command(example("tool"));
        command.args(words);
        command
    };
    let status = || {
        let text = out(&mut tool(&["daemon", "status", "--json"]));
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    let (code, text) = fails(&mut tool(&["daemon", "status"]));
    assert!(code == 3 && text.contains("does not run"), "{code} {text}");
    let (code, text) = fails(&mut tool(&["daemon", "stop", "--json"]));
    let error: serde_json::Value = serde_json::from_str(&text).expect("an object");
    assert!(code == 3 && error["error"]["code"] == 3, "{code} {text}");
    assert_eq!(fails(&mut tool(&["daemon", "stop"])).0, 3);
    assert_eq!(fails(&mut tool(&["daemon"])).0, 2);

    assert_eq!(out(&mut tool(&["add", "2"])), "2");
    let first = status();
    assert_eq!(first["name"], "autod-tool");
    // What `autod` prints, but for what passes meanwhile.
    let facts = |text: String| {
        let moves = |line: &&str| {
            !line.starts_with("state") && !line.starts_with("memory") && !line.starts_with("goes")
        };
        text.lines().filter(moves).map(str::to_owned).collect::<Vec<_>>()
    };
    let ours = facts(out(&mut tool(&["daemon", "status"])));
    assert_eq!(ours, facts(out(&mut world.autod(&["status", "autod-tool"]))));
    assert!(ours.iter().any(|line| line.starts_with("daemon")), "{ours:?}");

    assert_eq!(out(&mut tool(&["daemon", "restart"])), "");
    let second = status();
    assert_ne!(first["pid"], second["pid"]);
    assert_eq!(out(&mut tool(&["add", "3"])), "3", "another daemon counts anew");
    let log = out(&mut tool(&["daemon", "logs", "-n", "5"]));
    assert_eq!(log, out(&mut world.autod(&["logs", "autod-tool", "-n", "5"])));
    assert_eq!(out(&mut tool(&["daemon", "stop"])), "");
    assert_eq!(fails(&mut tool(&["daemon", "status"])).0, 3);

    // It starts by `restart` too, whose words its own process does not obey again.
    assert_eq!(out(&mut tool(&["daemon", "restart"])), "");
    assert_eq!(out(&mut tool(&["add", "1"])), "1");
    let json = |words: &[&str]| -> serde_json::Value {
        serde_json::from_str(&out(&mut tool(words))).expect("an object")
    };
    let before = status()["pid"].clone();
    let again = json(&["daemon", "restart", "--json"]);
    assert_eq!((&again["name"], &again["before"]), (&"autod-tool".into(), &before), "{again}");
    assert_eq!(again["pid"], status()["pid"]);
    let ended = json(&["daemon", "stop", "--json"]);
    assert_eq!(ended, serde_json::json!({"name": "autod-tool", "ended": "by itself"}));
    assert!(json(&["daemon", "restart", "--json"]).get("before").is_none(), "none ran");
    assert_eq!(out(&mut tool(&["daemon", "stop", "--kill"])), "");
}

#[test]
fn a_tools_daemon_runs_in_the_foreground() {
    let world = World::new();
    let mut foreground = world.command(example("tool"));
    let mut foreground = foreground.args(["daemon", "foreground"]).spawn().expect("the tool");
    eventually("it serves", || {
        let status = world.command(example("tool")).args(["daemon", "status"]).output();
        status.expect("the tool").status.success()
    });
    assert_eq!(out(world.command(example("tool")).args(["add", "4"])), "4");
    kill(foreground.id().cast_signed(), Signal::TERM);
    foreground.wait().expect("its end");
}
