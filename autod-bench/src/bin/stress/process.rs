//! Processes, found and ended by pid and mark.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// The variable by which the processes of a run are known, daemons and their children included.
/// It holds the directory of the row's home.
pub(crate) const MARK: &str = "AUTOD_STRESS_HOME";

/// A limit for what has to happen; passing it fails the row. Nothing is paced by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// It may be gone, which is as good.
pub(crate) fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// A process that has ended, reaped or not, is gone.
pub(crate) fn is_gone(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// The processes whose mark is this directory or one in it.
pub(crate) fn marked(directory: &Path) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let mark = |pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| pair.strip_prefix(MARK)?.strip_prefix('='))
                .is_some_and(|home| Path::new(home).starts_with(directory))
        })
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(mark)
        .collect()
}

/// Ends all processes that carry the mark; gives those that cannot be ended.
pub(crate) fn sweep(directory: &Path) -> Vec<u32> {
    // A process may start another one while it is looked for.
    for _ in 0..200 {
        let left = marked(directory);
        if left.is_empty() {
            return left;
        }
        for pid in left {
            kill(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    marked(directory)
}

/// Waits until something is so; `false` if it does not become so.
pub(crate) fn eventually(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Stops a process, and waits until all of its threads have heard of it.
pub(crate) fn stop(pid: u32) -> bool {
    kill(pid, Signal::STOP);
    eventually(PATIENCE, || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        })
    })
}

/// Kills a process and waits until it is gone.
pub(crate) fn end(pid: u32) -> bool {
    kill(pid, Signal::KILL);
    eventually(PATIENCE, || is_gone(pid))
}
