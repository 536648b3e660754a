//! What counts as a user of the daemon, from the moment it is accepted.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::home::{Home, PATIENCE, Run, eventually, kill, wait_until_gone};

#[test]
fn a_connection_counts_before_it_says_anything_and_is_closed_when_it_says_nothing() {
    let home = Home::new();
    let run = home.fixture(["pid"]).env("FIX_AUTOCLOSE", "200").env("FIX_HANDSHAKE", "1000");
    let daemon: u32 = run.out().parse().unwrap();
    let began = Instant::now();
    let mut silent = UnixStream::connect(home.place().join("sock")).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0]).unwrap(), 0, "it is hung up on");
    assert!(began.elapsed() >= Duration::from_secs(1), "it had its time");
    wait_until_gone(daemon);
    assert!(began.elapsed() >= Duration::from_millis(1200), "the linger began after it");
}

/// `ulimit -n` for the daemon: both limits, because it raises its own to the hard one.
fn with_descriptors(home: &Home, count: usize, words: &[&str]) -> Run {
    let script = format!("ulimit -n {count} && exec \"$0\" \"$@\"");
    let run = home.run("/bin/bash").args(["-c", &script]);
    run.args([crate::home::example("fixture")]).args(words)
}

#[test]
fn a_daemon_without_descriptors_serves_again_when_it_has_some() {
    let home = Home::new();
    let daemon: u32 = with_descriptors(&home, 40, &["pid"]).out().parse().unwrap();
    let sock = home.place().join("sock");
    let greedy: Vec<_> = (0..60).map(|_| UnixStream::connect(&sock).unwrap()).collect();
    let open = || std::fs::read_dir(format!("/proc/{daemon}/fd")).map_or(0, Iterator::count);
    eventually("it has none left", || open() >= 40);
    let caller = home.fixture(["pid"]).spawn();
    drop(greedy);
    assert_eq!(caller.done().good().stdout, daemon.to_string());
    assert_eq!(home.processes(), [daemon], "nobody took it for dead");
}

#[test]
fn a_caller_without_descriptors_says_so_and_starts_nothing_beside_the_daemon() {
    let home = Home::new();
    let daemon = home.daemon();
    for count in 4..12 {
        let done = with_descriptors(&home, count, &["pid"]).done();
        if !done.status.success() {
            assert!(!done.stderr.contains("note: spawned"), "{count}: {done:?}");
        }
        assert_eq!(home.processes(), [daemon], "{count}: {done:?}");
    }
    let said = with_descriptors(&home, 5, &["pid"]).done().failed(1);
    assert!(said.contains("Too many open files"), "{said}");
}

/// The open files and sockets of a process.
fn links(pid: u32) -> Vec<PathBuf> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    links.filter_map(|link| std::fs::read_link(link.path()).ok()).collect()
}

#[test]
fn threads_that_start_processes_meanwhile_keep_nothing_of_a_daemon() {
    let home = Home::new();
    let mut before = 0;
    for round in 0..5 {
        let daemon: u32 = home.fixture(["among-forks", "64"]).out().parse().unwrap();
        assert_ne!(daemon, before, "round {round}");
        let its_own: Vec<_> =
            links(daemon).into_iter().filter(|link| link != Path::new("/dev/null")).collect();
        assert!(its_own.iter().any(|link| link.ends_with("life.lock")), "{its_own:?}");
        let children: Vec<_> =
            home.processes().into_iter().filter(|child| *child != daemon).collect();
        assert!(children.len() >= 192, "they are there: {}", children.len());
        for link in children.into_iter().flat_map(links) {
            assert!(!its_own.contains(&link), "round {round}: a child has {link:?}");
            assert!(!link.starts_with(home.place()), "round {round}: a child has {link:?}");
        }
        kill(daemon, Signal::KILL);
        wait_until_gone(daemon);
        before = daemon;
    }
    assert_ne!(home.daemon(), before);
}
