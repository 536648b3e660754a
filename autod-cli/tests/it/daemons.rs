//! `autod ps`, `status` and `describe` beside daemons in each state.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::world::{World, eventually, fails, freeze, kill, out};

#[test]
fn ps_shows_daemons_of_both_kinds_and_leaves_them_alone() {
    let world = World::new();
    assert!(world.row(&["--all"], "fixture").is_none());
    let pid = world.daemon();
    let sock = world.join("it's here.sock");
    let other = out(world.fixture(&["pid"]).env("FIX_SOCK", &sock));
    let row = world.row(&[], "fixture").unwrap();
    assert_eq!((&row["state"], &row["status"]["pid"]), (&"ready".into(), &pid.into()));
    let explicit = world.row(&[], sock.to_str().unwrap()).unwrap();
    assert_eq!(explicit["status"]["pid"].to_string(), other);
    let text = out(&mut world.autod(&["ps"]));
    let heads: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(heads[..4], ["NAME", "PID", "STATE", "VERSION"]);
    assert!(text.lines().any(|line| line.starts_with("fixture ") && line.contains(" ready ")));
    // Asking is no use: the daemon goes as if nobody had come.
    assert_eq!(row["status"]["connections"], 0);
    out(&mut world.autod(&["stop", "fixture", sock.to_str().unwrap()]));
    assert!(world.row(&[], "fixture").is_none() && world.processes().is_empty());
    assert_eq!(world.row(&["--all"], "fixture").unwrap()["state"], "ended");
    let left = std::fs::read_dir(world.join(".autod")).unwrap().count();
    assert_eq!(left, 0, "a daemon that ends in order leaves no link");
}

#[test]
fn asking_does_not_keep_a_daemon_alive() {
    let world = World::new();
    out(world.fixture(&["add", "1"]).env("FIX_AUTOCLOSE", "300"));
    let mut asked = 0;
    eventually("it goes", || {
        asked += 1;
        world.row(&[], "fixture").is_none()
    });
    assert!(asked > 1, "it was there for a while");
}

#[test]
fn a_daemon_that_starts_or_closes_says_so() {
    let world = World::new();
    let mut caller = world.fixture(&["pid"]).env("FIX_INIT", "slow:600000").spawn().unwrap();
    eventually("it starts", || {
        world.row(&[], "fixture").is_some_and(|row| row["status"]["state"] == "starting")
    });
    eventually("it says how far it is", || {
        let row = world.row(&[], "fixture").unwrap();
        row["state"] == "starting"
            && row["status"]["progress"].as_str().is_some_and(|text| text.starts_with("step "))
    });
    let status = world.json(&["status", "fixture"]);
    assert_eq!(status["users"][0]["pid"], caller.id(), "the starter waits: {status}");
    caller.kill().unwrap();
    caller.wait().unwrap();
    let pid = i32::try_from(status["pid"].as_u64().unwrap()).unwrap();
    kill(pid, Signal::KILL);

    let world = World::new();
    let mut caller = world.fixture(&["sleep", "600000"]);
    let mut caller = caller.env("FIX_DRAIN", "600000").spawn().unwrap();
    eventually("it is called", || {
        world.row(&[], "fixture").is_some_and(|row| row["status"]["calls_open"] == 1)
    });
    let closing = world.autod(&["stop", "--timeout", "200", "fixture"]).output().unwrap();
    assert_eq!(closing.status.code(), Some(6), "{closing:?}");
    let row = world.row(&[], "fixture").unwrap();
    assert_eq!(row["state"], "closing");
    let pid = row["life"]["pid"].as_u64().expect("its lock says who it is");
    let (code, text) = fails(&mut world.autod(&["status", "fixture"]));
    assert_eq!(code, 3);
    assert!(text.contains("is closing") && text.contains(&pid.to_string()), "{text}");
    caller.kill().unwrap();
    caller.wait().unwrap();
    eventually("it is gone", || world.row(&[], "fixture").is_none());
}

#[test]
fn a_daemon_that_hangs_holds_up_nobody_else() {
    let world = World::new();
    let pid = world.daemon();
    let sock = world.join("other.sock");
    out(world.fixture(&["pid"]).env("FIX_SOCK", &sock));
    freeze(pid);
    let began = Instant::now();
    let row = world.row(&["--timeout", "300"], "fixture").unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((&row["state"], &row["life"]["pid"]), (&"hung".into(), &pid.into()));
    let other = world.row(&["--timeout", "300"], sock.to_str().unwrap()).unwrap();
    assert_eq!(other["state"], "ready");
    let (code, text) = fails(&mut world.autod(&["status", "--timeout", "200", "fixture"]));
    assert_eq!(code, 6);
    assert!(
        text.contains(&pid.to_string()) && text.contains("autod stop --kill fixture"),
        "{text}"
    );
    kill(pid, Signal::CONT);
    assert_eq!(world.json(&["status", "--timeout", "30000", "fixture"])["pid"], pid);
}

#[test]
fn those_that_answer_are_shown_while_another_one_hangs() {
    let world = World::new();
    let pid = world.daemon();
    let sock = world.join("other.sock");
    out(world.fixture(&["pid"]).env("FIX_SOCK", &sock));
    for format in [&["--json"][..], &[]] {
        freeze(pid);
        let mut command = world.autod(&["ps", "--timeout", "8000"]);
        let mut child = command.args(format).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert!(lines.any(|line| line.contains(sock.to_str().unwrap())));
        // The row of the other one is there before this one can answer.
        kill(pid, Signal::CONT);
        let late = lines.find(|line| line.contains("fixture")).unwrap();
        assert!(late.contains("ready") && late.contains(&pid.to_string()), "{late}");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_killed_daemon_is_dead_until_it_is_reaped() {
    let world = World::new();
    let pid = world.daemon();
    kill(pid, Signal::KILL);
    eventually("it is dead", || world.row(&[], "fixture").unwrap()["state"] == "dead");
    let row = world.row(&[], "fixture").unwrap();
    assert_eq!(row["life"]["pid"], pid, "its last words are still there");
    let (code, text) = fails(&mut world.autod(&["status", "fixture"]));
    assert_eq!(code, 3);
    assert!(text.contains("does not run") && text.contains("next command"), "{text}");
    assert!(world.join("fixture/sock").exists());
    assert_eq!(world.row(&["--reap"], "fixture").unwrap()["reaped"], true);
    assert!(!world.join("fixture/sock").exists());
    assert!(world.join("fixture/life.lock").exists() && world.join("fixture/log").exists());
    assert!(world.row(&[], "fixture").is_none());
    assert_ne!(world.daemon(), pid);
}

#[test]
fn a_killed_daemon_of_an_explicit_socket_is_forgotten_when_it_is_reaped() {
    let world = World::new();
    let [sock, other] = ["mine.sock", "other.sock"].map(|name| world.join(name));
    let serve = |sock| out(world.fixture(&["pid"]).env("FIX_SOCK", sock)).parse().unwrap();
    let (pid, living): (u32, u32) = (serve(&sock), serve(&other));
    let links = || std::fs::read_dir(world.join(".autod")).unwrap().count();
    assert_eq!(links(), 2);
    kill(pid.cast_signed(), Signal::KILL);
    let name = sock.to_str().unwrap();
    eventually("it is dead", || world.row(&[], name).unwrap()["state"] == "dead");
    assert_eq!(links(), 2, "it can still be asked about");
    assert_eq!(world.row(&["--reap"], name).unwrap()["reaped"], true);
    assert!(!sock.exists() && world.row(&["--all"], name).is_none());
    assert_eq!(links(), 1);
    // The other one lives, and is as well known as before.
    assert_eq!(serve(&other), living);
    assert_eq!(world.row(&[], other.to_str().unwrap()).unwrap()["status"]["pid"], living);
}

/// The reaper runs all the time while daemons are killed and started.
#[test]
fn the_reaper_never_meets_a_daemon_that_starts() {
    let world = World::new();
    let over = std::sync::atomic::AtomicBool::new(false);
    let reaped = std::thread::scope(|scope| {
        let reaper = scope.spawn(|| {
            let mut reaped = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let row = world.row(&["--reap"], "fixture");
                reaped += u32::from(row.is_some_and(|row| row["reaped"] == true));
            }
            reaped
        });
        let mut before = 0;
        for _ in 0..30 {
            let pid = world.daemon();
            assert_ne!(pid, before);
            // The door that it has is still the one that leads to it.
            assert_eq!(world.daemon(), pid);
            kill(pid, Signal::KILL);
            before = pid;
        }
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        reaper.join().unwrap()
    });
    // Whether it came before the next start is up to the scheduler, for each round anew.
    eprintln!("reaped {reaped} of 30");
    world.daemon();
}

#[test]
fn status_says_why_a_daemon_is_there_and_what_it_does() {
    let world = World::new();
    let pid = world.daemon();
    out(&mut world.fixture(&["adds", "5"]));
    out(&mut world.fixture(&["hold", "600000"]));
    let mut caller = world.fixture(&["block", "600000"]).spawn().unwrap();
    eventually("it is called", || world.json(&["status", "fixture"])["calls_open"] == 1);
    let status = world.json(&["status", "fixture"]);
    assert_eq!((&status["pid"], &status["state"]), (&pid.into(), &"ready".into()));
    assert_eq!((&status["service"], &status["name"]), (&"Probe".into(), &"fixture".into()));
    assert_eq!(status["manner"], "spawned");
    assert!(status["memory"]["resident_bytes"].as_u64().unwrap() > 1 << 20, "{status}");
    assert_eq!(status["holds"][0]["reason"], "a test asked for it");
    assert_eq!(
        (&status["connections"], &status["users"][0]["pid"]),
        (&1.into(), &caller.id().into())
    );
    let command = status["users"][0]["command"].as_str().unwrap();
    assert!(command.ends_with("fixture block 600000"), "{command}");
    assert_eq!(status["users"][0]["calls"][0]["method"], "block");
    let methods = status["methods"].as_array().unwrap();
    let method = |name: &str| methods.iter().find(|method| method["name"] == name);
    let add = method("add").unwrap();
    assert_eq!(
        (&add["calls"], &add["failed"], &add["cancelled"]),
        (&5.into(), &0.into(), &0.into())
    );
    let [p50, p99, max] = ["p50_ns", "p99_ns", "max_ns"].map(|key| add[key].as_u64().unwrap());
    assert!(0 < p50 && p50 <= p99 && p99 <= max && max < 10_000_000_000, "{add}");
    assert!(method("block").is_none(), "it has not ended");
    let text = out(&mut world.autod(&["status", "fixture"]));
    for words in ["1 connected", "a test asked for it", "1 call in flight", "block", "METHOD"] {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    caller.kill().unwrap();
    caller.wait().unwrap();
}

#[test]
fn failed_and_cancelled_calls_are_told_apart() {
    let world = World::new();
    world.daemon();
    out(&mut world.fixture(&["panic", "ouch"]));
    let mut caller = world.fixture(&["sleep", "600000"]).spawn().unwrap();
    eventually("it is called", || world.json(&["status", "fixture"])["calls_open"] == 1);
    caller.kill().unwrap();
    caller.wait().unwrap();
    let counts = |status: &serde_json::Value, name: &str| {
        let methods = status["methods"].as_array().unwrap();
        let method = methods.iter().find(|method| method["name"] == name)?;
        Some(["calls", "failed", "cancelled"].map(|key| method[key].as_u64().unwrap()))
    };
    eventually("it is cancelled", || {
        counts(&world.json(&["status", "fixture"]), "sleep") == Some([1, 0, 1])
    });
    assert_eq!(counts(&world.json(&["status", "fixture"]), "panic"), Some([1, 1, 0]));
}

#[test]
fn describe_gives_the_methods_as_they_were_written() {
    let world = World::new();
    world.daemon();
    let table = world.json(&["describe", "fixture"]);
    let methods = table["methods"].as_array().unwrap();
    let divide = methods.iter().find(|method| method["name"] == "divide").unwrap();
    assert_eq!((&divide["docs"], &divide["error"]), (&"Divides.".into(), &"String".into()));
    assert_eq!(divide["arguments"][1], serde_json::json!({"name": "b", "type": "i64"}));
    let text = out(&mut world.autod(&["describe", "fixture"]));
    assert!(
        text.contains("    /// Divides.\n    fn divide(a: i64, b: i64) -> Result<i64, String>\n"),
        "{text}"
    );
    assert!(text.contains("service Probe {"), "{text}");
}

#[test]
fn a_daemon_that_a_supervisor_looks_after_answers_by_its_socket() {
    let world = World::new();
    let sock = world.join("up.sock");
    let program = crate::world::example("fixture");
    let text = format!(
        "[service.it]\ncmd = [\"{}\", \"pid\"]\nkind = \"autod\"\nlisten = [{{ unix = \"{}\" }}]\n",
        program.display(),
        sock.display()
    );
    let up = world.up(&world.write("autod.toml", &text));
    let path = sock.to_str().unwrap();
    let status = world.json(&["status", "--timeout", "30000", path]);
    assert_eq!((&status["manner"], &status["service"]), (&"activated".into(), &"Probe".into()));
    let (code, text) = fails(&mut world.autod(&["restart", path]));
    assert!(code == 1 && text.contains("a supervisor looks after it"), "{text}");
    up.end();
}
