//! Hellos that are slow, cut, too long, or make no sense.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::Ground;
use super::peer::{PREFIX, greeting, hello, read_greeting, receives};
use super::random::Random;

/// What the daemons of these tests allow.
const HANDSHAKE: Duration = Duration::from_millis(500);

/// The callers of an attack; with the tests' own they stay below the usual 1024 descriptors.
const MANY: usize = 300;

fn impatient() -> Ground {
    Ground::with(&[("FIX_HANDSHAKE", "500")])
}

const ACCEPT: u8 = 2;
const REJECT: u8 = 5;

/// The connection is closed without a word.
#[track_caller]
fn is_closed(stream: &mut UnixStream) {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is not closed"),
    }
    assert_eq!(bytes, b"");
}

#[test]
fn many_hellos_that_come_byte_by_byte_are_cut_off() {
    let ground = impatient();
    let hello = hello(0, &ground.fingerprint);
    ground.endures("slow hellos", MANY * (16 << 10), || {
        let began = Instant::now();
        let mut streams: Vec<_> = (0..MANY).map(|_| Some(ground.open())).collect();
        let mut open = MANY;
        for byte in hello.iter().cycle().take(hello.len() - 1) {
            for slot in &mut streams {
                let Some(stream) = slot else { continue };
                if stream.write_all(&[*byte]).is_err() {
                    is_closed(stream);
                    *slot = None;
                    open -= 1;
                }
            }
            // Slower than the handshake allows for all of it.
            std::thread::sleep(HANDSHAKE / 20);
        }
        assert!(began.elapsed() > 3 * HANDSHAKE);
        assert_eq!(open, 0, "some may still talk");
    });
}

#[test]
fn silence_and_half_a_hello_are_cut_off() {
    let ground = impatient();
    let hello = hello(0, &ground.fingerprint);
    ground.endures("silence", MANY * (16 << 10), || {
        let began = Instant::now();
        let mut streams: Vec<_> = (0..MANY)
            .map(|number| {
                let mut stream = ground.open();
                stream.write_all(&hello[..number % hello.len()]).unwrap();
                stream
            })
            .collect();
        streams.iter_mut().for_each(is_closed);
        assert!(began.elapsed() >= HANDSHAKE);
    });
}

#[test]
fn a_hello_of_the_greatest_length_is_heard_and_a_longer_one_is_not() {
    let ground = Ground::new();
    let receives = receives();
    let with = |filler: &[u8]| {
        let fields: &[(u8, &[u8])] = &[
            (2, b"Probe"),
            (3, &ground.fingerprint),
            (5, b"bincode2"),
            (6, &receives),
            (200, filler),
        ];
        greeting(1, fields)
    };
    let most = (1 << 20) - (with(b"").len() - PREFIX);
    ground.endures("long hellos", 64 << 20, || {
        for _ in 0..20 {
            let mut stream = ground.open();
            stream.write_all(&with(&vec![7; most])).unwrap();
            assert_eq!(read_greeting(&mut stream).unwrap()[6], 2, "an Accept");
            let mut stream = ground.open();
            let _ = stream.write_all(&with(&vec![7; most + 1]));
            is_closed(&mut stream);
        }
    });
}

#[test]
fn fields_that_make_no_sense_are_rejected_or_skipped() {
    let ground = Ground::new();
    let receives = receives();
    let base: [(u8, &[u8]); 4] =
        [(2, b"Probe"), (3, &ground.fingerprint), (5, b"bincode2"), (6, &receives)];
    let answer = |bytes: &[u8]| {
        let mut stream = ground.open();
        stream.write_all(bytes).unwrap();
        read_greeting(&mut stream).map(|answer| answer[6])
    };
    let with = |more: &[(u8, &[u8])]| greeting(1, &[&base[..], more].concat());
    assert_eq!(answer(&with(&[])).unwrap(), ACCEPT);
    assert_eq!(answer(&with(&[(99, b"unknown"), (255, b""), (0, b"zero")])).unwrap(), ACCEPT);
    // What comes twice counts as its last.
    assert_eq!(answer(&with(&[(2, b"Other")])).unwrap(), REJECT);
    assert_eq!(answer(&with(&[(2, b"Other"), (2, b"Probe")])).unwrap(), ACCEPT);
    for wrong in [
        (1, &b""[..]),
        (1, &[9]),
        (1, &[0, 0]),
        (2, b"\xff\xfe"),
        (3, &[0; 9]),
        (6, &[0; 11]),
        (6, &[0xff; 12]),
        (10, &[1, 2, 3]),
        (11, &[0; 15]),
        (12, &[0; 7]),
        (13, &[0; 5]),
    ] {
        assert_eq!(answer(&with(&[wrong])).unwrap(), REJECT, "{wrong:?}");
    }
    // A field that claims more than there is.
    let mut long = with(&[(8, b"argument")]);
    let at = long.len() - 8 - 4;
    long[at] = 9;
    assert_eq!(answer(&long).unwrap(), REJECT);
    long[at + 3] = 0xff;
    assert_eq!(answer(&long).unwrap(), REJECT);
    // Of another kind.
    for kind in [0, 3, 4, 6, 255] {
        let mut other = with(&[]);
        other[6] = kind;
        assert_eq!(answer(&other).unwrap(), REJECT, "kind {kind}");
    }
    for foreign in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\0", b"AUTOX"] {
        let mut stream = ground.open();
        stream.write_all(foreign).unwrap();
        is_closed(&mut stream);
    }
}

#[test]
fn random_hellos_harm_nobody() {
    let ground = impatient();
    let mut random = Random::new();
    let whole = hello(0, &ground.fingerprint);
    ground.endures("random hellos", 16 << 20, || {
        for _ in 0..1000 {
            let mut bytes = whole.clone();
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = random.byte();
            }
            // An order would be obeyed.
            let is_order =
                |field: &[u8]| field[..5] == [1, 1, 0, 0, 0] && matches!(field[5], 2 | 3);
            if bytes.windows(6).any(is_order) {
                continue;
            }
            let mut stream = ground.open();
            let _ = stream.write_all(&bytes);
            let _ = stream.shutdown(std::net::Shutdown::Write);
            let mut heard = Vec::new();
            if let Err(error) = stream.read_to_end(&mut heard) {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it hangs: {bytes:?}");
            }
            assert!(heard.is_empty() || heard.starts_with(b"AUTOD\x01"), "{heard:?}");
        }
    });
}
