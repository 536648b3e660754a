//! `autod doctor` in environments that are well and that are not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::world::{World, eventually, kill, out};

/// The findings of this check that name the test's own directory, and all others of the machine.
fn findings(world: &World, set: &[(&str, Option<&Path>)]) -> Vec<Value> {
    let mut command = world.autod(&["doctor", "--json", "--timeout", "300"]);
    for (name, value) in set {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[track_caller]
fn finding(findings: &[Value], check: &str, words: &str) -> Value {
    let found = findings.iter().find(|finding| {
        finding["check"] == check && finding["text"].as_str().unwrap().contains(words)
    });
    let found = found.unwrap_or_else(|| panic!("no {check} with {words:?} in {findings:#?}"));
    let is_bad = found["grade"] == "warning" || found["grade"] == "error";
    assert_eq!(is_bad, found["mend"].is_string(), "each has its mend: {found}");
    found.clone()
}

#[test]
fn a_good_place_is_well_and_nothing_is_left_in_it() {
    let world = World::new();
    let all = findings(&world, &[]);
    let home = world.join("");
    for (check, words) in [
        ("runtime-directory", home.to_str().unwrap().trim_end_matches('/')),
        ("locks", "hold"),
        ("sockets", "reached"),
        ("file-system", "is on"),
    ] {
        assert_eq!(finding(&all, check, words)["grade"], "ok");
    }
    assert_eq!(std::fs::read_dir(home).unwrap().count(), 0);
    let text = world.autod(&["doctor"]).output().unwrap().stdout;
    assert!(String::from_utf8(text).unwrap().contains("ok      locks: file locks hold"));
}

#[test]
fn a_runtime_directory_that_cannot_be_used_is_found() {
    let world = World::new();
    let open = world.join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    for (path, words) in [
        (open.as_path(), "is open to others (mode 0777)"),
        (Path::new("/nonexistent/autod"), "does not exist"),
        (Path::new("relative"), "is not an absolute path"),
        (Path::new("/dev/null"), "is a device"),
    ] {
        let all = findings(&world, &[("XDG_RUNTIME_DIR", Some(path))]);
        assert_eq!(finding(&all, "runtime-directory", words)["grade"], "warning");
    }
    let all = findings(&world, &[("XDG_RUNTIME_DIR", None)]);
    finding(&all, "runtime-directory", "is not set");
}

#[test]
fn daemons_that_need_help_are_named_with_it() {
    let world = World::new();
    let pid = world.daemon();
    kill(pid, Signal::STOP);
    let hung = finding(&findings(&world, &[]), "daemon", &format!("fixture (pid {pid}) does not"));
    assert!(hung["mend"].as_str().unwrap().contains("autod stop --kill fixture"));
    kill(pid, Signal::KILL);
    eventually("it is dead", || world.row(&[], "fixture").unwrap()["state"] == "dead");
    let dead =
        finding(&findings(&world, &[]), "daemon", &format!("fixture (pid {pid}) was killed"));
    assert!(dead["mend"].as_str().unwrap().contains("--reap"));
    // Its directory, opened to others.
    let place = world.join("fixture");
    std::fs::set_permissions(&place, std::fs::Permissions::from_mode(0o755)).unwrap();
    finding(&findings(&world, &[]), "daemon", &format!("chmod 700 {}", place.display()));
}

#[test]
fn whoever_holds_a_lock_is_named() {
    let world = World::new();
    let place = world.join("fixture");
    out(world.command("mkdir").args(["-m", "700", place.to_str().unwrap()]));
    for name in ["spawn.lock", "life.lock"] {
        std::fs::write(place.join(name), "").unwrap();
        let path = place.join(name);
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let lock = std::fs::File::options().write(true).open(place.join("spawn.lock")).unwrap();
    lock.lock().unwrap();
    let record = format!("{{\"pid\":{},\"phase\":\"dawdling\",\"time\":0}}", std::process::id());
    std::fs::write(place.join("spawn.lock"), record).unwrap();
    let holder = finding(&findings(&world, &[]), "lock-holder", "dawdling");
    let text = holder["text"].as_str().unwrap();
    assert!(text.contains(&std::process::id().to_string()), "{text}");
    assert_eq!(world.row(&[], "fixture").unwrap()["state"], "starting");
}

#[test]
fn a_daemon_of_an_older_build_is_found() {
    let world = World::new();
    let copy = world.copy_of_fixture();
    let sock = world.join("copy.sock");
    out(world.command(&copy).arg("pid").env("FIX_SOCK", &sock));
    std::fs::rename(world.write("next", "another build"), &copy).unwrap();
    let skew = finding(&findings(&world, &[]), "version-skew", sock.to_str().unwrap());
    assert!(skew["mend"].as_str().unwrap().starts_with("autod restart "), "{skew}");
}
