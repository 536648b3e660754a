//! How many system calls a call takes, counted by strace at one end after the other.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::Result;
use crate::client;
use crate::cpu::Placement;
use crate::figure::float;
use crate::options::Options;
use crate::probe::Probe;
use crate::server::Server;
use crate::table::Table;
use crate::workload::Load;

pub(crate) const SERVER: &str = "system calls of the server for each";
pub(crate) const CLIENT: &str = "system calls of the client for each";

pub(crate) fn measure(options: &Options, table: &mut Table) -> Result<()> {
    let own = rustix::process::getpid();
    for kind in options.kinds() {
        let server = Server::start(kind)?;
        for (workload, text, load) in [
            ("syscalls-lone", "one call in flight", Load::Lone),
            ("syscalls-64", "64 callers", Load::Callers(64)),
        ] {
            if !(kind.can)(load) {
                continue;
            }
            for (label, pid) in [(SERVER, server.pid()), (CLIENT, own)] {
                let placement = Placement::Free;
                let probe = Probe { server: &server, placement, load, time: options.slice };
                // Those of warming up are counted too, and are few beside those of the turn.
                let strace = Strace::attach(pid)?;
                let outcome = client::run(|| (kind.run)(&probe))?;
                let calls = strace.detach()?;
                let row = table.row(workload, text, label, true);
                row.add(kind.name, float(calls) / float(outcome.count));
            }
        }
    }
    eprintln!("rpc: syscalls is done");
    Ok(())
}

struct Strace(Child);

impl Strace {
    /// Counts what this process does from now on.
    fn attach(pid: Pid) -> Result<Self> {
        let mut command = Command::new("strace");
        command.args(["-f", "-c", "-o", "/dev/stdout", "-p"]);
        command.arg(pid.as_raw_nonzero().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().map_err(|error| format!("cannot run strace: {error}"))?;
        let mut strace = Self(child);
        let mut said = strace.0.stderr.take().ok_or("there is no pipe")?;
        let mut line = String::new();
        BufReader::new(&mut said).read_line(&mut line)?;
        strace.0.stderr = Some(said);
        if line.contains("attached") { Ok(strace) } else { Err(line.into()) }
    }

    /// How many there were.
    fn detach(mut self) -> Result<u64> {
        kill_process(Pid::from_child(&self.0), Signal::INT)?;
        let output = self.0.stdout.take().ok_or("there is no pipe")?;
        let mut total = None;
        for line in BufReader::new(output).lines() {
            let line = line?;
            // The columns: time, seconds, usecs/call, calls, and errors if there are any.
            if line.ends_with("total") {
                total = line.split_whitespace().nth(3).and_then(|calls| calls.parse().ok());
            }
        }
        total.ok_or_else(|| "strace counted nothing".into())
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        // Both do nothing if it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
