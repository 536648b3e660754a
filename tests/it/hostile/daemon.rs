//! A daemon that says anything: its caller gets an error, and neither panics nor waits for ever.

use std::io::{Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::{UnixListener, UnixStream};

use super::bystander::resident;
use super::peer::{
    CALL, CANCEL, CREDIT, END, FAIL, GOODBYE, ITEMS, REPLY, field, frame, greeting, number,
    read_greeting, receives,
};
use super::random::Random;
use crate::home::{Home, PATIENCE, Running};

/// Stands where the fixture's daemon would.
struct Impostor {
    home: Home,
    listener: UnixListener,
}

impl Impostor {
    fn new() -> Self {
        let home = Home::new();
        std::fs::DirBuilder::new().mode(0o700).create(home.place()).unwrap();
        let listener = UnixListener::bind(home.place().join("sock")).unwrap();
        Self { home, listener }
    }

    /// A caller that runs this command and would wait a second for a word.
    fn caller(&self, command: &[&str]) -> Running {
        self.home
            .fixture(command)
            .env("FIX_SILENCE", "1000")
            .env("FIX_CONNECT", "3000")
            .env("FIX_SHOW", "1")
            .spawn()
    }

    /// Takes the next connection and reads its hello.
    fn hello(&self) -> (UnixStream, Vec<u8>) {
        let (mut stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let hello = read_greeting(&mut stream).unwrap();
        (stream, hello)
    }

    /// Accepts a caller and reads its call.
    fn accept(&self) -> UnixStream {
        let (mut stream, hello) = self.hello();
        stream.write_all(&accept(&hello)).unwrap();
        stream.read_exact(&mut [0; 17]).unwrap();
        stream
    }

    /// What a caller says that is answered with these bytes, and then with silence until it ends.
    #[track_caller]
    fn told(&self, command: &[&str], bytes: &[u8]) -> String {
        let caller = self.caller(command);
        let mut stream = self.accept();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        error_of(caller)
    }
}

/// The Accept that the caller hopes for.
fn accept(hello: &[u8]) -> Vec<u8> {
    let said = |tag| field(hello, tag).unwrap();
    greeting(
        2,
        &[
            (2, &said(2)),
            (3, &said(3)),
            (4, &said(4)),
            (6, &receives()),
            (12, &[7; 8]),
            (13, &[1, 0, 0, 0]),
        ],
    )
}

/// It failed with an error and did not panic.
#[track_caller]
fn error_of(caller: Running) -> String {
    let done = caller.done();
    assert_eq!(done.status.code(), Some(1), "{done:#?}");
    assert!(!done.stderr.contains("panicked at"), "{done:#?}");
    done.stderr
}

#[test]
fn answers_that_break_the_protocol_are_errors_of_the_call() {
    let impostor = Impostor::new();
    let big = [&number(1 << 40)[..], &[0; 20]].concat();
    for (bytes, expected) in [
        (frame(REPLY, false, 0, &[]), "does not decode"),
        (frame(REPLY, false, 0, &[7, 7, 7]), "does not decode"),
        (frame(REPLY, false, 0, &big), "does not decode"),
        (frame(REPLY, false, 2, &[7]), "unexpected Reply frame for 2"),
        (frame(REPLY, false, 1, &[7]), "unexpected Reply frame for 1"),
        (frame(FAIL, false, 100, &[7]), "unexpected Fail frame for 100"),
        (frame(ITEMS, false, 0, &[1, 0, 0, 0, 7]), "unexpected Items frame for 0"),
        (frame(END, false, 0, &[]), "unexpected End frame for 0"),
        (frame(FAIL, false, 0, &[]), "malformed Fail frame"),
        (frame(FAIL, false, 0, &[200, 0xff, 0xfe]), "refused pid"),
        (frame(FAIL, false, 0, &[3, 0xff]), "pid panicked in the daemon"),
        (frame(FAIL, false, 0, &[10]), "holds too much"),
        (frame(CREDIT, false, 1, &[1, 0, 0, 0]), "unexpected Credit frame for 1"),
        (frame(CANCEL, false, 0, &[]), "unexpected Cancel frame for 0"),
        (frame(GOODBYE, false, 0, &[]), "malformed Goodbye frame"),
        (frame(GOODBYE, false, 0, &[9, 0xff]), "\u{fffd}"),
        (frame(99, false, 0, &[]), "unknown frame kind 99"),
        (frame(REPLY, false, 0, &vec![0; 65_537]), "more than the 65536 of a piece"),
        (frame(REPLY, true, 0, &[]), "cannot be a piece"),
        ([frame(REPLY, true, 0, &[1]), frame(FAIL, false, 0, &[1])].concat(), "unexpected Fail"),
        (frame(REPLY, true, 0, &[1]), "closed the connection"),
        (frame(REPLY, false, 0, &[1])[..5].to_vec(), "closed the connection"),
        (Vec::new(), "closed the connection"),
    ] {
        let said = impostor.told(&["pid"], &bytes);
        assert!(said.contains(expected), "{expected}: {said}");
    }
}

#[test]
fn a_daemon_that_calls_its_caller_is_told_that_nothing_is_served() {
    let impostor = Impostor::new();
    let caller = impostor.caller(&["pid"]);
    let mut stream = impostor.accept();
    stream.write_all(&frame(CALL, false, 1, &[0; 9])).unwrap();
    let mut answer = [0; 9];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, [1, 0, 0, FAIL, 1, 0, 0, 0, 1], "a Fail with UnknownMethod");
    stream.write_all(&frame(REPLY, false, 0, &[5])).unwrap();
    assert_eq!(caller.done().good().stdout, "5");
}

#[test]
fn streams_that_break_the_protocol_are_errors() {
    let impostor = Impostor::new();
    let items = |count: u32, bytes: &[u8]| {
        frame(ITEMS, false, 0, &[&count.to_le_bytes()[..], bytes].concat())
    };
    for (bytes, expected) in [
        (items(u32::MAX, &[1; 100]), "does not decode"),
        (items(1, &[1; 100]), "does not decode"),
        (items(0, &[1; 100]), ""),
        (frame(ITEMS, false, 0, &[1, 2]), "malformed Items frame"),
        (frame(REPLY, false, 0, &[1]), "unexpected Reply frame"),
        // Far above the window of 16 KiB that this daemon named, in whole messages.
        (items(60_000, &vec![1; 60_000]).repeat(20), "more than its credit"),
    ] {
        let caller = impostor.caller(&["stall"]);
        let mut stream = impostor.accept();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let done = caller.done();
        assert_eq!(done.status.code(), Some(1), "{expected}: {done:#?}");
        assert!(
            !done.stderr.contains("panicked at") && done.stderr.contains(expected),
            "{done:#?}"
        );
    }
}

#[test]
fn greetings_that_make_no_sense_are_errors() {
    let impostor = Impostor::new();
    for (bytes, expected) in [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "does not greet as autod does"),
        (greeting(77, &[]), "does not greet as autod does"),
        (greeting(2, &[]), "does not greet as autod does"),
        (greeting(2, &[(2, b"Probe"), (3, &[0; 3])]), "does not greet as autod does"),
        (greeting(5, &[(15, &[1, 2])]), "does not greet as autod does"),
        (greeting(3, &[(14, &[0xff])]), "does not greet as autod does"),
        (b"AUTOD\x01\x02\x00\xff\xff\xff\xff".to_vec(), "does not greet as autod does"),
        (greeting(5, &[(15, &[99]), (14, b"no reason")]), "no reason"),
        (greeting(5, &[]), ""),
    ] {
        let caller = impostor.caller(&["existing"]);
        let (mut stream, _) = impostor.hello();
        stream.write_all(&bytes).unwrap();
        let done = caller.done();
        assert_eq!(done.status.code(), Some(1), "{done:#?}");
        assert!(
            !done.stderr.contains("panicked at") && done.stderr.contains(expected),
            "{done:#?}"
        );
    }
}

#[test]
fn a_daemon_that_says_nothing_or_half_a_greeting_is_given_up() {
    let impostor = Impostor::new();
    for bytes in [&b""[..], b"AUTO", &greeting(4, &[(14, b"closing")])[..20]] {
        let caller = impostor.caller(&["existing"]);
        let (mut stream, _) = impostor.hello();
        stream.write_all(bytes).unwrap();
        let done = caller.done();
        assert_eq!(done.status.code(), Some(1), "{done:#?}");
        assert!(done.stderr.contains("does not answer"), "{done:#?}");
    }
}

#[test]
fn a_daemon_that_hangs_up_or_is_closing_for_ever_is_given_up() {
    let impostor = Impostor::new();
    let caller = impostor.caller(&["existing"]);
    for _ in 0..5 {
        drop(impostor.hello());
    }
    let done = caller.done();
    assert!(done.stderr.contains("hung up 5 times"), "{done:#?}");
    let caller = impostor.caller(&["existing"]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Until it has had enough, and is heard to have by the last one that comes.
            while let (Ok((mut stream, _)), true) = (impostor.listener.accept(), true) {
                if read_greeting(&mut stream).is_err() {
                    return;
                }
                let _ = stream.write_all(&greeting(4, &[]));
            }
        });
        let done = caller.done();
        drop(UnixStream::connect(impostor.home.place().join("sock")));
        assert!(done.stderr.contains("is still closing"), "{done:#?}");
    });
}

#[test]
fn endless_waits_take_no_memory_and_end_with_the_daemon() {
    let impostor = Impostor::new();
    let caller = impostor.caller(&["existing"]);
    let (mut stream, _) = impostor.hello();
    let waits = greeting(3, &[(14, b"still starting")]).repeat(1000);
    let resident = || resident(caller.pid());
    stream.write_all(&waits).unwrap();
    let before = resident();
    for _ in 0..100 {
        stream.write_all(&waits).unwrap();
    }
    // What has not been read is in the socket.
    assert!(resident() < before + (4 << 20), "{} after {before}", resident());
    drop(stream);
    // It starts over, and is rejected.
    let (mut stream, _) = impostor.hello();
    stream.write_all(&greeting(5, &[(14, b"enough")])).unwrap();
    let done = caller.done();
    assert!(done.stderr.contains("enough (fixture on "), "{done:#?}");
}

#[test]
fn silence_after_the_accept_ends_with_the_connection() {
    let impostor = Impostor::new();
    let caller = impostor.caller(&["pid"]);
    let stream = impostor.accept();
    // No deadline is on by default: a call takes as long as the daemon lives.
    std::thread::sleep(std::time::Duration::from_millis(1500));
    drop(stream);
    assert!(error_of(caller).contains("closed the connection"));
}

#[test]
fn random_answers_are_errors() {
    let impostor = Impostor::new();
    let mut random = Random::new();
    for number in 0..100 {
        let mut bytes = Vec::new();
        for _ in 0..=random.below(5) {
            let (kind, length) = (random.byte() % 10, random.below(50));
            let id = u32::from(random.byte() & 3);
            bytes.extend(frame(kind, random.below(5) == 0, id, &random.bytes(length)));
        }
        let caller = impostor.caller(&[if number % 2 == 0 { "pid" } else { "stall" }]);
        let mut stream = impostor.accept();
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // By chance it may even be an answer.
        let done = caller.done();
        assert!(done.status.code().is_some_and(|code| code < 2), "{bytes:x?} {done:#?}");
        assert!(!done.stderr.contains("panicked at"), "{bytes:x?} {done:#?}");
    }
}
