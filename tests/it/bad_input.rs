//! What a peer may send, and what the daemon makes of it.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use crate::home::Home;

const PREFIX: usize = 12;

/// A hello as PROTOCOL.md describes it.
fn hello(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (tag, value) in fields {
        body.push(*tag);
        body.extend_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
        body.extend_from_slice(value);
    }
    let mut bytes = b"AUTOD\x01\x01\x00".to_vec();
    bytes.extend_from_slice(&u32::try_from(body.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// 1 MiB messages, 16 calls, 64 KiB windows.
const RECEIVES: [u8; 12] = [0, 0, 0x10, 0, 16, 0, 0, 0, 0, 0, 1, 0];

fn connect(home: &Home, bytes: &[u8]) -> UnixStream {
    let mut stream = UnixStream::connect(home.place().join("sock")).unwrap();
    stream.set_read_timeout(Some(crate::home::PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    bytes
}

/// The kind and the text of an answer that rejects.
fn rejection(bytes: &[u8]) -> String {
    assert_eq!(&bytes[..5], b"AUTOD");
    assert_eq!(bytes[6], 5, "a Reject");
    String::from_utf8_lossy(&bytes[PREFIX..]).into_owned()
}

#[test]
fn a_hello_of_another_version_service_or_shape_is_rejected_in_words() {
    let home = Home::new();
    let pid = home.daemon();
    let fingerprint = [0; 8];
    let mut future = hello(&[
        (2, b"Probe"),
        (3, &fingerprint),
        (5, b"bincode2"),
        (6, &RECEIVES),
        (99, b"a field of the future"),
    ]);
    let said = rejection(&rest(connect(&home, &future)));
    assert!(said.contains("serves another shape of Probe"), "{said}");
    assert!(said.contains(&format!("`kill {pid}`")), "it says what to do: {said}");
    future[5] = 200;
    let said = rejection(&rest(connect(&home, &future)));
    assert!(said.contains("speaks protocol 1"), "{said}");
    let mut strange = hello(&[(1, &[77, 7])]);
    strange[5] = 2;
    let said = rejection(&rest(connect(&home, &strange)));
    assert!(said.contains("speaks protocol 1 with bincode2 or json, the caller 2"), "{said}");
    let codec = hello(&[(2, b"Probe"), (3, &fingerprint), (5, b"morse"), (6, &RECEIVES)]);
    let said = rejection(&rest(connect(&home, &codec)));
    assert!(said.contains("morse"), "{said}");
    let other = hello(&[(2, b"Other"), (3, &fingerprint), (5, b"bincode2"), (6, &RECEIVES)]);
    let said = rejection(&rest(connect(&home, &other)));
    assert!(said.contains("serves Probe, not Other"), "{said}");
    assert_eq!(home.daemon(), pid);
}

#[test]
fn a_hello_that_is_cut_or_incomplete_ends_its_connection_only() {
    let home = Home::new();
    let pid = home.daemon();
    let whole = hello(&[(2, b"Probe"), (3, &[0; 8]), (5, b"bincode2"), (6, &RECEIVES)]);
    for end in [1, 4, PREFIX - 1, PREFIX, PREFIX + 3, whole.len() - 1] {
        let stream = connect(&home, &whole[..end]);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(rest(stream), b"");
    }
    // What has the form of a greeting is answered in words.
    for malformed in [
        hello(&[(3, &[0; 8]), (5, b"bincode2"), (6, &RECEIVES)]),
        hello(&[(2, b"Probe"), (3, &[0; 7]), (5, b"bincode2"), (6, &RECEIVES)]),
        hello(&[(2, b"\xff"), (3, &[0; 8]), (5, b"bincode2"), (6, &RECEIVES)]),
        hello(&[(2, b"Probe"), (3, &[0; 8]), (5, b"bincode2"), (6, &[0; 12])]),
        hello(&[(1, &[7])]),
    ] {
        let said = rejection(&rest(connect(&home, &malformed)));
        assert!(said.contains("the hello is malformed: "), "{said}");
    }
    assert_eq!(home.daemon(), pid);
}

#[test]
fn a_caller_that_says_nothing_holds_up_nobody() {
    let home = Home::new();
    home.daemon();
    let silent: Vec<_> = (0..50).map(|_| connect(&home, b"AUT")).collect();
    assert_eq!(home.fixture(["add", "1"]).out(), "1");
    drop(silent);
    assert_eq!(home.fixture(["add", "1"]).out(), "2");
}
