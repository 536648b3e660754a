//! A daemon's files are removed or replaced while it runs.

use std::path::Path;

use crate::home::{Home, eventually, wait_until_gone};

#[test]
fn a_removed_door_is_made_anew_and_the_state_is_kept() {
    let home = Home::new();
    assert_eq!(home.fixture(["add", "5"]).out(), "5");
    let daemon = home.daemon();
    let sock = home.place().join("sock");
    for _ in 0..5 {
        std::fs::remove_file(&sock).unwrap();
        assert_eq!(home.daemon(), daemon, "the next call finds the same daemon");
        assert!(sock.exists());
    }
    assert_eq!(home.fixture(["add", "1"]).out(), "6");
}

#[test]
fn who_waits_behind_a_removed_door_is_served() {
    let home = Home::new();
    let daemon = home.daemon();
    let mut user = home.fixture(["linger", "500"]).spawn();
    assert_eq!(user.line(), "connected");
    std::fs::remove_file(home.place().join("sock")).unwrap();
    eventually("there is a new door", || home.place().join("sock").exists());
    assert_eq!(user.done().good().stdout, "1");
    assert_eq!(home.daemon(), daemon);
}

#[test]
fn a_daemon_whose_directory_is_gone_ends() {
    let home = Home::new();
    let daemon = home.daemon();
    std::fs::remove_dir_all(home.place()).unwrap();
    wait_until_gone(daemon);
    assert!(!home.place().exists(), "it makes nothing");
    assert_ne!(home.daemon(), daemon);
}

#[test]
fn a_caller_whose_directory_is_removed_looks_again() {
    let home = Home::new();
    home.fixture(["close"]).out();
    eventually("it is gone", || home.processes().is_empty());
    let place = home.place();
    let lock = std::fs::File::open(place.join("spawn.lock")).unwrap();
    lock.lock().unwrap();
    let caller = home.fixture(["add", "1"]).spawn();
    let descriptors = format!("/proc/{}/fd", caller.pid());
    eventually("the caller is there", || {
        let links = std::fs::read_dir(&descriptors).into_iter().flatten().flatten();
        links.filter_map(|link| std::fs::read_link(link.path()).ok()).any(|link| link == place)
    });
    // At once, so that the caller makes nothing in a directory that is about to be removed.
    std::fs::rename(&place, home.join("aside")).unwrap();
    drop(lock);
    assert_eq!(caller.done().good().stdout, "1");
}

#[test]
fn a_daemon_whose_locks_are_replaced_ends_and_touches_nothing() {
    for lock in ["life.lock", "spawn.lock"] {
        let home = Home::new();
        let daemon = home.daemon();
        let path = home.place().join(lock);
        std::fs::remove_file(&path).unwrap();
        wait_until_gone(daemon);
        let successor = home.daemon();
        assert_ne!(successor, daemon);
        assert_eq!(home.processes(), [successor]);
    }
}

#[test]
fn a_successor_in_a_new_directory_is_not_disturbed() {
    let home = Home::new();
    let old = home.daemon();
    let aside = home.join("aside");
    std::fs::rename(home.place(), &aside).unwrap();
    let new = home.daemon();
    assert_ne!(new, old);
    wait_until_gone(old);
    assert_eq!(home.daemon(), new, "the old one left the new one's files alone");
}

#[test]
fn a_stolen_door_ends_the_daemon_and_is_not_stolen_back() {
    let home = Home::new();
    let sock = home.place().join("sock");
    let daemon = home.daemon();
    let thief = home.join("thief");
    let listener = std::os::unix::net::UnixListener::bind(&thief).unwrap();
    std::fs::rename(&thief, &sock).unwrap();
    // The thief answers like nothing that we know.
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut greeting = b"AUTOD\x01\x02\x00".to_vec();
            greeting.extend(accept_fields());
            let _ = std::io::Write::write_all(&mut stream, &greeting);
        }
    });
    wait_until_gone(daemon);
    assert!(Path::new(&sock).exists(), "it left what is not its own");
}

/// How often the threads of a process have been woken.
fn wakes(pid: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let status = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
    status
        .flat_map(|status| status.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.contains("ctxt_switches"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum()
}

#[test]
fn an_idle_daemon_does_nothing() {
    let home = Home::new();
    let daemon = home.daemon();
    // It may have to end what it did before, and it looks at its files twice a minute.
    eventually("it does nothing for a second", || {
        let before = wakes(daemon);
        std::thread::sleep(std::time::Duration::from_secs(1));
        wakes(daemon) == before
    });
}

/// An Accept of another life.
fn accept_fields() -> Vec<u8> {
    let fields: [(u8, &[u8]); 5] = [
        (2, b"Probe"),
        (3, &[0; 8]),
        (6, &[0, 0, 0x10, 0, 16, 0, 0, 0, 0, 0, 1, 0]),
        (12, &[7; 8]),
        (13, &[1, 0, 0, 0]),
    ];
    let mut body = Vec::new();
    for (tag, value) in fields {
        body.push(tag);
        body.extend(u32::try_from(value.len()).unwrap().to_le_bytes());
        body.extend(value);
    }
    let mut bytes = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend(body);
    bytes
}
