//! Daemons of another machine, over a real ssh.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::home::{Home, Run, eventually, kill, wait_until_gone};
use crate::sshd::Sshd;

const AUTOD: &str = env!("CARGO_BIN_EXE_autod");

/// The machine, by its own `autod`.
fn host() -> String {
    format!("ssh://box/{AUTOD}")
}

/// `autod` on the caller's side.
fn autod(sshd: &Sshd, words: &[&str]) -> Run {
    let mut run = sshd.near(sshd.near.run(AUTOD)).args(words);
    run.command.stdin(Stdio::null());
    run
}

/// The same command there, as somebody who is logged in gives it.
fn at(home: &Home, words: &[&str]) -> Run {
    home.run(AUTOD).args(words)
}

#[track_caller]
fn fed(sshd: &Sshd, words: &[&str], input: &str) -> String {
    let mut run = autod(sshd, words);
    run.command.stdin(Stdio::piped());
    let mut running = run.spawn();
    let (mut to, input) = (running.input(), input.to_owned());
    let feeder = std::thread::spawn(move || to.write_all(input.as_bytes()));
    let said = running.done().good().stdout;
    feeder.join().expect("no panic").expect("all is read");
    said
}

#[test]
fn a_method_of_another_machine_is_called_by_its_name() {
    let Some(sshd) = Sshd::start() else { return };
    let counter = Sshd::address("counter");
    // As any client there, it starts the daemon.
    assert_eq!(autod(&sshd, &["call", &counter, "add", "n=2"]).out(), "2");
    assert_eq!(autod(&sshd, &["call", &counter, "add", "[3]"]).out(), "5");
    assert_eq!(sshd.far.counter(["get"]).out(), "5");
    let described = autod(&sshd, &["describe", &counter]).out();
    assert!(described.contains("fn add(n: i64) -> i64"), "{described}");
    let status = autod(&sshd, &["status", &counter, "--json"]).out();
    assert!(status.contains("\"name\":\"autod-counter\""), "{status}");
}

#[test]
fn streams_and_bytes_go_to_another_machine() {
    let Some(sshd) = Sshd::start() else { return };
    let fixture = Sshd::address("fixture");
    let call = |words: &[&str]| autod(&sshd, &[&["call", &fixture], words].concat());
    assert_eq!(call(&["count", "end=3"]).out(), "0\n1\n2");
    let long = call(&["count", "end=20000"]).out();
    assert!(long.ends_with("\n19999") && long.lines().count() == 20_000, "{}", long.len());
    assert_eq!(fed(&sshd, &["call", &fixture, "sum", "start=1"], "2\n3\n"), "6");
    assert_eq!(fed(&sshd, &["call", &fixture, "double"], "2\n3\n"), "4\n6");
    let text = "bytes".repeat(100_000);
    assert_eq!(fed(&sshd, &["call", &fixture, "upper"], &text), text.to_uppercase());
}

#[test]
fn each_way_to_fail_over_ssh_has_its_code() {
    let Some(mut sshd) = Sshd::start() else { return };
    let fixture = Sshd::address("fixture");
    for word in ["describe", "status"] {
        let said = autod(&sshd, &[word, &fixture]).done().failed(3);
        assert!(said.contains("fixture daemon does not run"), "{said}");
    }
    // The bridge may still be on its way out, when the caller has heard it.
    eventually("nothing is left", || sshd.far.processes().is_empty());
    assert!(!sshd.far.place().join("log").exists(), "asking starts no daemon");
    let call = |words: &[&str]| autod(&sshd, &[&["call", &fixture], words].concat());
    assert_eq!(call(&["divide", "a=1", "b=0"]).done().failed(1), "\"cannot divide 1 by 0\"");
    let unknown = call(&["divided"]).done().failed(2);
    assert!(unknown.contains("has no method divided"), "{unknown}");
    let failed = |words: &[&str], code| autod(&sshd, words).done().failed(code);
    let missing = failed(&["call", "ssh://box/no-such-program", "get"], 1);
    assert!(missing.contains("there is no no-such-program on box: install it"), "{missing}");
    let nothing = failed(&["call", "ssh://box", "get"], 2);
    assert!(nothing.contains("names no program"), "{nothing}");
    let itself = failed(&["call", &host(), "get"], 1);
    assert!(itself.contains("the autod command has no daemon of its own"), "{itself}");
    for words in [&["stop", &*fixture][..], &["logs", &fixture], &["restart", &fixture]] {
        let said = failed(words, 2);
        assert!(said.contains("`--host box`"), "{said}");
    }
    sshd.end();
    let refused = autod(&sshd, &["call", &fixture, "pid"]).done().failed(1);
    assert!(refused.contains("cannot connect to box by ssh: "), "{refused}");
}

#[test]
fn the_autod_of_another_machine_does_what_it_does_there() {
    let Some(sshd) = Sshd::start() else { return };
    let host = host();
    let there = |words: &[&str]| autod(&sshd, &[words, &["--host", &host]].concat());
    let daemon = sshd.far.daemon().to_string();
    let rows = there(&["ps", "--json"]).out();
    let mine = |row: &&str| row.contains(&sshd.far.path().display().to_string());
    let row = rows.lines().find(mine).unwrap_or_else(|| panic!("{rows}"));
    assert!(row.contains("\"name\":\"fixture\"") && row.contains(&daemon), "{row}");
    sshd.far.fixture(["say", "words"]).out();
    assert_eq!(there(&["logs", "fixture"]).out(), at(&sshd.far, &["logs", "fixture"]).out());
    assert!(there(&["status", "fixture"]).out().contains(&format!("pid {daemon}")));
    there(&["stop", "fixture"]).out();
    wait_until_gone(daemon.parse().unwrap());
    // The exit code and the words are those of the command there.
    let gone = there(&["status", "fixture"]).done().failed(3);
    assert_eq!(gone, at(&sshd.far, &["status", "fixture"]).done().failed(3));
    let unknown = there(&["stop", "no-such-daemon"]).done().failed(4);
    assert!(unknown.contains("no daemon called no-such-daemon"), "{unknown}");
}

#[test]
fn a_machine_without_autod_says_so() {
    let Some(sshd) = Sshd::start() else { return };
    let failed = |host: &str| autod(&sshd, &["ps", "--host", host]).done().failed(1);
    let missing = failed("ssh://box/no-such-autod");
    assert!(missing.contains("there is no no-such-autod on box: install it there"), "{missing}");
    let other = failed(&Sshd::address("fixture"));
    assert!(other.contains("the program there is not the autod command"), "{other}");
    let older = failed("ssh://box//bin/true");
    assert!(older.contains("/bin/true on box ended with exit code 0 before it joined"), "{older}");
    let dash = failed("me@-oProxyCommand=x");
    assert!(dash.contains("the host begins with a dash"), "{dash}");
}

/// An upgrade may take its file away while it begins.
#[test]
fn an_autod_that_cannot_run_itself_says_so() {
    let home = Home::new();
    let copy = home.join("autod");
    // No copy is written here, which another test's child might hold open for writing.
    let copied = Command::new("cp").arg("--").args([AUTOD.as_ref(), &*copy]).status();
    assert!(copied.expect("cp runs").success());
    let (mut ours, theirs) = UnixStream::pair().expect("sockets");
    theirs.set_nonblocking(true).expect("a socket");
    while (&theirs).write(&[b'x'; 4096]).is_ok() {}
    // It waits for room for its sign of life, and has not looked for its file yet.
    let mut child = Command::new(&copy)
        .arg("ps")
        .env("AUTOD_BRIDGE", "1:0123456789abcdef:15000:command:")
        .stdin(Stdio::piped())
        .stdout(OwnedFd::from(theirs))
        .spawn()
        .expect("it starts");
    std::fs::remove_file(&copy).expect("it is there");
    let mut said = Vec::new();
    ours.read_to_end(&mut said).expect("it is read to its end");
    let status = child.wait().expect("it ends");
    let said = String::from_utf8_lossy(&said);
    let said = said.trim_start_matches('x');
    assert!(said.contains("the autod there cannot run itself: No such file"), "{said}");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn what_a_profile_prints_is_not_what_the_command_prints() {
    let Some(mut sshd) = Sshd::start() else { return };
    sshd.near.script(
        "noisy",
        "echo Welcome; echo noise >&2\n\
         (while echo noise; do sleep 0.005; done) &\n\
         sh -c \"$SSH_ORIGINAL_COMMAND\"\n\
         code=$?; kill $!; echo bye; exit $code",
    );
    let noisy = sshd.near.join("noisy").display().to_string();
    sshd.configure(&format!("ForceCommand {noisy}"));
    sshd.far.daemon();
    let status = autod(&sshd, &["status", "fixture", "--json", "--host", &host()]).done().good();
    assert!(status.stdout.starts_with('{') && status.stdout.lines().count() == 1, "{status:?}");
    assert_eq!(status.stderr, "");
    let unknown = autod(&sshd, &["stop", "nobody", "--host", &host()]).done().failed(4);
    assert_eq!(unknown.lines().count(), 2, "with its help: {unknown}");
}

#[test]
fn a_command_there_ends_with_its_connection() {
    let Some(sshd) = Sshd::start() else { return };
    for victim in ["ssh", "caller", "relay", "reader"] {
        sshd.far.fixture(["say", "words"]).out();
        let mut follow = autod(&sshd, &["logs", "-f", "fixture", "--host", &host()]).spawn();
        while !follow.line().contains("words to stderr") {}
        let daemon = sshd.far.daemon();
        if victim == "ssh" {
            kill(sshd.between(0).pop().expect("an ssh"), Signal::KILL);
            let done = follow.done();
            assert_eq!(done.status.code(), Some(1), "{done:?}");
            assert!(done.stderr.contains("the connection to box ended"), "{done:?}");
        } else if victim == "relay" {
            // What it ran has nothing to print, and notices all the same that nobody reads it.
            kill(sshd.between(2).pop().expect("a relay"), Signal::KILL);
            assert_eq!(follow.done().status.code(), Some(1));
        } else if victim == "reader" {
            follow.close_stdout();
            assert_eq!(follow.done().status.code(), Some(0));
        } else {
            kill(follow.pid(), Signal::KILL);
            drop(follow);
        }
        eventually("only the daemon is left", || sshd.far.processes() == [daemon]);
    }
}
