//! Which processors a thread may use, and how much it has used them.

use std::time::Duration;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::Result;

/// Where the two ends run.
///
/// Free, the system puts two ends that take turns on one CPU or on two, as it likes, so a lone call
/// is measured in both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placement {
    /// Both on one CPU: a wake-up is a switch, which takes about the same time in each run.
    One,
    /// Each on a CPU of its own.
    Two,
    Free,
}

impl Placement {
    pub(crate) fn server(self) -> Option<usize> {
        (self != Self::Free).then_some(0)
    }

    pub(crate) fn client(self) -> Option<usize> {
        match self {
            Self::One => Some(0),
            Self::Free => None,
            Self::Two => Some(1),
        }
    }
}

/// Keeps a thread (`None`: this one), and those that it starts from now on, on one CPU.
fn pin(thread: Option<Pid>, cpu: usize) -> Result<()> {
    if cpu >= CpuSet::MAX_CPU {
        return Err(format!("there is no CPU {cpu}").into());
    }
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(thread, &only)
        .map_err(|error| format!("cannot run on CPU {cpu} alone: {error}").into())
}

/// Keeps this thread, and those that it starts from now on, on one CPU.
pub(crate) fn pin_self(cpu: usize) -> Result<()> {
    pin(None, cpu)
}

/// Keeps a process on one CPU.
pub(crate) fn pin_process(process: Pid, cpu: usize) -> Result<()> {
    for thread in std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()))? {
        let id = thread?.file_name();
        let id = id.to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        pin(Some(id.ok_or("a thread has no number")?), cpu)?;
    }
    Ok(())
}

/// The time that this process has spent on processors.
pub(crate) fn own_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The time that the threads of a process have spent on processors, in nanoseconds; `stat` would
/// count in hundredths of a second.
pub(crate) fn time_of(pid: Pid) -> Result<Duration> {
    let mut sum = 0;
    for task in std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero()))? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        sum += text.split_whitespace().next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(sum))
}
