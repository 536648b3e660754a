//! A daemon in a scope of the user's service manager. There need not be one: a script in its place
//! says with what it was called.

use std::os::unix::fs::PermissionsExt;

use crate::home::{Home, Run, example};

/// A home with a manager's socket, and a `systemd-run` that does what the real one does in the end.
fn with_manager(home: &Home) -> impl Fn(&[&str]) -> Run {
    let bin = home.join("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = home.join("script");
    let text = "#!/bin/sh\n\
        echo \"$*\" > \"$FIX_SCOPED\"\n\
        while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"\n";
    std::fs::write(&script, text).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    home.executable(&script, "bin/systemd-run");
    std::fs::create_dir(home.join("systemd")).unwrap();
    std::fs::write(home.join("systemd/private"), "").unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let scoped = home.join("scoped");
    move |words: &[&str]| {
        let run = home.fixture(words).env("PATH", &path).env("FIX_SCOPED", &scoped);
        run.env("FIX_SCOPE", "true")
    }
}

#[test]
fn a_daemon_starts_in_a_scope_and_is_the_process_that_was_spawned() {
    let home = Home::new();
    let run = with_manager(&home);
    let done = run(&["pid"]).done().good();
    let pid = done.stdout;
    assert!(done.stderr.contains(&format!("note: spawned {pid}")), "{}", done.stderr);
    let called = std::fs::read_to_string(home.join("scoped")).unwrap();
    let program = example("fixture");
    let expected = format!("--user --scope --quiet --collect -- {} pid\n", program.display());
    assert_eq!(called, expected);
    // The door, the lock and the settings came through; nothing else did.
    assert_eq!(run(&["pid"]).out(), pid);
    let descriptors = run(&["descriptors"]).out();
    assert!(!descriptors.contains("pipe:["), "{descriptors}");
    assert_eq!(run(&["env", "AUTOD_STATUS_FD"]).out(), "None");
    assert_eq!(run(&["stop"]).out(), "true");
}

#[test]
fn without_a_manager_a_daemon_starts_as_usual_and_notes_why() {
    let home = Home::new();
    let run = |words: [&str; 1]| home.fixture(words).env("FIX_SCOPE", "true");
    run(["pid"]).out();
    let log = std::fs::read_to_string(home.place().join("log")).unwrap();
    let note = "autod: the daemon is in no scope of its own: no service manager listens on";
    assert!(log.contains(note), "{log}");
}

#[test]
fn the_environment_that_was_configured_decides_whether_there_is_a_manager() {
    let home = Home::new();
    let run = with_manager(&home);
    run(&["pid"]).env("FIX_CLEAR", "1").out();
    let log = std::fs::read_to_string(home.place().join("log")).unwrap();
    assert!(log.contains("XDG_RUNTIME_DIR is not set"), "{log}");
}
