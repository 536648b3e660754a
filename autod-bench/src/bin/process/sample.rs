//! One run of a program: how long it took and how much a processor worked for it.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::Result;

pub(crate) struct Sample {
    /// From before the spawn until the end of the process was seen.
    pub(crate) wall: Duration,
    /// User and system time of the first thread; `None` where the system does not tell.
    pub(crate) cpu: Option<Duration>,
}

impl Sample {
    /// Runs the program to its end; it must succeed and print just this.
    pub(crate) fn take(command: &mut Command, output: &str) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let begin = Instant::now();
        let mut child = Running::spawn(command)?;
        let mut printed = String::new();
        child.0.stdout.take().ok_or("there is no pipe")?.read_to_string(&mut printed)?;
        let pid = Pid::from_child(&child.0);
        // A process that has ended and was not reaped can still be asked about its time.
        waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        let wall = begin.elapsed();
        let cpu = processor_time(pid);
        let status = child.0.wait()?;
        if !status.success() || printed != output {
            return Err(format!("{command:?}: {status}, printed {printed:?}").into());
        }
        Ok(Self { wall, cpu })
    }
}

/// A child that does not outlive its handle.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        Ok(Self(child))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing if it was waited for.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Nanoseconds on a processor are the first number there; `stat` counts in hundredths of a second.
fn processor_time(pid: Pid) -> Option<Duration> {
    let path = format!("/proc/{}/schedstat", pid.as_raw_nonzero());
    let text = std::fs::read_to_string(path).ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
