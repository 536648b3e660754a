//! A supervisor in a process of its own, which can be killed and counted.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

use crate::world::{World, app};

/// Killed when it is dropped.
pub(crate) struct Apart {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Apart {
    /// With one service, the app with these words, that is never let go.
    pub(crate) fn supervise(world: &World, words: &[&str]) -> Self {
        let mut command = world.command(app());
        command.arg("supervise");
        Self::run(world, command, words)
    }

    /// By this command, the words of which end with `supervise`.
    pub(crate) fn run(world: &World, mut command: Command, words: &[&str]) -> Self {
        let mut child = command
            .args(["never", "count", world.join("starts").to_str().expect("a path")])
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a supervisor");
        let mut line = String::new();
        let output = child.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("its address");
        Self { child, address: line.trim().parse().expect("an address") }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn descriptors(&self) -> usize {
        descriptors(self.pid())
    }

    /// Bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("its status");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a size");
        let size = line.split_whitespace().nth(1).expect("a size");
        size.parse::<usize>().expect("a number") << 10
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").count()
}
