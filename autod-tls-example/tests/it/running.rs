//! A replica as a process of the test's, which ends with it.

use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use autod_tls_example::caller::Target;
use autod_tls_example::identity::Files;
use rustix::process::{Pid, Signal, kill_process};

use crate::authority::REPLICAS;

/// How long anything may take in a test on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Running {
    process: Child,
    pub(crate) address: SocketAddr,
    pub(crate) probe: PathBuf,
    words: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Starts a replica that appends to `journal`; returns when it listens.
    pub(crate) fn start(name: &str, files: &Files, journal: &Path, home: &Path) -> Self {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::launch(any, 30, name, files, journal, home)
    }

    /// The same at this address.
    pub(crate) fn start_at(
        address: SocketAddr,
        name: &str,
        files: &Files,
        journal: &Path,
        home: &Path,
    ) -> Self {
        Self::launch(address, 30, name, files, journal, home)
    }

    /// The same, with the seconds that calls may take at its end.
    pub(crate) fn launch(
        address: SocketAddr,
        drain_limit: u64,
        name: &str,
        files: &Files,
        journal: &Path,
        home: &Path,
    ) -> Self {
        let probe = home.join(format!("{name}.probe"));
        let mut process = Command::new(env!("CARGO_BIN_EXE_journal"))
            .args(["serve", "--listen", &address.to_string(), "--replica", name])
            .args(["--drain-limit", &drain_limit.to_string()])
            .args([Path::new("--certificate"), &files.certificate, Path::new("--key"), &files.key])
            .args([Path::new("--authorities"), &files.authorities])
            .args([Path::new("--journal"), journal, Path::new("--probe"), &probe])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap());
        let mut first = String::new();
        lines.read_line(&mut first).unwrap();
        let address = first.trim().strip_prefix("journal: listening on ");
        let address = address.unwrap_or_else(|| panic!("it says {first:?}")).parse().unwrap();
        let words = Arc::new(Mutex::new(first));
        let heard = Arc::clone(&words);
        let reader = std::thread::spawn(move || {
            for line in lines.lines().map_while(Result::ok) {
                heard.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { process, address, probe, words, reader: Some(reader) }
    }

    /// As a caller with these files sees it.
    pub(crate) fn target(&self, caller: &Files) -> Target {
        Target {
            address: self.address.to_string(),
            name: REPLICAS.try_into().unwrap(),
            config: caller.client().unwrap(),
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// What it has said on standard error so far.
    pub(crate) fn words(&self) -> String {
        self.words.lock().unwrap().clone()
    }

    /// Tells it to leave.
    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    /// How it ended, and what it said on standard error.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> (ExitStatus, String) {
        let end = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        };
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (status, self.words())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether there is a program beside which a test runs. With `CI` set it has to be.
pub(crate) fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    assert!(there || std::env::var_os("CI").is_none(), "{program} is missing");
    if !there {
        eprintln!("skipped: there is no {program}");
    }
    there
}

/// Waits for what has to happen.
pub(crate) async fn until(mut there: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !there() {
        assert!(Instant::now() < end, "it does not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
