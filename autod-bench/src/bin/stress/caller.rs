//! A process that calls the daemon, watched until its end by a thread.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::Result;
use crate::call::{self, Call};
use crate::process::{PATIENCE, kill};

/// A caller that runs.
pub(crate) struct Caller {
    pub(crate) pid: u32,
    arrived: Receiver<()>,
    ended: Receiver<std::io::Result<(Output, Duration)>>,
}

/// A caller that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// From its start, or from the moment when it passed the barrier, to the end of its output.
    pub(crate) took: Duration,
    /// It did not end, and was killed.
    pub(crate) hung: bool,
}

impl Caller {
    pub(crate) fn spawn(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null());
        Self::start(command, false)
    }

    /// Starts one that says when it has arrived at its barrier.
    pub(crate) fn spawn_waiting(command: Command) -> Result<Self> {
        Self::start(command, true)
    }

    fn start(mut command: Command, waits: bool) -> Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let began = Instant::now();
        let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let pid = child.id();
        let ((tell_arrival, arrived), (tell, ended)) = (channel(), channel());
        let tell_arrival = waits.then_some(tell_arrival);
        std::thread::Builder::new().stack_size(128 << 10).spawn(move || {
            let _ = tell.send(watch(child, began, tell_arrival.as_ref()));
        })?;
        Ok(Self { pid, arrived, ended })
    }

    /// Waits until it is at its barrier.
    pub(crate) fn arrive(&mut self) -> Result<()> {
        let arrived = self.arrived.recv_timeout(PATIENCE);
        arrived.map_err(|_| "a caller did not come to its barrier".into())
    }

    pub(crate) fn kill(&self) {
        kill(self.pid, Signal::KILL);
    }

    /// Waits for its end; past the patience it is killed.
    pub(crate) fn done(self) -> Result<Done> {
        let mut ended = self.ended.recv_timeout(PATIENCE);
        let hung = ended.is_err();
        if hung {
            self.kill();
            // Somebody else may hold its output open for ever.
            ended = self.ended.recv_timeout(Duration::from_secs(5));
        }
        let ended = ended.map_err(|_| "a caller's output does not end after its death")?;
        let (output, took) = ended?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Ok(Done {
            status: output.status,
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            took,
            hung,
        })
    }
}

fn watch(
    mut child: Child,
    mut began: Instant,
    tell_arrival: Option<&Sender<()>>,
) -> std::io::Result<(Output, Duration)> {
    if let Some(tell) = tell_arrival {
        let stdout = child.stdout.as_mut().ok_or(std::io::ErrorKind::BrokenPipe)?;
        let mut byte = [0];
        // Byte by byte, so that what comes after the line is left for the end.
        while stdout.read(&mut byte)? > 0 && byte != *b"\n" {}
        began = Instant::now();
        let _ = tell.send(());
    }
    child.wait_with_output().map(|output| (output, began.elapsed()))
}

impl Done {
    /// What it was told about each of its calls.
    pub(crate) fn calls(&self) -> impl Iterator<Item = Call> {
        self.stdout.lines().filter_map(call::parse)
    }

    /// What it said to people, without what is only for tests.
    pub(crate) fn said(&self) -> String {
        let lines = self.stderr.lines().filter(|line| !line.starts_with("note: "));
        lines.collect::<Vec<_>>().join(" | ")
    }
}
