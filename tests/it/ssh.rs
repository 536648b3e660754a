//! Daemons on another machine, over a real ssh.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::home::{eventually, is_gone, kill, stop, wait_until_gone};
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
    // The bridge may still be on its way out, when the caller has heard it.
    eventually("nothing is left", || sshd.far.processes().is_empty());
    assert!(!sshd.far.place().join("log").exists(), "no daemon was started");
}

/// What the daemon can know: the user that the login became, by the kernel; its name, by the login.
#[test]
fn the_service_is_told_of_the_login() {
    let Some(sshd) = Sshd::with("SetEnv USER=somebody") else { return };
    let uid = rustix::process::geteuid().as_raw();
    let lines = sshd.fixture(&["caller"]).out();
    let said = lines.lines().find(|line| line.starts_with("voucher ")).expect("a voucher");
    assert!(said.starts_with("voucher Login { user: \"somebody\", bridge: Peer {"), "{said}");
    assert!(said.contains(&format!("uid: {uid}")), "{said}");
    // The process is one of that machine, and not of the caller.
    let here = sshd.far.fixture(["caller"]).out();
    assert!(here.lines().any(|line| line.starts_with("voucher Kernel(Peer {")), "{here}");
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

#[test]
fn a_client_that_blocks_uses_the_daemon_of_another_machine() {
    let Some(sshd) = Sshd::start() else { return };
    let blocking = |words: &[&str]| sshd.fixture(&[&["blocking"], words].concat());
    let daemon = blocking(&["pid"]).out();
    assert_eq!(sshd.far.fixture(["pid"]).out(), daemon);
    assert_eq!(blocking(&["bytes", "2"]).out(), (2_u64 << 20).to_string());
    assert_eq!(blocking(&["echoes", "1"]).out(), "true");
    let missing = blocking(&["pid"]).env("FIX_HOST", "ssh://box/no-such-program");
    let missing = missing.done().failed(1);
    assert!(missing.contains("there is no no-such-program on box"), "{missing}");
}

/// What is called, and what the caller's environment holds, goes over the connection or nowhere.
#[test]
fn no_secret_is_in_arguments_environment_or_log_there() {
    const NUMBER: &str = "86413377";
    const WORD: &str = "wanderlust-4711";
    let Some(sshd) = Sshd::start() else { return };
    let calling = sshd.fixture(&["sleep", NUMBER]).env("FIX_SECRET", WORD).spawn();
    eventually("it is called", || sshd.far.fixture(["status"]).out().starts_with("(2,"));
    let of = |pids: &[u32], file: &str| -> String {
        let text = |pid| std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        pids.iter().map(|pid| String::from_utf8_lossy(&text(pid)).into_owned()).collect()
    };
    let mut pids: Vec<u32> = (0..3).flat_map(|which| sshd.between(which)).collect();
    pids.extend(sshd.far.processes());
    let arguments = of(&pids, "cmdline");
    assert!(arguments.contains("AUTOD_BRIDGE="), "it looks at the right ones: {arguments}");
    assert!(!arguments.contains(NUMBER) && !arguments.contains(WORD), "{arguments}");
    let environment = of(&sshd.far.processes(), "environ");
    assert!(environment.contains("AUTOD_BRIDGE="), "{environment}");
    assert!(!environment.contains(NUMBER) && !environment.contains(WORD), "{environment}");
    let log = std::fs::read_to_string(sshd.far.place().join("log")).unwrap();
    assert!(!log.contains(NUMBER) && !log.contains(WORD), "{log}");
    drop(calling);
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
    let call = || {
        let run = sshd.fixture(&["adds", "2000"]).env("FIX_KEEP_ALIVE", "1000");
        run.env("FIX_CONNECT", "6000").spawn()
    };
    // So that all of its life is hit, however fast the machine is.
    let begun = Instant::now();
    call().done().good();
    let life = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let (mut round, mut failed, mut longest) = (0, 0, Duration::ZERO);
    let mut hits = [0; 4];
    while hits.iter().sum::<u64>() < rounds {
        round += 1;
        let hit: u64 = hits.iter().sum();
        assert!(round <= 20 * rounds, "of {round} kills only {hit} hit somebody");
        let calling = call();
        let (moment, victim) = (random(life), random(4));
        // The pace of the kill, not of the test.
        std::thread::sleep(Duration::from_millis(moment));
        // The fourth is the link: nothing passes, and nobody hangs up.
        let is_link = victim == 3;
        let victims = sshd.between(if is_link { 0 } else { victim });
        let ends =
            || eventually("nobody is between", || (0..3).all(|w| sshd.between(w).is_empty()));
        if victims.is_empty() {
            // It had ended, or none of them was there yet: another moment.
            drop(calling);
            ends();
            continue;
        }
        for &pid in &victims {
            kill(pid, if is_link { Signal::STOP } else { Signal::KILL });
        }
        hits[usize::try_from(victim).unwrap()] += 1;
        println!("round {round}: {moment} ms, victim {victim}, {victims:?}");
        let killed = Instant::now();
        let done = calling.done();
        let took = killed.elapsed();
        if is_link {
            // It was told to end, which it hears now.
            victims.iter().filter(|&&pid| !is_gone(pid)).for_each(|&pid| kill(pid, Signal::CONT));
        }
        let what = format!("round {round}, {moment} ms, victim {victim}, {took:?}: {done:?}");
        match done.status.code() {
            Some(0) => {}
            Some(1) => {
                failed += 1;
                longest = longest.max(took);
                let known = ["connection", "hung up", "ssh", "ended before", "in time"];
                assert!(known.iter().any(|known| done.stderr.contains(known)), "{what}");
                // Three signs of life are missed after 3 s, a connection after 6; the rest is what a
                // busy machine takes.
                assert!(took < Duration::from_secs(10), "{what}");
            }
            _ => panic!("{what}"),
        }
        ends();
    }
    println!(
        "{hits:?} of ssh, sshd, the bridge and the link in {round} rounds of {life} ms: {failed} \
         calls failed, the last {longest:?} after the kill"
    );
    assert!(rounds < 50 || !hits.contains(&0), "{hits:?}");
    eventually("nothing is left there", || sshd.far.processes().is_empty());
}

fn ssh_of(sshd: &Sshd) -> u32 {
    sshd.between(0).pop().expect("an ssh")
}
