//! `autod probe` beside daemons in each state, and beside what is none.

use std::os::unix::net::UnixListener;

use rustix::process::Signal;

use crate::world::{World, eventually, fails, free_port, kill, out};

impl World {
    /// The exit code, and what is on standard output.
    #[track_caller]
    fn probe(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let arguments = [&["probe", "--timeout", "30000"], arguments].concat();
        let output = self.autod(&arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().trim_end().to_owned())
    }
}

#[test]
fn a_daemon_that_serves_is_ready_and_asking_is_no_use_of_it() {
    let world = World::new();
    let (code, text) = fails(&mut world.autod(&["probe", "fixture"]));
    assert_eq!(code, 3, "{text}");
    assert!(world.processes().is_empty(), "a probe has started something");
    out(world.fixture(&["add", "1"]).env("FIX_AUTOCLOSE", "300"));
    let mut asked = 0;
    eventually("it goes, whoever asks", || match world.probe(&["fixture"]) {
        (Some(0), words) => {
            assert_eq!(words, "ready");
            asked += 1;
            false
        }
        (code, _) => code == Some(3),
    });
    assert!(asked > 1, "it was there for a while");
}

#[test]
fn a_daemon_that_starts_lives_and_is_not_ready() {
    let world = World::new();
    let mut caller = world.fixture(&["pid"]).env("FIX_INIT", "slow:600000").spawn().unwrap();
    eventually("it says how far it is", || {
        let (code, words) = world.probe(&["fixture"]);
        assert_ne!(code, Some(0), "{words}");
        words.starts_with("starting: step ")
    });
    assert_eq!(world.probe(&["fixture"]).0, Some(1));
    assert_eq!(world.probe(&["--live", "fixture"]).0, Some(0));
    let pid = world.json(&["status", "fixture"])["pid"].as_u64().unwrap();
    caller.kill().unwrap();
    caller.wait().unwrap();
    kill(i32::try_from(pid).unwrap(), Signal::KILL);
}

#[test]
fn silence_is_no_readiness() {
    let world = World::new();
    let sock = world.join("silent");
    let _listener = UnixListener::bind(&sock).unwrap();
    let sock = sock.to_str().unwrap();
    let (code, text) = fails(&mut world.autod(&["probe", "--live", "--timeout", "50", sock]));
    assert_eq!(code, 6, "{text}");
    let (code, text) =
        fails(&mut world.autod(&["probe", &format!("tcp:127.0.0.1:{}", free_port())]));
    assert_eq!(code, 3, "{text}");
    let (code, text) = fails(&mut world.autod(&["probe", "tcp:7443"]));
    assert_eq!(code, 2, "{text}");
}
