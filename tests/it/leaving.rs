//! A daemon goes, in order or not, and what comes after it.

use rustix::process::Signal;

use crate::home::{Home, eventually, kill, stop, wait_until_gone};

#[test]
fn a_daemon_that_is_asked_to_end_does_not_wait_for_the_spawn_lock() {
    let home = Home::new();
    for how in ["a signal", "a call"] {
        let daemon = home.daemon();
        let lock = std::fs::File::open(home.place().join("spawn.lock")).unwrap();
        eventually("the spawn lock is free", || lock.try_lock().is_ok());
        match how {
            "a signal" => kill(daemon, Signal::TERM),
            _ => drop(home.fixture(["close"]).done().good()),
        }
        wait_until_gone(daemon);
        assert!(
            home.place().join("sock").exists(),
            "{how}: only a holder of both locks removes it"
        );
        let caller = home.fixture(["pid"]).spawn();
        drop(lock);
        assert_ne!(caller.done().good().stdout, daemon.to_string());
    }
}

#[test]
fn a_stop_ends_the_daemon_at_once_and_returns_when_it_can_be_sure_of_it() {
    let home = Home::new();
    let daemon = home.daemon();
    let lock = std::fs::File::open(home.place().join("spawn.lock")).unwrap();
    eventually("the spawn lock is free", || lock.try_lock().is_ok());
    let stop = home.fixture(["stop"]).spawn();
    wait_until_gone(daemon);
    drop(lock);
    assert_eq!(stop.done().good().stdout, "true");
    // Somebody who does not let go is named.
    let daemon = home.daemon();
    let lock = std::fs::File::open(home.place().join("spawn.lock")).unwrap();
    eventually("the spawn lock is free", || lock.try_lock().is_ok());
    let said = home.fixture(["stop"]).env("FIX_CONNECT", "300").done().failed(1);
    assert!(said.contains("holds the lock"), "{said}");
    wait_until_gone(daemon);
    drop(lock);
}

#[test]
fn the_call_after_a_close_is_served_by_a_successor() {
    let home = Home::new();
    let starts = home.join("starts");
    let pid = || home.fixture(["pid"]).env("FIX_STARTS", &starts).out();
    let mut before = pid();
    for _ in 0..20 {
        home.fixture(["close"]).done().good();
        let after = pid();
        assert_ne!(after, before);
        before = after;
    }
    let starts = std::fs::read_to_string(&starts).unwrap();
    assert_eq!(starts.lines().count(), 21);
    assert!(!starts.contains("beside"), "there is one at a time: {starts}");
}

#[test]
fn children_of_a_killed_daemon_are_in_nobodys_way() {
    let home = Home::new();
    // One of main's before the daemon took over, one of init's, one of a handler's.
    let run = |word: &str| home.fixture([word]).env("FIX_MAIN_CHILD", "1").env("FIX_INIT", "child");
    for _ in 0..3 {
        run("leave-child").out();
        let daemon: u32 = run("pid").out().parse().unwrap();
        kill(daemon, Signal::KILL);
        wait_until_gone(daemon);
        assert_ne!(run("pid").out(), daemon.to_string());
    }
}

#[test]
fn callers_of_a_stopped_daemon_are_served_when_it_goes_on() {
    let home = Home::new();
    let daemon = home.daemon();
    stop(daemon);
    let callers: Vec<_> = (0..12).map(|_| home.fixture(["pid"]).spawn()).collect();
    kill(daemon, Signal::CONT);
    for caller in callers {
        assert_eq!(caller.done().good().stdout, daemon.to_string());
    }
}

#[test]
fn a_daemon_that_hangs_while_it_leaves_is_a_clear_error_and_the_next_call_works() {
    let home = Home::new();
    let run = |words: &[&str]| home.fixture(words).env("FIX_DRAIN", "3000");
    let daemon: u32 = run(&["pid"]).out().parse().unwrap();
    let call = run(&["sleep", "600000"]).spawn();
    eventually("the call runs", || run(&["status"]).out().starts_with("(2,"));
    run(&["close"]).out();
    eventually("its door is gone", || !home.place().join("sock").exists());
    // It holds the spawn lock a moment longer; one that is stopped then is another failure.
    let lock = std::fs::File::open(home.place().join("spawn.lock")).unwrap();
    eventually("the spawn lock is free", || lock.try_lock().is_ok());
    drop(lock);
    stop(daemon);
    let said = run(&["pid"]).done().failed(1);
    assert!(said.contains(&format!("(pid {daemon}) wanted to be gone and is not (")), "{said}");
    assert!(said.ends_with(&format!("\nhelp: end it: kill -9 {daemon}")), "{said}");
    kill(daemon, Signal::KILL);
    wait_until_gone(daemon);
    drop(call);
    assert_ne!(home.daemon(), daemon);
}

/// Nothing believes a pid: not in the locks' records, and not in the pidfile.
#[test]
fn pids_of_others_in_the_files_of_a_dead_daemon_decide_nothing() {
    let home = Home::new();
    let pidfile = home.join("pidfile");
    let run = || home.fixture(["pid"]).env("FIX_PIDFILE", &pidfile);
    let others = home.run("sleep").args(["1000"]).spawn();
    for other in [others.pid(), std::process::id(), 1] {
        let daemon: u32 = run().out().parse().unwrap();
        kill(daemon, Signal::KILL);
        wait_until_gone(daemon);
        for name in ["life.lock", "spawn.lock"] {
            let path = home.place().join(name);
            let record = std::fs::read_to_string(&path).unwrap();
            let (before, after) = record.split_once("\"pid\":").expect("a pid");
            let (_, after) = after.split_once(',').expect("more than a pid");
            std::fs::write(&path, format!("{before}\"pid\":{other},{after}")).unwrap();
        }
        std::fs::write(&pidfile, format!("{other}\n")).unwrap();
        let successor = run().out();
        assert_eq!(std::fs::read_to_string(&pidfile).unwrap().trim(), successor);
        assert!(!crate::home::is_gone(other), "nobody was signalled");
        assert_eq!(home.fixture(["stop"]).out(), "true");
        wait_until_gone(successor.parse().unwrap());
    }
}

#[test]
fn the_whole_runtime_directory_can_go() {
    let home = Home::new();
    let runtime = home.join("runtime");
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    let run = || home.fixture(["pid"]).env("XDG_RUNTIME_DIR", &runtime);
    let daemon: u32 = run().out().parse().unwrap();
    // As at the end of a login session.
    std::fs::remove_dir_all(&runtime).unwrap();
    wait_until_gone(daemon);
    assert!(!runtime.exists(), "it makes nothing");
    // And it is there again at the next login.
    std::fs::create_dir(&runtime).unwrap();
    std::fs::set_permissions(&runtime, std::os::unix::fs::PermissionsExt::from_mode(0o700))
        .unwrap();
    assert_ne!(run().out(), daemon.to_string());
}

#[autod::service]
trait Nothing {
    async fn nothing(&self);
}

struct Empty;

impl Nothing for Empty {
    async fn nothing(&self) {}
}

/// A program may return from `main` at any moment; what it has made goes with it.
#[test]
fn a_daemon_in_a_runtime_that_is_dropped_leaves_no_socket() {
    let home = Home::new();
    let describe = || autod::Daemon::new("empty").sockfile(home.join("socket"));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let is_left = || {
        let free = std::fs::File::open(home.join("socket.life")).unwrap().try_lock().is_ok();
        free && !home.join("socket").exists()
    };

    let (here, daemon) = runtime().block_on(async {
        let fails = async |_| Err("no index".into());
        let listening = describe().init::<(), _>(fails).serve(|_, _| Empty);
        let mut listening = listening.listen::<NothingClient>().await.unwrap();
        let here = home.join("socket").exists();
        assert_eq!(listening.ready().await.unwrap_err().to_string(), "no index");
        (here, listening.daemon().clone())
    });
    assert!(here, "it was there");
    // Whoever keeps a handle keeps the daemon's place.
    drop(daemon);
    assert!(is_left());

    runtime().block_on(async {
        let listening = describe().serve(|_, _| Empty).listen::<NothingClient>().await.unwrap();
        drop(listening);
        assert!(home.join("socket").exists(), "nothing has had a turn to leave");
    });
    assert!(is_left());

    let refused = runtime().block_on(async {
        let daemon = describe().root(home.join("missing")).serve(|_, _| Empty);
        daemon.listen::<NothingClient>().await.map(drop).unwrap_err()
    });
    assert!(refused.to_string().contains("missing"), "{refused}");
    assert!(is_left());
}
