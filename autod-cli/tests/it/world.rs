//! A test's own directory, and the processes that were started in it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The variable by which processes of a test are known, their children included.
const MARK: &str = "AUTOD_TEST_HOME";

pub(crate) struct World(tempfile::TempDir);

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("autod-it-").tempdir();
        Self(directory.expect("a temporary directory"))
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }

    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env(MARK, self.0.path()).env("XDG_RUNTIME_DIR", self.0.path()).stdin(Stdio::null());
        command
    }

    pub(crate) fn autod(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_autod"));
        command.args(arguments);
        command
    }

    /// A copy of the fixture. Another process writes it: a descriptor of ours that can write would be
    /// in the hands of every child that another test forks at that moment.
    #[track_caller]
    pub(crate) fn copy_of_fixture(&self) -> PathBuf {
        let path = self.join("copy");
        out(self.command("cp").args([&example("fixture"), &path]));
        path
    }

    /// A command of the fixture, whose daemon is called `fixture`.
    pub(crate) fn fixture(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(example("fixture"));
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The fixture's daemon, started if it has to be: its process id.
    #[track_caller]
    pub(crate) fn daemon(&self) -> i32 {
        out(&mut self.fixture(&["pid"])).parse().expect("a pid")
    }

    /// What `autod` prints with these words and `--json`, when all goes well.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let text = out(self.autod(arguments).arg("--json"));
        serde_json::from_str(&text).expect("JSON")
    }

    /// The row of `autod ps` about the daemon of this test with that name.
    #[track_caller]
    pub(crate) fn row(&self, options: &[&str], name: &str) -> Option<serde_json::Value> {
        let text = out(self.autod(&["ps", "--json"]).args(options));
        let mut rows = text.lines().map(|line| serde_json::from_str(line).expect("an object"));
        let mine = |row: &serde_json::Value| {
            let socket = row["socket"].as_str();
            row["name"] == name
                && socket.is_some_and(|socket| Path::new(socket).starts_with(self.0.path()))
        };
        rows.find(mine)
    }

    /// `autod up --json` with this file, listening.
    pub(crate) fn up(&self, file: &Path) -> Up {
        let mut command = self.autod(&["up", "--json", "-c", file.to_str().expect("a path")]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("autod");
        let lines = BufReader::new(child.stdout.take().expect("its output"));
        let mut up = Up { child, lines };
        up.event("listening");
        up
    }

    pub(crate) fn processes(&self) -> Vec<i32> {
        let mark = format!("{MARK}={}", self.0.path().display());
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

impl Drop for World {
    fn drop(&mut self) {
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

/// What a command prints that ends well.
#[track_caller]
pub(crate) fn out(command: &mut Command) -> String {
    let output = command.output().expect("a program");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {} {error}", output.status);
    String::from_utf8(output.stdout).expect("text").trim_end().to_owned()
}

/// The exit code of a command that fails, and what it says.
#[track_caller]
pub(crate) fn fails(command: &mut Command) -> (i32, String) {
    let output = command.output().expect("a program");
    assert!(!output.status.success(), "{command:?} did not fail");
    let text = String::from_utf8(output.stderr).expect("text");
    (output.status.code().expect("a code"), text)
}

pub(crate) fn kill(pid: i32, signal: Signal) {
    // It may be gone, which is as good.
    let _ = kill_process(Pid::from_raw(pid).expect("a pid"), signal);
}

/// Stops a process as a debugger does, and waits until it is so.
#[track_caller]
pub(crate) fn freeze(pid: i32) {
    kill(pid, Signal::STOP);
    // Each thread stops when it gets to hear of it.
    eventually("all of it is stopped", || {
        let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it").flatten();
        threads.all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat"));
            stat.is_ok_and(|stat| stat.contains(") T "))
        })
    });
}

/// A running `autod up`, killed when it is dropped.
pub(crate) struct Up {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Up {
    /// The next event of this kind.
    #[track_caller]
    pub(crate) fn event(&mut self, kind: &str) -> serde_json::Value {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).expect("a line") > 0, "no event {kind}");
            let event: serde_json::Value = serde_json::from_str(&line).expect("an object");
            if event["event"] == kind {
                return event;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.child.id().cast_signed(), signal);
    }

    /// Its exit code, after all that it has to say.
    #[track_caller]
    pub(crate) fn end(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).expect("the rest");
        assert!(rest.contains("\"closed\""), "{rest}");
        self.child.wait().expect("its end").code()
    }
}

impl Up {
    /// Its exit code, when nobody reads what it says.
    #[track_caller]
    pub(crate) fn end_unread(mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        let mut code = None;
        eventually("it ends", || {
            code = self.child.try_wait().expect("its state");
            code.is_some()
        });
        code.and_then(|status| status.code())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

pub(crate) fn connect(port: u16) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// What a server answers to these words and an end.
pub(crate) fn ask(port: u16, words: &str) -> std::io::Result<String> {
    let mut stream = connect(port)?;
    stream.write_all(words.as_bytes())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// The path of an example, which cargo builds before it runs the tests of the workspace.
pub(crate) fn example(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let target = own.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let path = target.join("examples").join(name);
    let hint = "run cargo build --workspace --examples";
    assert!(path.exists(), "{} is missing: {hint}", path.display());
    path
}

/// Whether a program is installed that a test needs. In CI it has to be; elsewhere the test says that
/// it is skipped.
#[track_caller]
pub(crate) fn has(program: &str) -> bool {
    let found = is_installed(program);
    assert!(found || std::env::var_os("CI").is_none(), "{program} is not installed");
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// Whether a program is installed that a test takes where it is.
pub(crate) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
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
