//! Where a daemon lives, and what is refused there.

use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::home::{Home, is_gone};

/// What a test makes outside of its home. It goes with the test, also when that fails.
struct Litter(Vec<PathBuf>);

impl Drop for Litter {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_dir_all(path).or_else(|_| std::fs::remove_file(path));
        }
    }
}

fn chmod(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn the_directory_the_door_and_the_files_are_private() {
    let home = Home::new();
    home.daemon();
    let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&home.place()), 0o700);
    for name in ["sock", "life.lock", "spawn.lock", "log"] {
        assert_eq!(mode(&home.place().join(name)), 0o600, "{name}");
    }
}

#[test]
fn a_runtime_directory_that_cannot_be_used_is_passed_over() {
    let home = Home::new();
    let open = home.join("open");
    std::fs::create_dir(&open).unwrap();
    chmod(&open, 0o777);
    // All of these lead to one and the same other place.
    let mut pids = Vec::new();
    let name = format!("autod-it-{}", std::process::id());
    let euid = rustix::process::geteuid().as_raw();
    let places = [format!("/run/user/{euid}/{name}"), format!("/tmp/{name}-{euid}")];
    let _litter = Litter(places.each_ref().map(PathBuf::from).into());
    for value in ["", "relative/path", "/nonexistent/runtime", open.to_str().unwrap()] {
        let run = home.fixture(["pid"]).env("FIX_NAME", &name).env("XDG_RUNTIME_DIR", value);
        pids.push(run.out());
    }
    pids.dedup();
    assert_eq!(pids.len(), 1, "{pids:?}");
    let place = places.iter().find(|place| Path::new(place).exists()).expect("a place");
    home.fixture(["close"]).env("FIX_NAME", &name).env("XDG_RUNTIME_DIR", "relative").out();
    crate::home::wait_until_gone(pids[0].parse().unwrap());
    home.fixture(["pid"]).env("FIX_NAME", &name).env("XDG_RUNTIME_DIR", "relative").out();
    let log = std::fs::read_to_string(Path::new(place).join("log")).unwrap();
    std::fs::remove_dir_all(place).unwrap();
    crate::home::eventually("the daemon has noticed", || home.processes().is_empty());
    assert!(log.contains("XDG_RUNTIME_DIR relative was passed over"), "{log}");
}

#[test]
fn a_directory_that_is_not_private_is_refused() {
    let home = Home::new();
    let place = home.place();
    std::fs::create_dir(&place).unwrap();
    chmod(&place, 0o777);
    let said = home.fixture(["pid"]).done().failed(1);
    assert!(said.contains("chmod 700") && said.contains(place.to_str().unwrap()), "{said}");

    std::fs::remove_dir(&place).unwrap();
    symlink("/tmp", &place).unwrap();
    let said = home.fixture(["pid"]).done().failed(1);
    assert!(said.contains("is a symbolic link") && said.contains("rm "), "{said}");
    assert!(home.processes().is_empty());
}

#[test]
fn a_regular_file_at_the_door_survives() {
    let home = Home::new();
    let sock = home.join("precious");
    std::fs::write(&sock, "data").unwrap();
    let said = home.fixture(["pid"]).env("FIX_SOCK", &sock).done().failed(1);
    assert!(said.contains("is a regular file"), "{said}");
    assert!(said.contains(&format!(": rm {}", sock.display())), "{said}");
    assert_eq!(std::fs::read_to_string(&sock).unwrap(), "data");
}

#[test]
fn a_lock_that_is_a_link_is_refused() {
    let home = Home::new();
    let target = home.join("target");
    std::fs::write(&target, "data").unwrap();
    for lock in ["spawn.lock", "life.lock"] {
        let place = home.place();
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir(&place).unwrap();
        chmod(&place, 0o700);
        symlink(&target, place.join(lock)).unwrap();
        let said = home.fixture(["pid"]).done().failed(1);
        let mending = format!("remove it: rm {}", place.join(lock).display());
        assert!(said.contains("is a symbolic link") && said.contains(&mending), "{said}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "data");
    }
}

#[test]
fn a_foreign_listener_without_a_greeting_is_a_clear_error() {
    let home = Home::new();
    let sock = home.join("foreign.sock");
    let listener = UnixListener::bind(&sock).unwrap();
    let foreign = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut &stream, b"220 mail.example ESMTP\r\n").unwrap();
        stream
    });
    let said = home.fixture(["pid"]).env("FIX_SOCK", &sock).done().failed(1);
    assert!(said.contains("the other end does not speak autod's protocol"), "{said}");
    drop(foreign.join().unwrap());
    assert!(std::fs::symlink_metadata(&sock).unwrap().file_type().is_socket());
}

#[test]
fn a_listener_that_hangs_up_is_not_tried_for_ever() {
    let home = Home::new();
    let sock = home.join("rude.sock");
    let listener = UnixListener::bind(&sock).unwrap();
    std::thread::spawn(move || while listener.accept().is_ok() {});
    for words in [["pid"], ["stop"], ["restart"]] {
        let said = home.fixture(words).env("FIX_SOCK", &sock).done().failed(1);
        assert!(said.contains("hung up 5 times before it accepted"), "{said}");
    }
}

#[test]
fn a_listener_that_is_always_closing_is_given_up_at_the_deadline() {
    let home = Home::new();
    let sock = home.join("closing.sock");
    let listener = UnixListener::bind(&sock).unwrap();
    let asked = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let count = std::sync::Arc::clone(&asked);
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let _ = std::io::Write::write_all(&mut stream, b"AUTOD\x01\x04\0\0\0\0\0");
        }
    });
    let run = home.fixture(["pid"]).env("FIX_SOCK", &sock).env("FIX_CONNECT", "300");
    let said = run.done().failed(1);
    assert!(said.contains("is still closing"), "{said}");
    let asked = asked.load(std::sync::atomic::Ordering::SeqCst);
    assert!(asked < 50, "asked {asked} times in 300 ms");
    assert!(home.processes().is_empty());
}

#[test]
fn sockets_stand_where_they_are_asked_for() {
    let home = Home::new();
    let long = home.join("d".repeat(100)).join("e".repeat(100));
    std::fs::create_dir_all(&long).unwrap();
    let shared = format!("/tmp/autod-it-{}.sock", std::process::id());
    let suffixes = ["", ".spawn", ".life", ".log", ".log.prev", ".failed.json"];
    let _litter = Litter(suffixes.map(|suffix| format!("{shared}{suffix}").into()).into());
    for sock in [long.join("s.sock"), shared.clone().into(), home.join("relative.sock")] {
        let run = |words: &[&str]| home.fixture(words).env("FIX_SOCK", &sock).cwd(home.path());
        let pid: u32 = run(&["pid"]).out().parse().unwrap();
        assert!(std::fs::symlink_metadata(&sock).unwrap().file_type().is_socket());
        assert_eq!(run(&["pid"]).out(), pid.to_string());
        run(&["close"]).out();
        crate::home::wait_until_gone(pid);
        assert!(is_gone(pid) && !sock.exists());
    }
}

#[test]
fn a_relative_socket_is_the_same_for_the_daemon() {
    let home = Home::new();
    let run = |words: &[&str]| home.fixture(words).env("FIX_SOCK", "here.sock").cwd(home.path());
    let pid = run(&["pid"]).out();
    assert_eq!(run(&["pid"]).out(), pid);
    assert!(home.join("here.sock").exists());
}

#[test]
fn a_name_that_cannot_be_one_is_told() {
    let home = Home::new();
    for name in ["", "a/b", ".hidden", &"x".repeat(65)] {
        let said = home.fixture(["pid"]).env("FIX_NAME", name).done().failed(1);
        assert!(said.contains("name"), "{name:?}: {said}");
    }
}
