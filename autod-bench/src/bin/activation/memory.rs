//! What a connection costs the proxy in memory: its own, and the kernel's for its pipes and sockets.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::load;

const IDLE: usize = 1000;
const BUSY: usize = 100;

/// Bytes for each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Resident in the process.
    pub(crate) own: f64,
    /// What its pipes can hold.
    pub(crate) pipes: f64,
    /// Of all TCP sockets of the machine: those of the client and of the server too.
    pub(crate) sockets: f64,
}

/// What 1000 connections cost that have been answered and are silent.
pub(crate) fn idle(process: u32, address: SocketAddr) -> Cost {
    let before = Sample::take(process);
    let clients: Vec<_> = (0..IDLE).map(|_| load::held(address)).collect();
    std::thread::sleep(Duration::from_millis(300));
    let cost = Sample::take(process).since(before, IDLE);
    drop(clients);
    cost
}

/// What 100 connections cost that all carry as much as they can: the highest of some samples.
pub(crate) fn busy(process: u32, address: SocketAddr) -> Cost {
    let before = Sample::take(process);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..BUSY {
            scope.spawn(|| load::down_until(address, &enough));
        }
        let mut most = Cost { own: 0.0, pipes: 0.0, sockets: 0.0 };
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(100));
            let now = Sample::take(process).since(before, BUSY);
            most.own = most.own.max(now.own);
            most.pipes = most.pipes.max(now.pipes);
            most.sockets = most.sockets.max(now.sockets);
        }
        enough.store(true, Ordering::Relaxed);
        most
    })
}

#[derive(Clone, Copy)]
struct Sample {
    own: f64,
    pipes: f64,
    sockets: f64,
}

impl Sample {
    fn take(process: u32) -> Self {
        Self { own: resident(process), pipes: pipes(process), sockets: sockets() }
    }

    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    fn since(self, before: Self, connections: usize) -> Cost {
        let each = |now: f64, before: f64| (now - before).max(0.0) / connections as f64;
        Cost {
            own: each(self.own, before.own),
            pipes: each(self.pipes, before.pipes),
            sockets: each(self.sockets, before.sockets),
        }
    }
}

/// Bytes.
pub(crate) fn resident(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let words: Option<f64> = line.split_whitespace().next().and_then(|word| word.parse().ok());
    words.expect("a number") * 1024.0
}

/// Each is open twice, and holds 256 KiB at most.
fn pipes(process: u32) -> f64 {
    let Ok(open) = std::fs::read_dir(format!("/proc/{process}/fd")) else { return 0.0 };
    let names = open.flatten().filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let pipes = names.filter(|name| name.to_string_lossy().starts_with("pipe:")).count();
    f64::from(u32::try_from(pipes).unwrap_or(0)) / 2.0 * f64::from(256 << 10)
}

fn sockets() -> f64 {
    let stat = std::fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = stat.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let pages = line.rsplit("mem ").next().and_then(|word| word.trim().parse::<f64>().ok());
    pages.unwrap_or(0.0) * 4096.0
}
