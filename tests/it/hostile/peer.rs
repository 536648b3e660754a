//! A peer that writes bytes as PROTOCOL.md describes them, or does not.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::home::PATIENCE;

pub(super) const PREFIX: usize = 12;
pub(super) const HEADER: usize = 8;
pub(super) const PIECE: usize = 65_536;

pub(super) const CALL: u8 = 1;
pub(super) const REPLY: u8 = 2;
pub(super) const FAIL: u8 = 3;
pub(super) const ITEMS: u8 = 4;
pub(super) const END: u8 = 5;
pub(super) const CREDIT: u8 = 6;
pub(super) const CANCEL: u8 = 7;
pub(super) const GOODBYE: u8 = 8;
pub(super) const SKIP: u8 = 9;
pub(super) const PING: u8 = 10;
pub(super) const PONG: u8 = 11;

/// What the peers of these tests say that they receive.
pub(super) const CALLS: u32 = 4096;
pub(super) const WINDOW: u32 = 16_384;

/// A greeting of version 1.
pub(super) fn greeting(kind: u8, fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (tag, value) in fields {
        body.push(*tag);
        body.extend_from_slice(&length(value.len()));
        body.extend_from_slice(value);
    }
    let mut bytes = b"AUTOD\x01".to_vec();
    bytes.extend_from_slice(&[kind, 0]);
    bytes.extend_from_slice(&length(body.len()));
    bytes.extend_from_slice(&body);
    bytes
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap().to_le_bytes()
}

/// 64 MiB messages and what is above.
pub(super) fn receives() -> Vec<u8> {
    [64 << 20, CALLS, WINDOW].iter().flat_map(|number: &u32| number.to_le_bytes()).collect()
}

pub(super) fn hello(purpose: u8, fingerprint: &[u8]) -> Vec<u8> {
    let receives = receives();
    greeting(
        1,
        &[(1, &[purpose]), (2, b"Probe"), (3, fingerprint), (5, b"bincode2"), (6, &receives)],
    )
}

/// The value of a field of a greeting.
pub(super) fn field(greeting: &[u8], wanted: u8) -> Option<Vec<u8>> {
    let mut rest = greeting.get(PREFIX..)?;
    while let Some((&tag, behind)) = rest.split_first() {
        let (length, behind) = behind.split_first_chunk()?;
        let (value, behind) = behind.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        if tag == wanted {
            return Some(value.to_vec());
        }
        rest = behind;
    }
    None
}

/// Reads one greeting.
pub(super) fn read_greeting(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; PREFIX];
    stream.read_exact(&mut bytes)?;
    let length = u32::from_le_bytes([bytes[8], bytes[9], bytes[10], bytes[11]]) as usize;
    bytes.resize(PREFIX + length, 0);
    stream.read_exact(&mut bytes[PREFIX..])?;
    Ok(bytes)
}

pub(super) fn frame(kind: u8, more: bool, id: u32, payload: &[u8]) -> Vec<u8> {
    let more = u32::from(more) << 31;
    let word = u32::try_from(payload.len()).unwrap() | u32::from(kind) << 24 | more;
    [&word.to_le_bytes()[..], &id.to_le_bytes(), payload].concat()
}

/// 64-bit FNV-1a.
pub(super) fn method(name: &str) -> [u8; 8] {
    let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, hash).to_le_bytes()
}

/// The message of a Call.
pub(super) fn message(name: &str, arguments: &[u8]) -> Vec<u8> {
    [&method(name)[..], &[0], arguments].concat()
}

/// A Call of the connector, in as many pieces as it needs.
pub(super) fn call(slot: u32, name: &str, arguments: &[u8]) -> Vec<u8> {
    let message = message(name, arguments);
    let last = message.chunks(PIECE).len() - 1;
    let piece = |(at, piece)| frame(CALL, at != last, slot * 2, piece);
    message.chunks(PIECE).enumerate().flat_map(piece).collect()
}

/// An unsigned number as `bincode2` writes it.
pub(super) fn number(number: u64) -> Vec<u8> {
    let (mark, size) = match number {
        0..=250 => return number.to_le_bytes()[..1].to_vec(),
        251..=0xffff => (251, 2),
        0x1_0000..=0xffff_ffff => (252, 4),
        _ => (253, 8),
    };
    [&[mark][..], &number.to_le_bytes()[..size]].concat()
}

/// A sequence of bytes as an argument.
pub(super) fn sequence(length: usize) -> Vec<u8> {
    [number(length as u64), vec![7; length]].concat()
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) more: bool,
    pub(super) id: u32,
    pub(super) payload: Vec<u8>,
}

/// The frames in `bytes`, which hold nothing else.
#[track_caller]
pub(super) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let header: [u8; HEADER] = *bytes.first_chunk().expect("a whole header");
        let (length, id) = words(header);
        let payload = bytes[HEADER..HEADER + length].to_vec();
        frames.push(Frame { kind: header[3] & 0x7f, more: header[3] & 0x80 != 0, id, payload });
        bytes = &bytes[HEADER + length..];
    }
    frames
}

/// The length and the id in a header.
fn words(header: [u8; HEADER]) -> (usize, u32) {
    let [a, b, c, _, id @ ..] = header;
    (u32::from_le_bytes([a, b, c, 0]) as usize, u32::from_le_bytes(id))
}

pub(super) fn open(sock: &Path) -> UnixStream {
    let stream = UnixStream::connect(sock).expect("the daemon listens");
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection that was accepted.
pub(super) struct Peer {
    pub(super) stream: UnixStream,
}

impl Peer {
    pub(super) fn new(sock: &Path, fingerprint: &[u8]) -> Self {
        let mut stream = open(sock);
        stream.write_all(&hello(0, fingerprint)).unwrap();
        let answer = read_greeting(&mut stream).unwrap();
        assert_eq!(answer[6], 2, "an Accept: {}", String::from_utf8_lossy(&answer));
        Self { stream }
    }

    /// One whose values are JSON, and who does not say for which service.
    pub(super) fn json(sock: &Path) -> Self {
        let mut stream = open(sock);
        stream.write_all(&greeting(1, &[(5, b"json"), (6, &receives())])).unwrap();
        let answer = read_greeting(&mut stream).unwrap();
        assert_eq!(answer[6], 2, "an Accept: {}", String::from_utf8_lossy(&answer));
        Self { stream }
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the daemon reads");
    }

    pub(super) fn next(&mut self) -> io::Result<Frame> {
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header)?;
        let (length, id) = words(header);
        let mut payload = vec![0; length];
        self.stream.read_exact(&mut payload)?;
        Ok(Frame { kind: header[3] & 0x7f, more: header[3] & 0x80 != 0, id, payload })
    }

    /// One call and its terminal frame.
    pub(super) fn ask(&mut self, slot: u32, name: &str, arguments: &[u8]) -> Frame {
        self.send(&call(slot, name, arguments));
        self.next().expect("an answer")
    }

    /// Says nothing more and hears everything.
    pub(super) fn rest(mut self) -> Vec<u8> {
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "it hangs"),
        }
        bytes
    }
}
