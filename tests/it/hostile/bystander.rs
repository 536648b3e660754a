//! A well-behaved connection beside an attack: how long its calls take, and what the daemon holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Ground;
use super::peer::{Peer, REPLY};

/// How many calls tell what is usual.
const BEFORE: usize = 300;

/// What almost all of its calls may take, whatever happens beside them. Code without optimisation
/// takes several times as long for what the others ask. What the others do to the slowest is a figure
/// of the benchmark `rpc`, `hostile`.
const USABLE: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 50 });

/// Between two of its calls; it must not be a load itself.
const PAUSE: Duration = Duration::from_millis(1);

pub(super) struct Bystander {
    before: Vec<Duration>,
    idle: usize,
    over: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<Duration>, usize)>,
}

impl Bystander {
    pub(super) fn new(ground: &Ground) -> Self {
        let mut peer = ground.peer();
        let pid = ground.pid;
        let before = (0..BEFORE).map(|_| call(&mut peer)).collect();
        let over = Arc::new(AtomicBool::new(false));
        let idle = resident(pid);
        let thread = {
            let over = Arc::clone(&over);
            std::thread::spawn(move || {
                let (mut times, mut most) = (Vec::new(), 0);
                while !over.load(Ordering::Relaxed) || times.len() < BEFORE {
                    times.push(call(&mut peer));
                    most = most.max(resident(pid));
                }
                (times, most)
            })
        };
        Self { before, idle, over, thread }
    }

    /// Prints and judges what it saw.
    #[track_caller]
    pub(super) fn judge(self, name: &str, allowance: usize) {
        self.over.store(true, Ordering::Relaxed);
        let (during, most) = self.thread.join().expect("its calls are answered");
        let (calls, grown) = (during.len(), most.saturating_sub(self.idle));
        let (before, during) = (Percentiles::of(self.before), Percentiles::of(during));
        println!(
            "{name}: before {before:?}, during {during:?} ({calls} calls), resident {} KiB + {} of \
             at most {} KiB",
            self.idle >> 10,
            grown >> 10,
            allowance >> 10
        );
        // Other tests have the same processors.
        let limit = USABLE + 5 * before.p99;
        assert!(during.p99 < limit, "{name}: others waited {during:?}, before {before:?}");
        assert!(grown <= allowance, "{name}: {grown} bytes more than before");
    }
}

fn call(peer: &mut Peer) -> Duration {
    std::thread::sleep(PAUSE);
    let began = Instant::now();
    let answer = peer.ask(0, "add", &[0]);
    assert_eq!(answer.kind, REPLY, "{answer:?}");
    began.elapsed()
}

/// The resident memory of a process in bytes.
pub(super) fn resident(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it lives");
    let kibibytes = line.trim().trim_end_matches(" kB");
    kibibytes.parse::<usize>().expect("a number") << 10
}

#[derive(Debug)]
struct Percentiles {
    #[expect(dead_code, reason = "printed")]
    p50: Duration,
    p99: Duration,
    #[expect(dead_code, reason = "printed")]
    max: Duration,
}

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 100];
        Self { p50: at(50), p99: at(99), max: at(100) }
    }
}
