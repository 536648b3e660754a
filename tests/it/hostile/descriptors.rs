//! Peers that take every descriptor the daemon may have.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use super::peer::{REPLY, hello, open, read_greeting};
use super::{Ground, Peer};
use crate::home::{eventually, kill};

/// The descriptors that are left to the daemon for callers.
const ROOM: usize = 40;

/// Those who come when there is none left.
const LATE: usize = 10;

const ACCEPT: u8 = 2;

/// How long the daemon is watched while it cannot accept.
const WATCHED: Duration = Duration::from_secs(2);

/// What a daemon that looks ten times a second may spend meanwhile. One that does not sleep takes
/// all that it gets of a processor.
const SPENT: Duration = Duration::from_millis(100);

/// How often its threads may fall asleep meanwhile: a pause and what it wakes, generously.
const SLEEPS: u64 = 200;

/// A daemon without a descriptor, and its callers.
struct Exhausted {
    ground: Ground,
    served: Vec<Peer>,
    /// They wait in the queue of its socket, and have said hello.
    late: Vec<UnixStream>,
    /// They found a place that the daemon had needed for its start only.
    lucky: Vec<UnixStream>,
}

impl Exhausted {
    fn new() -> Self {
        let ground = Ground::new();
        let highest = ground.descriptor_names().max().expect("it has some");
        let limit = highest + 1 + ROOM as u64;
        let own = Pid::from_raw(i32::try_from(ground.pid).unwrap());
        let limit = Rlimit { current: Some(limit), maximum: Some(limit) };
        prlimit(own, Resource::Nofile, limit).expect("it is ours");
        // Holes below the highest are places too.
        let places = usize::try_from(highest).unwrap() + 1 + ROOM - ground.descriptors();
        let served = (0..places).map(|_| ground.peer()).collect();
        let late = (0..LATE).map(|_| {
            let mut stream = open(&ground.sock());
            stream.write_all(&hello(0, &ground.fingerprint)).unwrap();
            stream
        });
        let late = late.collect();
        Self { ground, served, late, lucky: Vec::new() }
    }

    fn are_served(&mut self) {
        for peer in &mut self.served {
            assert_eq!(peer.ask(0, "add", &[0]).kind, REPLY);
        }
    }

    /// What is open at the daemon's start may be closed when places have been counted, so a few of
    /// the late may have been heard; the others wait.
    #[track_caller]
    fn the_late_wait(&mut self) {
        for mut stream in std::mem::take(&mut self.late) {
            stream.set_nonblocking(true).unwrap();
            let heard = read_greeting(&mut stream).map_err(|error| error.kind());
            stream.set_nonblocking(false).unwrap();
            match heard {
                Err(ErrorKind::WouldBlock) => self.late.push(stream),
                Ok(_) => self.lucky.push(stream),
                Err(error) => panic!("a late caller was sent away: {error}"),
            }
        }
        assert!(self.late.len() > LATE / 2, "{} found a descriptor", self.lucky.len());
    }
}

impl Ground {
    fn descriptor_names(&self) -> impl Iterator<Item = u64> {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("it runs");
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    /// The time that the daemon has spent on processors, to a hundredth of a second.
    fn spent(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).expect("it runs");
        let (_, fields) = stat.rsplit_once(')').expect("the name of the program");
        let ticks = fields.split_whitespace().skip(11).take(2);
        Duration::from_millis(ticks.map(|ticks| 10 * ticks.parse::<u64>().unwrap()).sum())
    }

    /// How often threads of the daemon have fallen asleep.
    fn sleeps(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid)).expect("it runs");
        let of_task = |status: String| {
            let line =
                status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            line.and_then(|count| count.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        let statuses = tasks.flatten().map(|task| task.path().join("status"));
        statuses.filter_map(|path| std::fs::read_to_string(path).ok()).map(of_task).sum()
    }
}

#[test]
fn without_descriptors_the_daemon_serves_whom_it_has_and_sleeps() {
    let mut all = Exhausted::new();
    all.are_served();
    let (spent, sleeps) = (all.ground.spent(), all.ground.sleeps());
    std::thread::sleep(WATCHED);
    let (spent, sleeps) = (all.ground.spent().saturating_sub(spent), all.ground.sleeps() - sleeps);
    println!("{spent:?} and {sleeps} sleeps in {WATCHED:?}");
    assert!(spent <= SPENT && sleeps <= SLEEPS, "{spent:?} and {sleeps} sleeps in {WATCHED:?}");
    all.the_late_wait();
    all.are_served();
    // Whoever waits is served as soon as others have gone.
    all.served.truncate(all.served.len() - LATE);
    for stream in &mut all.late {
        assert_eq!(read_greeting(stream).unwrap()[6], ACCEPT);
    }
    all.are_served();
    // And so is whoever comes then.
    all.late.clear();
    all.lucky.clear();
    let before = all.ground.descriptors();
    assert_eq!(all.ground.home.daemon(), all.ground.pid);
    eventually("it is gone", || all.ground.descriptors() <= before);
    let log = std::fs::read_to_string(all.ground.home.place().join("log")).expect("the log");
    assert!(!log.contains("panicked"), "{log}");
    let refused = log.matches("cannot accept connections").count();
    assert!(refused <= 1 + LATE, "it was said {refused} times: {log}");
}

#[test]
fn without_descriptors_the_daemon_ends_in_order() {
    let all = Exhausted::new();
    let (pid, home) = (all.ground.pid, &all.ground.home);
    kill(pid, Signal::TERM);
    eventually("it has ended", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert_ne!(home.daemon(), pid, "another one has taken its place");
}
