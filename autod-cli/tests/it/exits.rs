//! The exit code of each command, and what is told to programs, as docs/command.md has them.

use std::process::Command;

use serde_json::Value;

use crate::up::echo;
use crate::world::{World, free_port, freeze};

/// The code of a command, the objects that it prints, and those on standard error.
#[track_caller]
fn told(command: &mut Command) -> (i32, Vec<Value>, Vec<Value>) {
    let output = command.output().expect("autod");
    let objects = |bytes: &[u8]| -> Vec<Value> {
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        let object = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{text}"));
        text.lines().map(object).collect()
    };
    (output.status.code().expect("a code"), objects(&output.stdout), objects(&output.stderr))
}

/// With `--json` whoever fails says so in one object, and a person reads the same.
#[track_caller]
fn fails_with(world: &World, words: &[&str], code: i32, says: &str) {
    let (found, printed, said) = told(world.autod(words).arg("--json"));
    assert_eq!(found, code, "{words:?} {printed:?} {said:?}");
    assert!(printed.iter().all(|line| line["ended"].is_null()), "{words:?} {printed:?}");
    let [said] = &said[..] else { panic!("{words:?}: one error, not {said:?}") };
    assert_eq!(said["error"]["code"], code, "{words:?} {said}");
    let text = said["error"]["text"].as_str().expect("a text");
    assert!(text.contains(says) && !text.starts_with("autod: "), "{words:?} {text}");
    let help = said["error"]["help"].as_str().unwrap_or_default();
    assert!(!help.is_empty() && !text.contains("help:"), "{words:?} {said}");
    let output = world.autod(words).output().expect("autod");
    assert_eq!(output.status.code(), Some(code), "{words:?}");
    let person = String::from_utf8(output.stderr).expect("text");
    assert!(person.contains(says), "{words:?} {person}");
    // Whoever writes no `--json` where there is none reads of another mistake.
    assert!(code == 2 || person.contains(help), "{words:?} {person}");
}

const ABOUT_ONE: [&[&str]; 7] = [
    &["status"],
    &["describe"],
    &["logs"],
    &["restart"],
    &["stop"],
    &["log-level", "info"],
    &["call", "pid"],
];

/// `autod COMMAND NAME ..`
fn about<'a>(words: &[&'a str], name: &'a str) -> Vec<&'a str> {
    [&words[..1], &[name], &words[1..]].concat()
}

#[test]
fn a_name_that_nobody_has_is_4() {
    let world = World::new();
    for words in ABOUT_ONE {
        fails_with(&world, &about(words, "nobody"), 4, "nobody");
    }
    fails_with(&world, &["start", "nobody"], 4, "nobody");
    // A file that is none of ours.
    let file = world.write("autod.toml", &echo("it", free_port(), ""));
    for words in ABOUT_ONE {
        fails_with(&world, &about(words, file.to_str().unwrap()), 4, "is no socket");
    }
    // A service of a supervisor, which cannot be asked that.
    let up = world.up(&file);
    for words in ABOUT_ONE.into_iter().filter(|words| !matches!(words[0], "status" | "stop")) {
        fails_with(&world, &about(words, "it"), 4, "it is no daemon, but a service of ");
    }
    up.end();
}

/// Who asks for what is not there makes nothing.
#[test]
fn asking_leaves_nothing_behind() {
    let world = World::new();
    let file = world.write("autod.toml", &echo("it", free_port(), ""));
    let file = file.to_str().unwrap();
    for words in [
        &["ps"][..],
        &["ps", "--all", "--reap"],
        &["ps", "-c", file],
        &["probe", "nobody"],
        &["start", "nobody"],
        &["status", file],
        &["doctor"],
    ] {
        world.autod(words).output().unwrap();
    }
    for words in ABOUT_ONE {
        world.autod(&about(words, "nobody")).output().unwrap();
    }
    let names: Vec<_> = std::fs::read_dir(world.join(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["autod.toml"]);
}

/// What cannot be printed is a failure that says whether the call was executed.
#[test]
fn an_answer_that_cannot_be_printed_is_1() {
    let world = World::new();
    world.daemon();
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap();
    for (words, says) in [
        (&["ps"][..], "cannot print"),
        (&["status", "fixture", "--json"], "cannot print"),
        (&["call", "fixture", "pid"], "the call was executed: cannot print"),
        (&["call", "fixture", "count", "[3]"], "cannot print"),
    ] {
        let output = world.autod(words).stdout(full()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(says), "{words:?} {said}");
        let mute = world.autod(words).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(mute.code(), Some(1), "{words:?}");
    }
}

#[test]
fn a_daemon_that_does_not_run_is_3() {
    let world = World::new();
    world.daemon();
    assert!(world.autod(&["stop", "fixture"]).status().unwrap().success());
    for words in ABOUT_ONE.into_iter().filter(|words| words[0] != "logs") {
        fails_with(&world, &about(words, "fixture"), 3, "does not run");
    }
    fails_with(&world, &["probe", "fixture"], 3, "nobody listens");
    let file = world.write("autod.toml", &echo("it", free_port(), ""));
    let file = file.to_str().unwrap();
    fails_with(&world, &["ps", "-c", file], 3, "no supervisor");
    fails_with(&world, &["start", "it", "-c", file], 3, "no supervisor");
    // Its log is there after it.
    let (code, lines, said) =
        told(world.autod(&["logs", "fixture", "--json"]).stdin(std::process::Stdio::null()));
    assert_eq!((code, said.len()), (0, 0));
    assert!(lines.iter().all(|line| line["line"].is_string()), "{lines:?}");
}

#[test]
fn a_daemon_that_does_not_answer_is_6() {
    let world = World::new();
    let pid = world.daemon();
    freeze(pid);
    for words in ABOUT_ONE.into_iter().filter(|words| words[0] != "logs") {
        let words = [&about(words, "fixture")[..], &["--timeout", "200"]].concat();
        fails_with(&world, &words, 6, "fixture");
    }
    fails_with(
        &world,
        &["probe", "fixture", "--timeout", "200"],
        6,
        "the fixture daemon has not answered",
    );
}

#[test]
fn wrong_usage_is_2() {
    let world = World::new();
    for words in [
        &["ps", "--nonsense"][..],
        &["top", "--interval", "1"],
        &["status"],
        &["start"],
        &["describe"],
        &["call", "fixture"],
        &["logs", "fixture", "-n", "many"],
        &["log-level", "fixture"],
        &["stop"],
        &["restart"],
        &["probe"],
        &["doctor", "who"],
        &["up", "--nonsense"],
        &["completions", "csh"],
        &["nonsense"],
        &["ps", "--reap", "-c", "autod.toml"],
        &["status", ""],
        &["stop", ""],
    ] {
        fails_with(&world, words, 2, "");
    }
    world.daemon();
    fails_with(&world, &["call", "fixture", "add", "m=1"], 2, "no argument m");
    // A help is none.
    let output = world.autod(&["ps", "--json", "--help"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn what_fails_in_another_way_has_its_own_code() {
    let world = World::new();
    world.daemon();
    fails_with(&world, &["call", "fixture", "panic", "text=oh"], 7, "oh");
    fails_with(&world, &["log-level", "fixture", "x=loud"], 1, "level filter");
    let file = world.write("wrong.toml", "[service.a]\ncmd = 1\n");
    fails_with(&world, &["up", "--check", "-c", file.to_str().unwrap()], 1, "wrong.toml:2:7:");
    let file = world.write("autod.toml", &echo("it", free_port(), ""));
    let up = world.up(&file);
    fails_with(&world, &["up", "-c", file.to_str().unwrap()], 5, "supervisor already");
    up.end();
}

/// Each answer is an object, a list one in each line, and the names of fields are the same everywhere.
#[test]
fn what_is_well_is_told_in_one_form() {
    let world = World::new();
    let pid = world.daemon();
    let file = world.write("autod.toml", &echo("it", free_port(), ""));
    let up = world.up(&file);
    let well = |words: &[&str]| {
        let (code, printed, said) = told(world.autod(words).arg("--json"));
        assert!(code == 0 && said.is_empty(), "{words:?} {code} {said:?}");
        printed
    };
    let one = |words: &[&str]| {
        let printed = well(words);
        let [object] = &printed[..] else { panic!("{words:?} {printed:?}") };
        object.clone()
    };
    let rows = well(&["ps"]);
    for row in &rows {
        let kind = row["kind"].as_str().expect("a kind");
        assert!(matches!(kind, "daemon" | "service" | "supervisor"), "{row}");
        assert!(row["name"].is_string() && row["state"].is_string(), "{row}");
        assert!(!row.as_object().unwrap().values().any(Value::is_null), "{row}");
    }
    let supervisor = rows.iter().find(|row| row["kind"] == "supervisor").expect("the supervisor");
    let path = file.canonicalize().unwrap();
    assert_eq!(
        (&supervisor["name"], &supervisor["file"]),
        (&supervisor["file"], &path.to_str().into())
    );
    assert_eq!(one(&["status", path.to_str().unwrap()])["pid"], supervisor["status"]["pid"]);
    let service = rows.iter().find(|row| row["kind"] == "service").expect("the service");
    assert_eq!((&service["name"], &service["state"]), (&"it".into(), &"stopped".into()));
    assert!(service["state_ms"].is_u64() && service["supervisor"].is_u64(), "{service}");

    assert_eq!(one(&["start", "it"]), serde_json::json!({"name": "it", "started": true}));
    let service = one(&["status", "it"]);
    assert_eq!((&service["kind"], &service["state"]), (&"service".into(), &"running".into()));
    assert_eq!(one(&["status", "fixture"])["pid"], pid);
    assert_eq!(one(&["describe", "fixture"])["service"], "Probe");
    assert_eq!(one(&["call", "fixture", "pid"]), serde_json::json!({"ok": pid}));
    assert_eq!(one(&["probe", "fixture"]), serde_json::json!({"state": "ready"}));
    let again = one(&["restart", "fixture"]);
    assert_eq!((&again["name"], &again["before"]), (&"fixture".into(), &pid.into()));
    assert!(again["pid"].is_u64() && again["version"].is_string(), "{again}");
    let ended = well(&["stop", "fixture", "it"]);
    assert_eq!(ended[0], serde_json::json!({"name": "fixture", "ended": "by itself"}));
    assert_eq!(ended[1], serde_json::json!({"name": "it", "ended": "by its supervisor"}));
    up.end();

    let (code, findings, said) = told(world.autod(&["doctor", "--json"]).env_remove("USER"));
    assert!(matches!(code, 0 | 1) && said.is_empty(), "{code} {said:?}");
    assert!(findings.iter().all(|finding| finding["check"].is_string()), "{findings:?}");
}

/// One of several that fails is told in its own line, and in the error.
#[test]
fn one_of_several_that_fails_is_told_beside_the_others() {
    let world = World::new();
    world.daemon();
    let (code, printed, said) = told(&mut world.autod(&["stop", "nobody", "fixture", "--json"]));
    assert_eq!((code, printed.len(), said.len()), (4, 2, 1), "{printed:?} {said:?}");
    assert_eq!((&printed[0]["name"], &printed[0]["error"]["code"]), (&"nobody".into(), &4.into()));
    assert_eq!(printed[1], serde_json::json!({"name": "fixture", "ended": "by itself"}));
    assert_eq!(said[0]["error"]["code"], 4);
}
