//! Daemons on another machine, over a real ssh.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::home::{eventually, kill, stop, wait_until_gone};
use super::sshd::Sshd;

#[test]
fn the_counter_of_another_machine_counts() {
    let Some(sshd) = Sshd::start() else { return };
    assert_eq!(sshd.counter(&["add", "2"]).out(), "2");
    assert_eq!(sshd.counter(&["add", "3"]).out(), "5");
    // It is the daemon of that machine, which anybody there uses.
    assert_eq!(sshd.far.counter(["get"]).out(), "5");
    assert_eq!(sshd.near.counter(["get"]).out(), "0");
    sshd.counter(&["close"]).out();
    eventually("nothing is left", || sshd.far.processes().is_empty());
}

/// What `ssh` finds at the other end instead of the program that it asked for.
fn forced(script: &str) -> String {
    format!("ForceCommand {script}")
}

#[test]
fn the_output_of_a_profile_is_no_part_of_the_protocol() {
    let Some(mut sshd) = Sshd::start() else { return };
    // Before, between and after; also what it could print of the greetings, and a read of its own.
    sshd.near.script(
        "noisy",
        "echo 'Welcome!'; printf 'AUTOD\\001\\002\\000\\000\\000'; printf '\\000autod\\000\\001'\n\
         env\n\
         head -c 100000 /dev/zero\n\
         read -t 0 line\n\
         (while echo noise; do sleep 0.005; done) &\n\
         echo 'profile: no such file' >&2\n\
         sh -c \"$SSH_ORIGINAL_COMMAND\"\n\
         echo bye",
    );
    let noisy = sshd.near.join("noisy").display().to_string();
    sshd.configure(&forced(&noisy));
    assert_eq!(sshd.fixture(&["echo", "300000"]).out(), "true");
    for n in 1..=5 {
        assert_eq!(sshd.fixture(&["add", "1"]).out(), n.to_string());
    }
}

#[test]
fn what_is_wrong_there_is_said_here() {
    let Some(mut sshd) = Sshd::start() else { return };
    let near = |sshd: &Sshd, address: &str| {
        sshd.near(sshd.near.counter(["--host", address, "get"])).done().failed(1)
    };
    let missing = near(&sshd, "ssh://box/no-such-program");
    assert!(missing.contains("there is no no-such-program on box: install it there"), "{missing}");
    let other = near(&sshd, "ssh://box//bin/false");
    assert!(other.contains("/bin/false on box ended with exit code 1 before it joined"), "{other}");
    let directory = near(&sshd, "ssh://box//tmp");
    assert!(directory.contains("/tmp on box cannot be run"), "{directory}");
    let dash = near(&sshd, "-oProxyCommand=touch x");
    assert!(dash.contains("the host begins with a dash"), "{dash}");
    let unknown = near(&sshd, "ssh://nowhere.invalid/counter");
    assert!(
        unknown.contains("cannot connect to nowhere.invalid by ssh (autod-counter): ssh: "),
        "{unknown}"
    );
    // A program that has another daemon starts none.
    let mismatch = near(&sshd, &Sshd::address("fixture"));
    let said = "a caller on another machine asked for the daemon autod-counter";
    assert!(mismatch.contains(said), "{mismatch}");
    sshd.configure("SetEnv FIX_INIT=fail");
    let failed = sshd.fixture(&["pid"]).done().failed(1);
    assert!(failed.contains("failed to start: the index is damaged"), "{failed}");
    sshd.end();
    let refused = near(&sshd, "ssh://box/counter");
    assert!(refused.contains("cannot connect to box by ssh (autod-counter): "), "{refused}");
    assert!(refused.contains("Connection refused"), "{refused}");
}

#[test]
fn version_skew_is_a_mismatch() {
    let Some(mut sshd) = Sshd::start() else { return };
    // The same service in another shape.
    let skewed = sshd.fixture(&["other-shape"]).done().failed(1);
    assert!(skewed.contains("another shape"), "{skewed}");
    // A bridge of a version to come.
    let script = "eval \"$(echo \"$SSH_ORIGINAL_COMMAND\" | sed s/BRIDGE=1:/BRIDGE=2:/)\"";
    sshd.near.script("skew", script);
    let skew = sshd.near.join("skew").display().to_string();
    sshd.configure(&forced(&skew));
    let skewed = sshd.fixture(&["pid"]).done().failed(1);
    assert!(skewed.contains("speaks version 1 only"), "{skewed}");
}

#[test]
fn a_slow_start_there_is_waited_for() {
    let Some(sshd) = Sshd::with("SetEnv FIX_INIT=block:2500") else { return };
    let run = sshd.fixture(&["pid"]).env("FIX_SILENCE", "1500");
    run.done().good();
}

#[test]
fn only_what_runs_is_used_if_that_is_asked() {
    let Some(sshd) = Sshd::start() else { return };
    let none = sshd.fixture(&["existing"]).done();
    assert_eq!(none.stdout, "not running: true", "{none:?}");
    assert!(none.stderr.contains("no daemon listens"), "{none:?}");
    assert_eq!(sshd.far.processes(), Vec::<u32>::new());
}

#[test]
fn a_link_that_is_dead_is_noticed_by_both_ends() {
    let Some(sshd) = Sshd::with("SetEnv FIX_AUTOCLOSE=100") else { return };
    let mut stalling = sshd.fixture(&["stall"]).env("FIX_KEEP_ALIVE", "200").spawn();
    stalling.line();
    // Nothing passes, and nobody hangs up.
    let ssh = ssh_of(&sshd);
    stop(ssh);
    let lost = stalling.done().failed(1);
    assert!(lost.contains("connection"), "{lost}");
    eventually("the far end has given up", || sshd.far.processes().is_empty());
    // It was told to end.
    kill(ssh, Signal::CONT);
    wait_until_gone(ssh);
}

#[test]
fn a_daemon_that_a_bridge_has_started_is_one_like_any_other() {
    let Some(sshd) = Sshd::start() else { return };
    // What it runs would become a bridge.
    assert_eq!(sshd.fixture(&["env", "AUTOD_BRIDGE"]).out(), "None");
    // It outlives the login, whose output it does not hold.
    let daemon = sshd.fixture(&["pid"]).out();
    assert_eq!(sshd.far.fixture(["pid"]).out(), daemon);
}

/// Kills what stands between, at random moments.
#[test]
fn whatever_dies_between_the_call_ends() {
    let Some(sshd) = Sshd::with("SetEnv FIX_AUTOCLOSE=100") else { return };
    let setting = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let rounds = setting("SSH_ROUNDS").unwrap_or(12);
    let mut seed = setting("SSH_SEED").unwrap_or(43);
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    let (mut answered, mut longest) = (0, Duration::ZERO);
    for round in 0..rounds {
        let calling = sshd.fixture(&["adds", "2000"]).env("FIX_KEEP_ALIVE", "1000").spawn();
        let (moment, victim) = (random(600), random(3));
        // The pace of the kill, not of the test.
        std::thread::sleep(Duration::from_millis(moment));
        for pid in sshd.between(victim) {
            kill(pid, Signal::KILL);
        }
        let killed = Instant::now();
        let done = calling.done();
        longest = longest.max(killed.elapsed());
        let what = format!("round {round}, {moment} ms, victim {victim}: {done:?}");
        match done.status.code() {
            Some(0) => answered += 1,
            Some(1) => {
                let known = ["connection", "hung up", "ssh", "ended before"];
                assert!(known.iter().any(|known| done.stderr.contains(known)), "{what}");
            }
            _ => panic!("{what}"),
        }
    }
    println!("{answered} of {rounds} were answered; the longest took {longest:?} after the kill");
    eventually("nothing is left there", || sshd.far.processes().is_empty());
}

fn ssh_of(sshd: &Sshd) -> u32 {
    sshd.between(0).pop().expect("an ssh")
}
