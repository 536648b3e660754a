//! Every option of a daemon, and what its sessions know.

use std::os::unix::net::UnixListener;

use rustix::process::Signal;

use crate::home::{Home, eventually, example, is_gone, kill, wait_until_gone};

#[test]
fn unary_calls_carry_values_errors_and_megabytes() {
    let home = Home::new();
    assert_eq!(home.fixture(["divide", "7", "2"]).out(), "3");
    let said = home.fixture(["divide", "1", "0"]).done().failed(1);
    assert!(said.ends_with("cannot divide 1 by 0"), "{said}");
    assert_eq!(home.fixture(["echo", "5000000"]).out(), "true");
    assert_eq!(home.fixture(["count", "100000"]).out(), "4999950000");
}

#[test]
fn each_connection_has_an_object_of_its_own() {
    let home = Home::new();
    assert_eq!(home.fixture(["turns"]).out(), "0 0\n0 1\n0 2");
    assert_eq!(home.fixture(["turns"]).out(), "1 0\n1 1\n1 2");
    eventually("the objects are dropped with their connections", || {
        // The one that answers lives; those before it do not.
        let answer: u64 = home.fixture(["dropped"]).out().parse().unwrap();
        answer >= 2
    });
}

#[test]
fn args_reach_the_daemon_of_the_caller_that_started_it() {
    let home = Home::new();
    let args = |value: &str| home.fixture(["args"]).env("FIX_ARGS", value).out();
    assert_eq!(args("one two"), "[\"one\", \"two\"]");
    assert_eq!(args("three"), "[\"one\", \"two\"]", "a running daemon keeps what it was given");
}

#[test]
fn the_daemon_has_the_environment_that_was_configured() {
    let home = Home::new();
    let run = |words: [&str; 2]| {
        home.fixture(words).env("FIX_SET", "value").env("FIX_HIDDEN", "secret").out()
    };
    assert_eq!(run(["env", "FIX_SEEN"]), "Some(\"value\")");
    assert_eq!(run(["env", "FIX_HIDDEN"]), "None");
    for guard in ["AUTOD_STATUS_FD", "AUTOD_DEPTH"] {
        assert_eq!(run(["env", guard]), "None", "its children are no daemons");
    }
    let home = Home::new();
    let cleared = home.fixture(["env", "PATH"]).env("FIX_CLEAR", "1");
    assert_eq!(cleared.out(), "None");
}

#[test]
fn the_daemon_works_where_it_was_told_to() {
    let home = Home::new();
    assert_eq!(home.fixture(["cwd"]).cwd("/usr").out(), home.place().display().to_string());
    home.fixture(["close"]).out();
    assert_eq!(home.fixture(["cwd"]).env("FIX_CWD", "/usr").out(), "/usr");
}

#[test]
fn the_starting_directory_is_not_kept_busy() {
    let home = Home::new();
    let directory = home.join("project");
    std::fs::create_dir(&directory).unwrap();
    home.fixture(["pid"]).cwd(&directory).out();
    std::fs::remove_dir(&directory).unwrap();
    home.daemon();
}

#[test]
fn another_executable_can_be_the_daemon() {
    let home = Home::new();
    let copy = home.executable(example("fixture"), "another");
    let pid = home.fixture(["pid"]).env("FIX_EXEC", &copy).out();
    assert_eq!(std::fs::read_link(format!("/proc/{pid}/exe")).unwrap(), copy);

    let home = Home::new();
    let said = home.fixture(["pid"]).env("FIX_EXEC", "/nonexistent/program").done().failed(1);
    assert!(said.contains("/nonexistent/program"), "{said}");
}

#[test]
fn a_replaced_executable_still_starts() {
    let home = Home::new();
    let copy = home.executable(example("fixture"), "program");
    let mut caller = home.run(&copy).args(["pid"]).env("FIX_BARRIER", "1");
    caller.command.stdin(std::process::Stdio::piped());
    let mut caller = caller.spawn();
    assert_eq!(caller.line(), "waiting");
    std::fs::remove_file(&copy).unwrap();
    caller.release();
    caller.done().good();
}

#[test]
fn the_caller_is_known_to_the_session() {
    let home = Home::new();
    let said = home.fixture(["caller", "an argument"]).cwd("/usr").env("FIX_CHOSEN", "mine").out();
    for line in [
        "cwd /usr",
        "terminal None",
        "shares root true",
        "FIX_CHOSEN Some(\"mine\")",
        "PATH None",
        "arg caller",
        "arg an argument",
    ] {
        assert!(said.lines().any(|said| said == line), "{line:?} is not in\n{said}");
    }
    let uid = rustix::process::geteuid().as_raw();
    assert!(said.starts_with(&format!("uid {uid} pid Some(")), "{said}");
    // The next caller has its own.
    let said = home.fixture(["caller"]).cwd("/").env("FIX_CHOSEN", "other").out();
    assert!(said.contains("cwd /\n") && said.contains("Some(\"other\")"), "{said}");
}

#[test]
fn two_callers_are_known_by_their_own_environment() {
    let home = Home::new();
    let names = ("FIX_CALLER_ENV", "PATH TZ LANG");
    let said = |path: &str, zone: &str, language: &str| {
        let run = home.fixture(["caller"]).env(names.0, names.1);
        run.env("PATH", path).env("TZ", zone).env("LANG", language).out()
    };
    for (path, zone, language) in [
        ("/first/bin:/usr/bin:/bin", "Europe/Berlin", "de_DE.UTF-8"),
        ("/second/bin:/usr/bin:/bin", "Asia/Tokyo", "ja_JP.UTF-8"),
    ] {
        let said = said(path, zone, language);
        for (name, value) in [("PATH", path), ("TZ", zone), ("LANG", language)] {
            let line = format!("{name} Some({value:?})");
            assert!(said.lines().any(|said| said == line), "{line:?} is not in\n{said}");
        }
    }
    let first = home.fixture(["env", "TZ"]).out();
    assert_eq!(first, "Some(\"Europe/Berlin\")", "the daemon's own is that of its starter");
}

#[test]
fn the_caller_knows_whether_it_started_the_daemon() {
    let home = Home::new();
    let first = home.fixture(["origin"]).done().good();
    let pid = home.daemon();
    assert!(first.stdout.starts_with(&format!("{pid} true 1.2.3@")), "{first:?}");
    assert!(first.stderr.contains(&format!("note: spawned {pid}")), "{first:?}");
    let second = home.fixture(["origin"]).done().good();
    assert!(second.stdout.starts_with(&format!("{pid} false 1.2.3@")), "{second:?}");
    assert_eq!(second.stderr, "");
}

#[test]
fn what_the_daemon_prints_goes_to_its_log() {
    let home = Home::new();
    let quiet = home.fixture(["say", "quiet words"]).done().good();
    assert!(!quiet.stderr.contains("quiet words"), "{quiet:?}");
    let log = std::fs::read_to_string(home.place().join("log")).unwrap();
    assert!(log.contains("quiet words to stdout\n") && log.contains("quiet words to stderr\n"));
}

#[test]
fn debug_shows_the_callers_what_the_daemon_prints() {
    let home = Home::new();
    for words in ["cold words", "warm words"] {
        let said = home.fixture(["say", words]).env("FIX_DEBUG", "true").done().good();
        assert_eq!(said.stdout, "", "standard output is the result's");
        for stream in ["stdout", "stderr"] {
            let line = format!("{words} to {stream}");
            assert_eq!(said.stderr.matches(&line).count(), 1, "{line}: {said:?}");
        }
    }
}

#[test]
fn connections_and_holds_keep_the_daemon() {
    let home = Home::new();
    let linger = ("FIX_AUTOCLOSE", "100");
    let mut user = home.fixture(["linger", "1000"]).env(linger.0, linger.1).spawn();
    assert_eq!(user.line(), "connected");
    let daemon = home.daemon();
    assert_eq!(user.done().good().stdout, "1", "it was there all the time");
    wait_until_gone(daemon);

    home.fixture(["hold", "700"]).env(linger.0, linger.1).out();
    let status = home.fixture(["status"]).out();
    assert!(status.ends_with("[\"a test asked for it\"])"), "{status}");
    let held = home.daemon();
    std::thread::sleep(std::time::Duration::from_millis(350));
    assert!(!is_gone(held), "a hold is a user like a connection");
    wait_until_gone(held);
}

#[test]
fn without_autoclose_it_stays() {
    let home = Home::new();
    let daemon = home.daemon();
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(home.daemon(), daemon);
}

#[test]
fn closing_answers_calls_that_run() {
    let home = Home::new();
    let daemon = home.daemon();
    let sleeper = home.fixture(["sleep", "600"]).spawn();
    eventually("the call runs", || home.fixture(["status"]).out().starts_with("(2,"));
    home.fixture(["close"]).out();
    sleeper.done().good();
    wait_until_gone(daemon);
}

#[test]
fn a_call_ends_at_its_deadline_which_its_handler_knows() {
    let home = Home::new();
    assert_eq!(home.fixture(["deadline", "50"]).out(), "true true\ntrue None");
}

#[test]
fn a_call_that_is_not_cancelled_outlives_its_caller_and_keeps_the_daemon() {
    for close in [false, true] {
        let home = Home::new();
        let run = |words: &[&str]| home.fixture(words).env("FIX_AUTOCLOSE", "1");
        let caller = run(&["keep", home.path().to_str().unwrap()]).spawn();
        eventually("the call runs", || home.join("running").exists());
        let daemon: u32 = run(&["pid"]).out().parse().unwrap();
        kill(caller.pid(), Signal::KILL);
        caller.done();
        if close {
            run(&["close"]).out();
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert!(!is_gone(daemon), "a call that runs is a user");
        std::fs::write(home.join("go"), "").unwrap();
        wait_until_gone(daemon);
        assert!(home.join("done").exists(), "it ran to its end");
    }
}

#[test]
fn a_handler_that_blocks_holds_up_no_other_connection() {
    let home = Home::new();
    let run = |words: &[&str]| home.fixture(words).env("FIX_DRAIN", "100");
    let mut waiting = run(&["wait-and-add"]);
    waiting.command.stdin(std::process::Stdio::piped());
    let mut waiting = waiting.spawn();
    assert_eq!(waiting.line(), "connected");
    let blocked = run(&["block", "600000"]).spawn();
    eventually("the handler blocks", || {
        std::fs::read_to_string(home.place().join("log")).unwrap().contains("blocking")
    });
    waiting.release();
    assert_eq!(waiting.done().good().stdout, "1");
    assert_eq!(run(&["add", "1"]).out(), "2");
    run(&["close"]).out();
    assert_eq!(blocked.done().status.code(), Some(1));
}

#[test]
fn a_call_that_does_not_end_is_cut_off_at_the_drain_limit() {
    for call in ["sleep", "block"] {
        let home = Home::new();
        let run = |words: &[&str]| home.fixture(words).env("FIX_DRAIN", "300");
        let daemon: u32 = run(&["pid"]).out().parse().unwrap();
        let caller = run(&[call, "600000"]).spawn();
        eventually("the call runs", || run(&["status"]).out().starts_with("(2,"));
        run(&["close"]).out();
        wait_until_gone(daemon);
        let done = caller.done();
        assert_eq!(done.status.code(), Some(1), "{call}: {done:?}");
        // The successor is another one, and it works.
        assert_ne!(home.daemon(), daemon);
    }
}

#[test]
fn sigterm_closes_in_order() {
    let home = Home::new();
    let hook = home.join("hook");
    let run = home.fixture(["pid"]).env("FIX_INIT", format!("hook:{}", hook.display()));
    let daemon: u32 = run.out().parse().unwrap();
    kill(daemon, Signal::TERM);
    wait_until_gone(daemon);
    assert_eq!(std::fs::read_to_string(hook).unwrap(), "hook");
    assert!(!home.place().join("sock").exists());
}

#[test]
fn threads_of_the_program_are_waited_for_if_it_asks_for_that() {
    for (exit_on_close, finished) in [("true", false), ("false", true)] {
        let home = Home::new();
        let file = home.join("written");
        let run = home.fixture(["leave-thread", "600", file.to_str().unwrap()]);
        run.env("FIX_EXIT_ON_CLOSE", exit_on_close).out();
        eventually("the daemon is gone", || home.processes().is_empty());
        assert_eq!(file.exists(), finished, "exit_on_close({exit_on_close})");
    }
}

#[test]
fn threads_of_the_program_are_waited_for_no_longer_than_the_drain_limit() {
    let home = Home::new();
    let file = home.join("written");
    let run = home.fixture(["leave-thread", "600000", file.to_str().unwrap()]);
    run.env("FIX_EXIT_ON_CLOSE", "false").env("FIX_DRAIN", "300").out();
    eventually("the daemon is gone", || home.processes().is_empty());
    let log = std::fs::read_to_string(home.place().join("log")).unwrap();
    assert!(log.contains("autod: not everything ended within"), "{log}");
    home.daemon();
}

#[test]
fn a_daemon_that_waits_for_its_threads_has_no_successor_before_its_end() {
    let home = Home::new();
    let file = home.join("written");
    let run = home.fixture(["leave-thread", "600", file.to_str().unwrap()]);
    run.env("FIX_EXIT_ON_CLOSE", "false").out();
    home.daemon();
    assert!(file.exists(), "the successor came while the old one still worked");
}

#[test]
fn a_foreground_daemon_serves_and_ends_like_any_other() {
    let home = Home::new();
    let pidfile = home.join("pidfile");
    let foreground = home.fixture(["foreground"]).env("FIX_PIDFILE", &pidfile).spawn();
    eventually("it is ready", || pidfile.exists());
    let pid = foreground.pid().to_string();
    assert_eq!(std::fs::read_to_string(&pidfile).unwrap().trim(), pid);
    assert_eq!(home.fixture(["pid"]).out(), pid);

    let second = home.fixture(["foreground"]).done().failed(1);
    assert!(second.contains(&format!("pid {pid}")) && second.contains("already"), "{second}");
    assert_eq!(home.fixture(["pid"]).out(), pid, "the first one is unharmed");

    kill(foreground.pid(), Signal::INT);
    foreground.done().good();
    assert!(!pidfile.exists() && !home.place().join("sock").exists());
}

#[test]
fn what_a_program_does_after_its_daemon_is_its_own_business() {
    let home = Home::new();
    // A second past the drain limit a daemon that has not ended is ended.
    let run = home.fixture(["foreground"]).env("FIX_DRAIN", "100").env("FIX_AFTER", "1500");
    let foreground = run.spawn();
    eventually("it serves", || home.place().join("sock").exists());
    let pid = foreground.pid();
    assert_eq!(home.fixture(["stop"]).out(), "true");
    let done = foreground.done().good();
    assert_eq!(done.stdout, "after");
    assert_ne!(home.daemon(), pid);
}

#[test]
fn listening_beside_other_work_tells_when_it_is_ready() {
    let home = Home::new();
    let mut listen = home.fixture(["listen"]).env("FIX_INIT", "slow:300").spawn();
    let sock = home.place().join("sock");
    assert_eq!(listen.line(), format!("listening on {}", sock.display()));
    // It is not ready, and yet a caller is taken and waits.
    let early = home.fixture(["pid"]).spawn();
    assert_eq!(listen.line(), "ready");
    assert_eq!(early.done().good().stdout, listen.pid().to_string());
    home.fixture(["close"]).out();
    assert_eq!(listen.line(), "ended");
    listen.done().good();
}

#[test]
fn connecting_only_starts_nothing() {
    let home = Home::new();
    let done = home.fixture(["existing"]).done();
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(done.stdout, "not running: true");
    assert!(done.stderr.contains("no daemon listens on"), "{done:?}");
    assert!(home.processes().is_empty());
    let pid = home.daemon();
    assert_eq!(home.fixture(["existing"]).out(), pid.to_string());
}

#[test]
fn instances_are_daemons_of_their_own() {
    let home = Home::new();
    let pid = |key: &str| home.fixture(["pid"]).env("FIX_INSTANCE", key).out();
    let (one, two) = (pid("/home/me/one"), pid("/home/me/two"));
    assert_ne!(one, two);
    assert_eq!(pid("/home/me/one"), one);
}

#[test]
fn a_daemon_inherits_no_descriptor_of_its_starter() {
    let home = Home::new();
    let extra = home.join("extra");
    std::fs::write(&extra, "").unwrap();
    // Two files and a listener of the starter's.
    let listener = UnixListener::bind(home.join("other.sock")).unwrap();
    let script = "exec 7<\"$1\" 9>>\"$1\"; exec \"$0\" descriptors";
    let run = home.run("/bin/sh").args(["-c", script]).args([example("fixture"), extra]);
    let said = run.out();
    drop(listener);
    for name in ["0 ", "1 ", "2 "] {
        assert!(said.lines().any(|line| line.starts_with(name)), "{said}");
    }
    assert!(said.contains("0 /dev/null"), "{said}");
    assert_eq!(said.matches("/log").count(), 2, "stdout and stderr: {said}");
    assert!(!said.contains("extra") && !said.contains("pipe:["), "{said}");
}
