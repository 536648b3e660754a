//! A test's own runtime directory, and the processes that were started with it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

/// A limit for what has to happen; passing it fails the test. No test is paced by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The variable by which processes of a test are known, daemons and their children included.
const MARK: &str = "AUTOD_TEST_HOME";

/// The directory of the orders to fail, in a home.
pub(crate) const FAULTS: &str = "faults";

/// A private runtime directory. When it is dropped, every process that carries its mark is killed.
pub(crate) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("autod-it-").tempdir();
        Self { directory: directory.expect("a temporary directory") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    /// A copy of an executable in this home. Another process writes it: a descriptor of ours that
    /// can write would be in the hands of every child that another test forks at that moment, and
    /// the copy would be busy.
    #[track_caller]
    pub(crate) fn executable(&self, from: impl AsRef<Path>, name: &str) -> PathBuf {
        let path = self.join(name);
        self.run("cp").args([from.as_ref(), &path]).out();
        path
    }

    /// A command in this home. The program is one of the examples.
    pub(crate) fn example<A: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = A>,
    ) -> Run {
        self.run(example(program)).args(args)
    }

    pub(crate) fn run(&self, program: impl AsRef<OsStr>) -> Run {
        let mut command = Command::new(program);
        command
            .env("XDG_RUNTIME_DIR", self.path())
            .env(MARK, self.path())
            .env("AUTOD_FAULTS", self.join(FAULTS))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Run { command }
    }

    pub(crate) fn counter<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        self.example("counter", args)
    }

    pub(crate) fn fixture<A: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = A>) -> Run {
        self.example("fixture", args)
    }

    /// The fixture's directory of sockets and locks.
    pub(crate) fn place(&self) -> PathBuf {
        self.join("fixture")
    }

    /// The pid of the fixture's daemon, which runs.
    #[track_caller]
    pub(crate) fn daemon(&self) -> u32 {
        self.fixture(["pid"]).out().parse().expect("a pid")
    }

    /// The processes that carry this home's mark.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.path().display());
        let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| {
                let environment = std::fs::read(format!("/proc/{pid}/environ"));
                environment.is_ok_and(|bytes| {
                    bytes.split(|&byte| byte == 0).any(|pair| pair == mark.as_bytes())
                })
            })
            .collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // A process may start another one while it is looked for.
        for _ in 0..100 {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for pid in left {
                kill(pid, Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!("processes are left over: {:?}", self.processes());
    }
}

/// The path of an example, which cargo builds before it runs this test.
pub(crate) fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let target = own.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let path = target.join("examples").join(name);
    assert!(path.exists(), "{} is missing: run cargo build --examples", path.display());
    path
}

/// Whether a program is installed that a test needs. In CI it has to be; elsewhere the test says that
/// it is skipped.
#[track_caller]
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).any(|directory| directory.join(program).is_file());
    assert!(found || std::env::var_os("CI").is_none(), "{program} is not installed");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid");
    // It may be gone, which is as good.
    let _ = rustix::process::kill_process(pid, signal);
}

/// Stops a process, all of its threads.
#[track_caller]
pub(crate) fn stop(pid: u32) {
    kill(pid, Signal::STOP);
    // Its threads stop when the first of them has had its turn to take the signal.
    eventually(&format!("process {pid} is stopped"), || {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
        })
    });
}

/// Waits until something is so; the test fails if it does not become so.
#[track_caller]
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A process counts as gone when it has ended, reaped or not.
pub(crate) fn is_gone(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

#[track_caller]
pub(crate) fn wait_until_gone(pid: u32) {
    eventually(&format!("process {pid} is gone"), || is_gone(pid));
}

/// A command that is being put together.
pub(crate) struct Run {
    pub(crate) command: Command,
}

impl Run {
    pub(crate) fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn cwd(mut self, path: impl AsRef<Path>) -> Self {
        self.command.current_dir(path);
        self
    }

    /// Runs to the end.
    #[track_caller]
    pub(crate) fn done(self) -> Done {
        self.spawn().done()
    }

    /// Runs to the end, which has to be good; gives the trimmed output.
    #[track_caller]
    pub(crate) fn out(self) -> String {
        self.done().good().stdout
    }

    #[track_caller]
    pub(crate) fn spawn(mut self) -> Running {
        let child = self.command.spawn().expect("the program starts");
        Running { child: Some(child), stdout: None }
    }
}

/// A command that runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Option<Child>,
    stdout: Option<BufReader<std::process::ChildStdout>>,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// The next line that it prints.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let child = self.child.as_mut().expect("it runs");
        let stdout = self.stdout.get_or_insert_with(|| {
            BufReader::new(child.stdout.take().expect("its output is piped"))
        });
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output can be read");
        line.trim_end().to_owned()
    }

    /// Stops reading what it prints.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
        drop(self.child.as_mut().expect("it runs").stdout.take());
    }

    /// What it reads, if that is piped.
    #[track_caller]
    pub(crate) fn input(&mut self) -> std::process::ChildStdin {
        self.child.as_mut().expect("it runs").stdin.take().expect("its input is piped")
    }

    /// Lets it pass the barrier that it waits at.
    pub(crate) fn release(&mut self) {
        drop(self.child.as_mut().expect("it runs").stdin.take());
    }

    /// Waits for its end. Past the patience it is killed and the test fails.
    #[track_caller]
    pub(crate) fn done(mut self) -> Done {
        let child = self.child.take().expect("it runs");
        let pid = child.id();
        let mut early = String::new();
        let reader = self.stdout.take();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            if let Some(mut reader) = reader {
                let _ = reader.read_to_string(&mut early);
            }
            let _ = tell.send(child.wait_with_output().map(|output| (early, output)));
        });
        let Ok(result) = told.recv_timeout(PATIENCE) else {
            kill(pid, Signal::KILL);
            let output = told.recv_timeout(PATIENCE);
            panic!("it hangs; it said {output:?}");
        };
        let (early, output) = result.expect("it can be waited for");
        Done::new(&early, &output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    fn new(early: &str, output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        let stdout = format!("{early}{}", String::from_utf8_lossy(&output.stdout));
        Self {
            status: output.status,
            stdout: stdout.trim_end().to_owned(),
            stderr: text(&output.stderr),
        }
    }

    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }

    /// It ended with this exit code; gives what it said on standard error.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        assert_eq!(self.stdout, "", "an error leaves standard output alone");
        self.stderr
    }
}
