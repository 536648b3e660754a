//! The log of a daemon that writes much.

use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use crate::home::{Home, eventually};

/// The size past which a log is rotated.
const LIMIT: u64 = 16 << 20;

#[test]
fn a_log_that_grows_is_rotated_under_the_daemon_and_its_followers() {
    let home = Home::new();
    let daemon = home.daemon();
    let mut follower = home.fixture(["wait-and-add"]).env("FIX_DEBUG", "true");
    let copied = home.join("copied");
    let stderr = std::fs::File::create(&copied).unwrap();
    follower.command.stdin(Stdio::piped()).stderr(stderr);
    let mut follower = follower.spawn();
    assert_eq!(follower.line(), "connected");
    home.fixture(["say", "before"]).out();

    let (log, previous) = (home.place().join("log"), home.place().join("log.prev"));
    let length = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |file| file.len());
    for round in 0..3 {
        // Twice 9 MiB: what is said goes to standard output and to standard error.
        home.fixture(["say-much", "9"]).out();
        assert!(length(&log) > LIMIT, "round {round}");
        // Any change of its files makes the daemon look, as the half minute does.
        let lock = home.place().join("spawn.lock");
        std::fs::set_permissions(lock, std::fs::Permissions::from_mode(0o600)).unwrap();
        eventually("the log is rotated", || length(&log) < LIMIT);
        assert!(length(&previous) > LIMIT, "round {round}");
    }
    home.fixture(["say", "after"]).out();
    assert_eq!(length(&log), "after to stdout\nafter to stderr\n".len() as u64);
    let names = std::fs::read_dir(home.place()).unwrap().flatten().map(|entry| entry.file_name());
    let logs = names.filter(|name| name.to_string_lossy().starts_with("log")).count();
    assert_eq!(logs, 2, "the log and the one before");
    assert_eq!(home.daemon(), daemon);

    follower.release();
    follower.done().good();
    let text = std::fs::read_to_string(copied).unwrap();
    for said in ["before", "after"] {
        for stream in ["stdout", "stderr"] {
            let line = format!("{said} to {stream}");
            assert_eq!(text.matches(&line).count(), 1, "{line}");
        }
    }
}
