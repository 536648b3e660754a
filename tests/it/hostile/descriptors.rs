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

/// The state of a connected socket in the kernel's table.
const CONNECTED: &str = "03";

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
}

impl Exhausted {
    fn new() -> Self {
        let ground = Ground::new();
        // Those of the start may still be on their way out, and would leave places when all are taken.
        eventually("nobody is connected", || ground.connections() == 0);
        let highest = ground.descriptor_names().max().expect("it has some");
        let limit = highest + 1 + ROOM as u64;
        let own = Pid::from_raw(i32::try_from(ground.pid).unwrap());
        let both = Rlimit { current: Some(limit), maximum: Some(limit) };
        prlimit(own, Resource::Nofile, both).expect("it is ours");
        // Holes below the highest are places too, and one may still be made.
        let mut served = Vec::new();
        while (ground.descriptors() as u64) < limit {
            served.push(ground.peer());
        }
        let late = (0..LATE).map(|_| {
            let mut stream = open(&ground.sock());
            stream.write_all(&hello(0, &ground.fingerprint)).unwrap();
            stream
        });
        let late = late.collect();
        Self { ground, served, late }
    }

    fn are_served(&mut self) {
        for peer in &mut self.served {
            assert_eq!(peer.ask(0, "add", &[0]).kind, REPLY);
        }
    }

    #[track_caller]
    fn nobody_late_was_heard(&mut self) {
        for stream in &mut self.late {
            stream.set_nonblocking(true).unwrap();
            let heard = read_greeting(stream).map_err(|error| error.kind());
            assert_eq!(heard, Err(ErrorKind::WouldBlock), "there was a descriptor");
            stream.set_nonblocking(false).unwrap();
        }
    }
}

impl Ground {
    fn descriptor_names(&self) -> impl Iterator<Item = u64> {
        let entries = std::fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("it runs");
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
    }

    /// The sockets at the daemon's end; the listening one has another state.
    fn connections(&self) -> usize {
        let table = std::fs::read_to_string("/proc/net/unix").expect("the sockets of the system");
        let sock = self.sock();
        let of_daemon = table.lines().filter(|line| line.ends_with(sock.to_str().unwrap()));
        of_daemon.filter(|line| line.split_whitespace().nth(5) == Some(CONNECTED)).count()
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
    all.nobody_late_was_heard();
    all.are_served();
    // Whoever waits is served as soon as others have gone.
    all.served.truncate(all.served.len() - LATE);
    for stream in &mut all.late {
        assert_eq!(read_greeting(stream).unwrap()[6], ACCEPT);
    }
    all.are_served();
    // And so is whoever comes then.
    all.late.clear();
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
