//! Other users of the same machine. These tests need root, which can be anybody.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::home::{Home, Run, eventually, example, has, wait_until_gone};

const SOMEBODY: u32 = 65_533;

/// A home that somebody else can enter, with a program that he can execute; `None` for a user who
/// cannot be somebody else.
fn shared_home() -> Option<Home> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: this user cannot be somebody else");
        return None;
    }
    if !has("setpriv") {
        return None;
    }
    let home = Home::new();
    open(home.path(), 0o755);
    home.executable(example("fixture"), "program");
    let can_execute = user(&home).args(["test", "-x"]).args([home.join("program")]);
    if !can_execute.done().status.success() {
        eprintln!("skipped: somebody else cannot execute {}", home.join("program").display());
        return None;
    }
    Some(home)
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// What follows is executed by somebody.
fn user(home: &Home) -> Run {
    home.run("setpriv").args(["--reuid=65533", "--regid=65533", "--clear-groups"]).cwd("/")
}

fn as_somebody(home: &Home, words: &[&str]) -> Run {
    user(home).args([home.join("program")]).args(words)
}

/// A directory of somebody's.
fn directory(home: &Home, name: &str, mode: u32) -> PathBuf {
    let path = home.join(name);
    std::fs::create_dir(&path).unwrap();
    open(&path, mode);
    chown(&path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
    path
}

fn entries(path: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The places of a daemon that finds no runtime directory; they go with the test.
struct Last(Vec<PathBuf>);

impl Last {
    fn of(name: &str, uid: u32) -> Self {
        let runtime = Path::new("/run/user").join(uid.to_string()).join(name);
        Self(vec![runtime, format!("/tmp/{name}-{uid}").into()])
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

#[test]
fn root_with_the_environment_of_a_user_leaves_nothing_of_its_own_there() {
    let Some(home) = shared_home() else { return };
    let theirs = directory(&home, "theirs", 0o700);
    let name = format!("autod-it-root-{}", std::process::id());
    let _litter = Last::of(&name, 0);
    let as_root = |words: &[&str]| {
        home.fixture(words)
            .env("HOME", &theirs)
            .env("XDG_RUNTIME_DIR", &theirs)
            .env("FIX_NAME", &name)
    };
    let daemon = as_root(&["pid"]).out();
    assert_eq!(entries(&theirs), [] as [PathBuf; 0]);
    let user = as_somebody(&home, &["pid"]).env("XDG_RUNTIME_DIR", &theirs).env("FIX_NAME", &name);
    assert_ne!(user.out(), daemon, "each has its own");
    for entry in entries(&theirs.join(&name)) {
        assert_eq!(std::fs::symlink_metadata(&entry).unwrap().uid(), SOMEBODY, "{entry:?}");
    }
    assert_eq!(as_root(&["pid"]).out(), daemon);
    as_root(&["stop"]).out();
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_left_alone() {
    let Some(home) = shared_home() else { return };
    // Where the private directory should be, and as the directory of an explicit socket.
    let place = directory(&home, "fixture", 0o700);
    let said = home.fixture(["pid"]).done().failed(1);
    assert!(said.contains(&format!("belongs to uid {SOMEBODY}, not to uid 0")), "{said}");
    let said = home.fixture(["pid"]).env("FIX_SOCK", place.join("s")).done().failed(1);
    assert!(said.contains(&format!("belongs to uid {SOMEBODY}, not to uid 0 or root")), "{said}");
    assert_eq!(entries(&place), [] as [PathBuf; 0]);
    assert!(home.processes().is_empty());
}

#[test]
fn a_squatted_place_in_tmp_is_refused_by_name() {
    let Some(home) = shared_home() else { return };
    let name = format!("autod-it-squat-{}", std::process::id());
    let litter = Last::of(&name, SOMEBODY);
    // Made by root, who is somebody else to this user.
    std::fs::create_dir(&litter.0[1]).unwrap();
    let run = as_somebody(&home, &["pid"]).env("XDG_RUNTIME_DIR", "").env("FIX_NAME", &name);
    let said = run.done().failed(1);
    assert!(said.contains(&format!("{} belongs to uid 0", litter.0[1].display())), "{said}");
    assert_eq!(entries(&litter.0[1]), [] as [PathBuf; 0]);
}

#[test]
fn a_daemon_of_somebody_else_is_told_nothing() {
    let Some(home) = shared_home() else { return };
    let shared = home.join("shared");
    std::fs::create_dir(&shared).unwrap();
    open(&shared, 0o1777);
    let sock = shared.join("sock");
    let pidfile = shared.join("pid");
    let theirs = as_somebody(&home, &["foreground"]).env("FIX_SOCK", &sock);
    let theirs = theirs.env("FIX_PIDFILE", &pidfile).spawn();
    eventually("it serves", || pidfile.exists());
    // Root may open every door, and would be served.
    let said = home.fixture(["add", "1"]).env("FIX_SOCK", &sock).done().failed(1);
    assert!(said.contains(&format!("uid {SOMEBODY}")), "{said}");
    let total = as_somebody(&home, &["add", "0"]).env("FIX_SOCK", &sock).out();
    assert_eq!(total, "0", "root's call was not executed");
    // The locks beside the socket are somebody's too.
    as_somebody(&home, &["stop"]).env("FIX_SOCK", &sock).out();
    wait_until_gone(theirs.pid());
    let said = home.fixture(["add", "1"]).env("FIX_SOCK", &sock).done().failed(1);
    assert!(said.contains(&format!("belongs to uid {SOMEBODY}, not to uid 0")), "{said}");
}

#[test]
fn a_runtime_directory_without_the_right_to_write_is_passed_over() {
    let Some(home) = shared_home() else { return };
    let theirs = directory(&home, "theirs", 0o500);
    let name = format!("autod-it-unwritable-{}", std::process::id());
    let litter = Last::of(&name, SOMEBODY);
    let run = |words: &[&str]| {
        as_somebody(&home, words).env("XDG_RUNTIME_DIR", &theirs).env("FIX_NAME", &name)
    };
    run(&["pid"]).out();
    let log = std::fs::read_to_string(litter.0[1].join("log")).unwrap();
    assert!(log.contains("was passed over: it has no room for a directory"), "{log}");
    run(&["stop"]).out();
}
