//! A system that says no: what a sandbox forbids, or a file system cannot do, is told by its name and
//! leaves nothing behind.

use crate::home::{Home, Run, example, has};

/// Executes a program for which a system call fails with an error number, by a seccomp filter.
const FILTER: &str = include_str!("sandbox.py");

/// The fixture's `add 1`, to which this call fails.
fn forbidden(home: &Home, call: &str, error: rustix::io::Errno) -> Run {
    let error = error.raw_os_error().to_string();
    let run = home.run("python3").args(["-c", FILTER, call, &error]);
    run.args([example("fixture")]).args(["add", "1"])
}

/// The home is as if nobody had called, and works.
#[track_caller]
fn check_nothing_is_left(home: &Home) {
    assert!(home.processes().is_empty());
    let names = std::fs::read_dir(home.place()).unwrap().flatten().map(|entry| entry.file_name());
    let sockets: Vec<_> = names
        .filter(|name| name.to_string_lossy().trim_start_matches('.').starts_with("sock"))
        .collect();
    assert!(sockets.is_empty(), "{sockets:?}");
    assert_eq!(home.fixture(["add", "1"]).out(), "1");
}

fn errors() -> [rustix::io::Errno; 3] {
    [rustix::io::Errno::PERM, rustix::io::Errno::OPNOTSUPP, rustix::io::Errno::IO]
}

#[test]
fn a_file_system_without_sockets_is_told_with_the_mend() {
    if !has("python3") {
        return;
    }
    for error in errors() {
        let home = Home::new();
        let said = forbidden(&home, "bind", error).done().failed(1);
        let sock = home.place().join("sock");
        assert!(said.contains(&format!("cannot make the socket {}: ", sock.display())), "{said}");
        assert!(said.ends_with("\nhelp: name a place on a local file system"), "{said}");
        assert!(said.contains(&format!("(os error {})", error.raw_os_error())), "{said}");
        check_nothing_is_left(&home);
    }
}

#[test]
fn a_sandbox_that_forbids_sockets_is_told_and_nothing_is_started() {
    if !has("python3") {
        return;
    }
    for call in ["socket", "connect"] {
        let home = Home::new();
        let said = forbidden(&home, call, rustix::io::Errno::PERM).done().failed(1);
        assert!(said.contains("whether a sandbox forbids local sockets"), "{call}: {said}");
        assert!(said.contains("Operation not permitted"), "{call}: {said}");
        assert!(!said.contains("note: spawned"), "{call}: {said}");
        check_nothing_is_left(&home);
        // A daemon that runs is not taken for a dead one.
        let daemon = home.daemon();
        forbidden(&home, call, rustix::io::Errno::PERM).done().failed(1);
        assert_eq!(home.processes(), [daemon], "{call}");
        assert_eq!(home.fixture(["add", "1"]).out(), "2", "{call}");
    }
}

#[test]
fn a_sandbox_that_forbids_a_session_is_told_and_leaves_nothing() {
    if !has("python3") {
        return;
    }
    let home = Home::new();
    let said = forbidden(&home, "setsid", rustix::io::Errno::PERM).done().failed(1);
    assert!(said.contains("fixture daemon failed to start"), "{said}");
    assert!(said.contains("Operation not permitted"), "{said}");
    check_nothing_is_left(&home);
}
