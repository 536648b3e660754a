//! Conversations that are cut, repeated, reordered, mixed up or made up.

use std::io::Write;

use super::Ground;
use super::peer::{
    CALL, CALLS, CANCEL, CREDIT, END, FAIL, Frame, GOODBYE, HEADER, ITEMS, PIECE, PING, PONG,
    REPLY, SKIP, call, frame, frames, hello, message, number, read_greeting, sequence,
};
use super::random::Random;

/// The mutations of one run.
const MUTATIONS: usize = 4000;

/// The frames of a conversation that follows all rules, one after the other.
fn conversation() -> Vec<Vec<u8>> {
    let long = message("echo", &sequence(PIECE + 100));
    vec![
        call(0, "add", &[2]),
        call(1, "count", &number(200)),
        frame(CALL, true, 4, &long[..PIECE]),
        call(3, "divide", &[8, 2]),
        frame(CREDIT, false, 2, &0_u32.to_le_bytes()),
        frame(CALL, false, 4, &long[PIECE..]),
        call(4, "sleep", &number(60_000)),
        frame(CANCEL, false, 8, &[]),
        call(5, "stall", &[]),
        call(6, "divide", &[1, 0]),
        call(7, "unheard-of", &[1, 2, 3]),
        call(8, "echo", &sequence(20)),
    ]
}

fn mutate(random: &mut Random) -> Vec<u8> {
    let mut frames = conversation();
    // Most mutations hit one place, some many.
    for _ in 0..=random.below(3) {
        let at = random.below(frames.len());
        let other = random.below(frames.len());
        match random.below(10) {
            0 => {
                let length = random.below(frames[at].len());
                frames[at].truncate(length);
            }
            1 => frames.insert(other, frames[at].clone()),
            2 => frames.swap(at, other),
            3 => drop(frames.remove(at)),
            4 => {
                let place = random.below(frames[at].len().min(64));
                if let Some(byte) = frames[at].get_mut(place) {
                    *byte = random.byte();
                }
            }
            5 => {
                // Of the header alone, one bit.
                let (place, bit) = (random.below(HEADER), random.below(8));
                if let Some(byte) = frames[at].get_mut(place) {
                    *byte ^= 1 << bit;
                }
            }
            6 => {
                let (kind, length) = (random.byte() & 15, random.below(40));
                let more = random.below(4) == 0;
                let id = u32::from(random.byte() & 31);
                frames.insert(at, frame(kind, more, id, &random.bytes(length)));
            }
            7 => {
                let length = random.below(300);
                frames.insert(at, random.bytes(length));
            }
            8 => {
                // A part of one in the middle of another.
                let (place, length) = (random.below(frames[at].len()), random.below(200));
                let part: Vec<u8> = frames[other].iter().take(length).copied().collect();
                frames[at].splice(place..place, part);
            }
            _ => {
                let grown = PIECE + random.below(200_000);
                frames[at].resize(grown, random.byte());
            }
        }
        if frames.is_empty() {
            break;
        }
    }
    frames.concat()
}

/// Whether the bytes break the protocol whatever the daemon's own frames are: the parts of "A broken
/// protocol" that need no state but which slots were used.
fn breaks(mut bytes: &[u8]) -> bool {
    let mut used = 0;
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let [a, b, c, kind, id @ ..] = *header;
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let (more, kind, id) = (kind & 0x80 != 0, kind & 0x7f, u32::from_le_bytes(id));
        if (kind, more, id, length) == (PING, false, 0, 0) {
            bytes = rest;
            continue;
        }
        let may_be_more = (CALL..=ITEMS).contains(&kind) && length > 0;
        if !(CALL..=SKIP).contains(&kind) || length > PIECE || more && !may_be_more {
            return true;
        }
        let Some((payload, rest)) = rest.split_at_checked(length) else { return false };
        match kind {
            GOODBYE => return payload.is_empty(),
            CALL if id & 1 == 0 && id >> 1 < CALLS => used = used.max((id >> 1) + 1),
            // Whether a call has a stream is said in its options, which may be mutated too.
            CANCEL | CREDIT | ITEMS | END if id & 1 == 0 && id >> 1 < used => {}
            _ => return true,
        }
        bytes = rest;
    }
    false
}

/// Kind with MORE, id and length of each frame, as far as they can be made out.
fn headers(mut bytes: &[u8]) -> Vec<(u8, u32, usize, usize)> {
    let mut headers = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let [a, b, c, kind, id @ ..] = *header;
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        headers.push((kind, u32::from_le_bytes(id), length, rest.len()));
        bytes = rest.get(length..).unwrap_or_default();
    }
    headers
}

/// What a stranger heard is well-formed, and its end is the one that the protocol names.
#[track_caller]
fn judge(sent: &[u8], heard: &[Frame]) {
    // Whatever comes behind a Goodbye is ignored.
    let last = heard.iter().position(|frame| frame.kind == GOODBYE);
    let heard = last.map_or(heard, |last| &heard[..=last]);
    for frame in heard {
        assert!(frame.payload.len() <= PIECE);
        match frame.kind {
            REPLY | FAIL | ITEMS | END | CREDIT | CANCEL | SKIP => {
                assert!(frame.id & 1 == 0 && frame.id >> 1 < CALLS, "{frame:?}");
                assert!(frame.kind != FAIL || !frame.payload.is_empty());
            }
            PONG => assert_eq!((frame.id, frame.payload.len()), (0, 0)),
            GOODBYE => {
                assert_eq!((frame.id, frame.payload.first()), (0, Some(&1)), "{frame:?}");
            }
            _ => panic!("{frame:?}"),
        }
    }
    let told = last.is_some() || !breaks(sent);
    let heard: Vec<_> = heard.iter().map(|frame| (frame.kind, frame.id)).collect();
    assert!(told, "it was not told that it broke the protocol: {:?}, {heard:?}", headers(sent));
}

/// Says something behind a hello and nothing more, and hears everything.
fn converse(ground: &Ground, bytes: &[u8]) -> Vec<Frame> {
    let mut peer = ground.peer();
    let mut writer = peer.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            // The daemon may have hung up long before.
            let _ = writer.write_all(bytes);
            let _ = writer.shutdown(std::net::Shutdown::Write);
        });
        let mut heard = Vec::new();
        loop {
            match peer.next() {
                Ok(frame) => heard.push(frame),
                Err(error) => {
                    assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "it hangs");
                    break heard;
                }
            }
        }
    })
}

#[test]
fn the_conversation_without_a_mistake_is_answered() {
    let ground = Ground::new();
    let mut peer = ground.peer();
    peer.send(&conversation().concat());
    let mut ended = Vec::new();
    while ended.len() < 8 {
        let frame = peer.next().unwrap();
        if !frame.more && matches!(frame.kind, REPLY | FAIL | END) {
            ended.push((frame.id, frame.kind, frame.payload.first().copied()));
        }
    }
    ended.sort_unstable();
    let codes: Vec<_> = ended.iter().map(|(id, kind, _)| (id / 2, *kind)).collect();
    let expected =
        [(0, REPLY), (1, END), (2, REPLY), (3, REPLY), (4, FAIL), (6, FAIL), (7, FAIL), (8, REPLY)];
    assert_eq!(codes, expected);
    assert_eq!(ended[4].2, Some(4), "Cancelled");
    assert_eq!(ended[5].2, Some(0), "the service's own");
    assert_eq!(ended[6].2, Some(1), "UnknownMethod");
}

#[test]
fn mutations_of_a_conversation_end_as_the_protocol_says() {
    let ground = Ground::new();
    let mut random = Random::new();
    ground.endures("mutations", 8 << 20, || {
        for number in 0..MUTATIONS {
            let bytes = mutate(&mut random);
            let heard = converse(&ground, &bytes);
            println!("mutation {number} of {} bytes", bytes.len());
            judge(&bytes, &heard);
        }
    });
}

#[test]
fn random_frames_end_as_the_protocol_says() {
    let ground = Ground::new();
    let mut random = Random::new();
    ground.endures("random frames", 8 << 20, || {
        for number in 0..1000 {
            let mut bytes = Vec::new();
            for _ in 0..=random.below(20) {
                let (kind, length) = (random.byte() % 10, random.below(50));
                let more = random.below(5) == 0;
                let id = u32::from(random.byte() & 7);
                bytes.extend(frame(kind, more, id, &random.bytes(length)));
            }
            let heard = converse(&ground, &bytes);
            println!("conversation {number}");
            judge(&bytes, &heard);
        }
    });
}

#[test]
fn frames_may_come_with_the_hello_and_byte_by_byte() {
    let ground = Ground::new();
    // Ahead of the Accept is against the rules, but hurts nobody.
    let mut stream = ground.open();
    let bytes = [hello(0, &ground.fingerprint), call(0, "add", &[0])].concat();
    stream.write_all(&bytes).unwrap();
    assert_eq!(read_greeting(&mut stream).unwrap()[6], 2);
    let mut peer = super::Peer { stream };
    assert_eq!(peer.next().unwrap().kind, REPLY);
    for byte in call(1, "add", &[0]) {
        peer.send(&[byte]);
    }
    assert_eq!(frames(&frame(peer.next().unwrap().kind, false, 2, &[0]))[0].kind, REPLY);
}
