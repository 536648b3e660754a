//! `autod doctor` in environments that are well and that are not.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use crate::canned::Canned;
use crate::world::{World, eventually, freeze, has, kill, out};

/// The findings of this check that name the test's own directory, and all others of the machine.
fn findings(world: &World, set: &[(&str, Option<&Path>)]) -> Vec<Value> {
    let mut command = world.autod(&["doctor", "--json", "--timeout", "300"]);
    for (name, value) in set {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    findings_of(&mut command)
}

#[track_caller]
fn findings_of(command: &mut Command) -> Vec<Value> {
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
    // Nobody makes a directory here; daemons go on to the next, as this does.
    let all = findings(&world, &[("XDG_RUNTIME_DIR", Some(Path::new("/proc/self")))]);
    let full = finding(&all, "runtime-directory", "cannot make a directory in /proc/self");
    assert_eq!(full["grade"], "error");
    let next = finding(&all, "runtime-directory", "daemons have theirs in ");
    assert!(!next["text"].as_str().unwrap().ends_with("/proc/self"), "{next}");
    let all = findings(&world, &[("XDG_RUNTIME_DIR", None)]);
    finding(&all, "runtime-directory", "is not set");
}

#[test]
fn daemons_that_need_help_are_named_with_it() {
    let world = World::new();
    let pid = world.daemon();
    freeze(pid);
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
    let opened = finding(&findings(&world, &[]), "daemon", "fixture daemon cannot be asked");
    let mend = format!("chmod 700 {}", place.display());
    assert!(opened["mend"].as_str().unwrap().contains(&mend), "{opened}");
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

#[test]
fn low_limits_of_the_shell_are_found() {
    let world = World::new();
    let line = format!(
        "ulimit -n 100; ulimit -t 1000; exec '{}' doctor --json",
        env!("CARGO_BIN_EXE_autod")
    );
    let all = findings_of(world.command("sh").args(["-c", &line]));
    let files = finding(&all, "open-files", "may have 100 files open");
    assert!(files["mend"].as_str().unwrap().contains("ulimit -Hn"), "{files}");
    let cpu = finding(&all, "cpu-time", "after 1000 s of CPU time");
    assert!(cpu["mend"].as_str().unwrap().contains("ulimit -t unlimited"), "{cpu}");
}

/// A filter of system calls as containers and sandboxes have it: sockets cannot be made.
#[test]
fn a_sandbox_without_local_sockets_is_found() {
    if !has("python3") {
        return;
    }
    let filter = include_str!("../../../tests/it/sandbox.py");
    let denied = rustix::io::Errno::PERM.raw_os_error().to_string();
    let world = World::new();
    let autod = env!("CARGO_BIN_EXE_autod");
    let mut command = world.command("python3");
    let all = findings_of(command.args(["-c", filter, "bind", &denied, autod, "doctor", "--json"]));
    let sockets = finding(&all, "sockets", "cannot use a local socket");
    assert_eq!(sockets["grade"], "error");
    assert!(sockets["mend"].as_str().unwrap().contains("allow AF_UNIX"), "{sockets}");
    assert!(all.iter().any(|finding| finding["check"] == "sandbox" && finding["grade"] == "note"));
}

/// Daemons reach each other there, and so does the doctor.
#[test]
fn a_path_that_is_too_long_for_an_address_is_warned_of() {
    let world = World::new();
    let long = world.join("x".repeat(120));
    out(world.command("mkdir").args(["-m", "700", long.to_str().unwrap()]));
    let all = findings(&world, &[("XDG_RUNTIME_DIR", Some(&long))]);
    let path = finding(&all, "socket-path", "bytes of an address");
    assert_eq!(
        (&path["grade"], &path["mend"]),
        (&"warning".into(), &"set XDG_RUNTIME_DIR to a shorter path".into())
    );
    assert_eq!(finding(&all, "sockets", "can be made and reached")["grade"], "ok");
    assert!(out(world.fixture(&["pid"]).env("XDG_RUNTIME_DIR", &long)).parse::<i32>().is_ok());
}

/// Locks that nobody holds stay in the way of nobody.
#[test]
fn a_stale_lock_is_no_finding() {
    let world = World::new();
    world.daemon();
    out(&mut world.autod(&["stop", "fixture"]));
    assert!(world.join("fixture/life.lock").exists() && world.join("fixture/spawn.lock").exists());
    let all = findings(&world, &[]);
    let about = all.iter().find(|finding| finding["text"].as_str().unwrap().contains("fixture"));
    assert!(about.is_none(), "{about:?}");
}

#[test]
fn a_daemon_of_another_autod_is_a_note() {
    let world = World::new();
    let daemon =
        Canned::new(&world, "older", serde_json::json!({"autod": "0.0.9", "state": "ready"}));
    let note = finding(&findings(&world, &[]), "version-skew", "older is made with autod 0.0.9");
    assert_eq!(note["grade"], "note");
    drop(daemon);
}
