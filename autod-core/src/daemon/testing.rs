//! What the tests of this module share: a place that is removed, and a daemon that does as told.
//!
//! The daemon is this test executable, run again for one "test" that is nothing without its
//! variables. It holds a leash, a socket of the test's `Home`, and ends when that is gone, however
//! the test ends.

use std::ffi::OsString;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpid, kill_process};

use super::inherit::{Heir, Inherited};
use super::place::Place;
use super::record::State;
use super::runtime::Surroundings;
use super::spawn::Launch;

const MODE: &str = "AUTOD_TEST_MODE";
const LEASH: &str = "AUTOD_TEST_LEASH";

/// Between fork and exec a child holds copies of all descriptors of this process, locks and doors of
/// other tests among them. A test that counts on a lock being free once it closed it shares this;
/// a fork takes it alone.
static FORKS: RwLock<()> = RwLock::new(());

/// To be held around each fork.
pub(super) fn forking() -> RwLockWriteGuard<'static, ()> {
    FORKS.write().unwrap_or_else(PoisonError::into_inner)
}

/// A temporary directory for one test.
pub(super) struct Home {
    _quiet: Option<RwLockReadGuard<'static, ()>>,
    directory: tempfile::TempDir,
    _leash: UnixListener,
    leash: tempfile::TempDir,
}

impl Home {
    /// For a test during which no process is started.
    pub(super) fn new() -> Self {
        Self::with(Some(FORKS.read().unwrap_or_else(PoisonError::into_inner)))
    }

    /// For a test that starts processes, and waits for locks that others may hold for a moment.
    pub(super) fn with_processes() -> Self {
        Self::with(None)
    }

    fn with(quiet: Option<RwLockReadGuard<'static, ()>>) -> Self {
        let leash = tempfile::tempdir().unwrap();
        Self {
            _quiet: quiet,
            directory: tempfile::tempdir().unwrap(),
            _leash: UnixListener::bind(leash.path().join("leash")).unwrap(),
            leash,
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Where the mode "late" says that its main runs, and waits until that connection ends.
    pub(super) fn gate(&self) -> UnixListener {
        UnixListener::bind(self.leash.path().join("gate")).unwrap()
    }

    /// An explicit place.
    pub(super) fn place(&self) -> Place {
        Place::at(&self.path().join("sock")).unwrap().named("counter")
    }

    /// A place in a private directory.
    pub(super) fn private_place(&self) -> Place {
        Place::in_surroundings(&self.surroundings(), "counter", None).unwrap()
    }

    /// Where private directories stand.
    pub(super) fn surroundings(&self) -> Surroundings {
        Surroundings {
            runtime_variable: Some(self.path().into()),
            run_user: None,
            temporary: self.path().to_owned(),
            euid: rustix::process::geteuid().as_raw(),
        }
    }

    /// How to start the daemon that behaves as `mode` says.
    pub(super) fn launch(&self, mode: &str) -> Launch {
        let arguments =
            ["--exact", "daemon::testing::fake_daemon", "--nocapture", "--test-threads=1"];
        Launch {
            arguments: Some(arguments.iter().map(OsString::from).collect()),
            env: vec![
                (MODE.into(), Some(mode.into())),
                (LEASH.into(), Some(self.leash.path().join("leash").into())),
                ("RUST_BACKTRACE".into(), Some("0".into())),
            ],
            build: "test".to_owned(),
            ..Launch::default()
        }
    }
}

/// Tries until it gives something, for a few seconds.
pub(super) fn eventually<T>(mut attempt: impl FnMut() -> Option<T>) -> T {
    for _ in 0..500 {
        if let Some(result) = attempt() {
            return result;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came true");
}

/// Waits until a process is no more, zombie or not.
pub(super) fn wait_gone(pid: u32) {
    eventually(|| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

fn rotate(mode: &str, place: &Place, life: &super::locks::LifeLock) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let rotate = |limit| super::log::rotate_own(place, life, limit);
    println!("before");
    rotate(1 << 20).unwrap();
    if mode == "rotate without descriptors" {
        let usual = getrlimit(Resource::Nofile);
        setrlimit(Resource::Nofile, Rlimit { current: Some(0), ..usual }).unwrap();
        rotate(1).unwrap_err();
        setrlimit(Resource::Nofile, usual).unwrap();
    }
    println!("still before");
    if mode == "rotate errors" {
        let null = std::fs::File::options().write(true).open("/dev/null").unwrap();
        rustix::stdio::dup2_stdout(null).unwrap();
    }
    rotate(10).unwrap();
    println!("after on standard output");
    eprintln!("after");
}

#[test]
fn fake_daemon() {
    let Ok(mode) = std::env::var(MODE) else { return };
    let leash = PathBuf::from(std::env::var_os(LEASH).unwrap());
    let gate = leash.with_file_name("gate");
    std::thread::spawn(move || {
        let _ = UnixStream::connect(leash).and_then(|mut leash| leash.read(&mut [0]));
        std::process::exit(99);
    });
    if mode == "never" {
        std::process::exit(0);
    }
    if mode == "closed" {
        super::sys::close_standard();
        let place = Place::at(Path::new("/tmp/sock")).unwrap();
        let open = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()]
            .iter()
            .all(|standard| rustix::io::fcntl_getfd(standard).is_ok());
        std::process::exit(if open && place.handle().as_raw_fd() > 2 { 17 } else { 1 });
    }
    if mode == "limits" {
        println!("{}", super::spawn::limits().join("\n"));
        std::process::exit(0);
    }
    if mode == "never hang" {
        std::thread::sleep(Duration::from_secs(60));
    }
    if mode == "connect" {
        assert!(super::inherit::guard_present());
        eprintln!("{}", super::inherit::check_guard().unwrap_err());
        std::process::exit(2);
    }
    if mode == "helper" {
        std::thread::sleep(Duration::from_secs(60));
    }
    if mode == "late" {
        let _ = UnixStream::connect(gate).and_then(|mut gate| gate.read(&mut [0]));
    }
    if mode == "dies before it receives" {
        let mut helper = Command::new(std::env::current_exe().unwrap());
        helper.args(std::env::args_os().skip(1)).env(MODE, "helper").stdout(Stdio::null());
        eprintln!("helper {}", helper.spawn().unwrap().id());
    }
    let heir = Heir::announce("counter").unwrap().expect("started as a daemon");
    let status = Arc::clone(&heir.status);
    if mode == "dies before it receives" {
        heir.wait_for_hand_over();
        let _ = kill_process(getpid(), Signal::KILL);
    }
    let daemon = heir.receive().unwrap_or_else(|error| {
        eprintln!("{error}");
        std::process::exit(1);
    });
    assert!(!super::inherit::guard_present());
    match mode.as_str() {
        "rotate" | "rotate without descriptors" | "rotate errors" => {
            rotate(&mode, &daemon.place, &daemon.life);
            status.ready();
        }
        "serve" | "descriptors" => {
            if mode == "descriptors" {
                std::fs::write(daemon.place.dir().join("report"), report(&daemon)).unwrap();
            }
            daemon.life.set_state(State::Running).unwrap();
            status.ready();
        }
        "slow" => {
            for step in 0..6 {
                status.progress(&format!("step {step}"));
                std::thread::sleep(Duration::from_millis(60));
            }
            status.ready();
        }
        "fail" => {
            status.failed("no index: /x is empty");
            std::process::exit(1);
        }
        "panic" => panic!("index {} is broken", 7),
        "exit" => {
            eprintln!("last words");
            std::process::exit(3);
        }
        "kill" => kill_process(getpid(), Signal::KILL).unwrap(),
        "silent" => {}
        other => panic!("no mode {other}"),
    }
    // The leash ends it.
    std::thread::sleep(Duration::from_secs(60));
    drop(daemon);
}

/// What the daemon sees of its process.
fn report(daemon: &Inherited) -> String {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let mut descriptors: Vec<String> = entries
        .filter_map(|entry| {
            Some(std::fs::read_link(entry.ok()?.path()).ok()?.display().to_string())
        })
        .collect();
    descriptors.sort();
    format!(
        "{}\npayload {:?}\ncwd {}\ncomm {}record {:?}\n",
        descriptors.join("\n"),
        daemon.payload,
        std::env::current_dir().unwrap().display(),
        std::fs::read_to_string("/proc/self/comm").unwrap(),
        daemon.life.record(),
    )
}

/// Ends a process that a test started, when the test ends.
pub(super) struct Ended(pub(super) u32);

impl Drop for Ended {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.0).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
