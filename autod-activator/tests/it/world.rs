//! A test's own directory, runtime and supervisor, and the processes that were started with it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use autod_activator::{Address, Event, Events, Listen, Service, Supervisor, What};

/// A limit for what has to happen; passing it fails the test. No test is paced by it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The variable by which processes of a test are known, their children included.
const MARK: &str = "AUTOD_TEST_HOME";

/// What is killed when it is dropped: every process that carries the mark.
pub(crate) struct World {
    directory: tempfile::TempDir,
    runtime: Option<tokio::runtime::Runtime>,
}

impl World {
    pub(crate) fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("autod-it-").tempdir();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        Self { directory: directory.expect("a temporary directory"), runtime: Some(runtime) }
    }

    pub(crate) fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.runtime
            .as_ref()
            .expect("it runs")
            .block_on(async { tokio::time::timeout(2 * PATIENCE, work).await.expect("it ends") })
    }

    pub(crate) fn spawn(
        &self,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        self.runtime.as_ref().expect("it runs").spawn(work)
    }

    /// A service `it` that runs the app with these words, and counts its starts.
    pub(crate) fn bare(&self, words: &[&str]) -> Service {
        self.program(app().to_str().expect("a path"))
            .args(["count", self.join("starts").to_str().expect("a path")])
            .args(words.iter().copied())
    }

    /// A service `it` that runs any program.
    pub(crate) fn program(&self, program: &str) -> Service {
        let mark = self.directory.path().to_str().expect("a path");
        Service::new("it", program).env(MARK, mark)
    }

    /// The same, with a public port.
    pub(crate) fn service(&self, words: &[&str]) -> Service {
        self.bare(words).listen(Listen::tcp(any_port()))
    }

    /// A command that carries the mark.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> std::process::Command {
        let mut command = std::process::Command::new(program);
        command.env(MARK, self.directory.path()).env("XDG_RUNTIME_DIR", self.directory.path());
        command
    }

    pub(crate) fn open(&self, service: Service) -> Running<'_> {
        let opened = self.block_on(async {
            let supervisor = Supervisor::builder().service(service).open()?;
            let events = supervisor.events();
            Ok::<_, autod_activator::Error>((supervisor, events))
        });
        let (supervisor, events) = opened.expect("a supervisor");
        Running { world: self, supervisor, events }
    }

    /// The pids of all starts.
    pub(crate) fn starts(&self) -> Vec<u32> {
        self.numbers("starts")
    }

    pub(crate) fn numbers(&self, file: &str) -> Vec<u32> {
        let lines = std::fs::read_to_string(self.join(file)).unwrap_or_default();
        lines.lines().map(|line| line.parse().expect("a pid")).collect()
    }

    /// The lines of a file.
    pub(crate) fn lines(&self, file: &str) -> Vec<String> {
        let lines = std::fs::read_to_string(self.join(file)).unwrap_or_default();
        lines.lines().map(str::to_owned).collect()
    }

    /// The private directories of supervisors in processes of their own.
    pub(crate) fn private_directories(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.directory.path()).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let is_one = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("autod-"))
        };
        paths.filter(is_one).collect()
    }

    /// The processes that carry the mark, this one excepted.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.directory.path().display());
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
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
        // A process may start another one while it is looked for.
        for _ in 0..100 {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for pid in left {
                kill(pid, rustix::process::Signal::KILL);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        eprintln!("processes are left over: {:?}", self.processes());
    }
}

/// A supervisor in this process, with the service `it`.
pub(crate) struct Running<'a> {
    pub(crate) world: &'a World,
    pub(crate) supervisor: Supervisor,
    events: Events,
}

impl Running<'_> {
    #[track_caller]
    pub(crate) fn address(&self) -> SocketAddr {
        match &self.supervisor.addresses("it").expect("it is there")[0] {
            Address::Tcp(address) => *address,
            Address::Unix(path) => panic!("{}", path.display()),
        }
    }

    /// A client that has said hello and its last word.
    pub(crate) fn ask(&self) -> std::io::Result<String> {
        ask(self.address())
    }

    pub(crate) fn status(&self) -> autod_activator::Status {
        self.supervisor.status("it").expect("it is there")
    }

    /// The next event that this finds something in.
    pub(crate) fn event<T>(&mut self, found: impl FnMut(&What) -> Option<T>) -> T {
        let mut found = found;
        self.world.block_on(async {
            loop {
                let event: Event = self.events.next().await.expect("an event");
                if let Some(found) = found(&event.what) {
                    return found;
                }
            }
        })
    }
}

pub(crate) fn any_port() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// The path of the app, which cargo builds before it runs the tests.
pub(crate) fn app() -> PathBuf {
    let own = std::env::current_exe().expect("the path of this test");
    let target = own.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    let path = target.join("examples/activated-app");
    assert!(path.exists(), "{} is missing: run cargo build --examples", path.display());
    path
}

pub(crate) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// A client that says hello and its last word, and hears the answer to its end.
pub(crate) fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = connect(address)?;
    stream.write_all(b"hello")?;
    stream.shutdown(std::net::Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

pub(crate) fn kill(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    // It may be gone, which is as good.
    let _ = rustix::process::kill_process(pid, signal);
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
pub(crate) fn is_reset<T: std::fmt::Debug>(result: &std::io::Result<T>) {
    use std::io::ErrorKind;
    match result {
        // The last is what a client hears that speaks after the reset.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::NotConnected
            ) => {}
        other => panic!("no reset: {other:?}"),
    }
}
