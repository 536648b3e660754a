//! One CPU for all: a wake-up across CPUs takes two quite different times on a virtual machine.

use crate::Result;

/// Keeps this process, and by inheritance all that it starts from now on, on one CPU.
#[cfg(target_os = "linux")]
pub(crate) fn to(cpu: usize) -> Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    if cpu >= CpuSet::MAX_CPU {
        return Err(format!("there is no CPU {cpu}").into());
    }
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only)
        .map_err(|error| format!("cannot run on CPU {cpu} alone: {error}").into())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn to(cpu: usize) -> Result<()> {
    Err(format!("cannot run on CPU {cpu} alone: this system does not offer it").into())
}
