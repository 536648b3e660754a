//! Frames by hand, right and wrong ones.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::flows::{IGNORE, LEND_BYTES, SUM, UPPER};
use super::{ECHO, HALVE, NEVER, Pair, ROOMY, UNKNOWN, settle};
use crate::mux::dispatch::NoService;
use crate::mux::driver::Driver;
use crate::mux::{Upstream, pipe};
use crate::service::Method;
use crate::wire::frame::{self, BEFORE_ARGUMENTS, GoodbyeCode, HEADER, Header, MAX_PIECE};

/// Sends raw bytes to a server and reads until it hangs up.
async fn answer_to(bytes: &[u8]) -> Vec<(Header, Vec<u8>)> {
    let (mut near, far) = duplex(64 << 10);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    near.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.unwrap();
    pair.server.ended().await;
    let mut frames = Vec::new();
    let mut rest = &heard[..];
    while let Some(header) = Header::parse(rest).unwrap() {
        frames.push((header, rest[HEADER..HEADER + header.length].to_vec()));
        rest = &rest[HEADER + header.length..];
    }
    frames
}

#[tokio::test(start_paused = true)]
async fn a_broken_frame_ends_the_connection_with_its_reason() {
    let mut unknown = Header::new(frame::Kind::Call, 0, 0, false).to_bytes();
    unknown[3] = 0x60;
    let mut own_id = Vec::new();
    frame::put(&mut own_id, frame::Kind::Call, 1, false, &[0; 9]);
    let mut beyond = Vec::new();
    frame::put(&mut beyond, frame::Kind::Call, 64 << 1, false, &[0; 9]);
    let mut reply = Vec::new();
    frame::put(&mut reply, frame::Kind::Reply, 1, false, &[]);
    let mut credit = Vec::new();
    let mut body = NEVER.id.to_le_bytes().to_vec();
    body.push(0);
    frame::put(&mut credit, frame::Kind::Call, 0, false, &body);
    frame::put(&mut credit, frame::Kind::Credit, 0, false, &u32::MAX.to_le_bytes());
    let mut twice = Vec::new();
    frame::put(&mut twice, frame::Kind::Call, 0, false, &body);
    frame::put(&mut twice, frame::Kind::Call, 0, false, &body);
    for (bytes, reason) in [
        (unknown.to_vec(), "unknown frame kind 96"),
        (own_id, "unexpected Call frame for 1"),
        (beyond, "unexpected Call frame for 128"),
        (reply, "unexpected Reply frame for 1"),
        (credit, "stream 0 used more than its credit"),
        (twice, "unexpected Call frame for 0"),
    ] {
        let frames = answer_to(&bytes).await;
        let (header, payload) = frames.last().expect("a goodbye");
        assert_eq!(header.kind, frame::Kind::Goodbye, "{reason}");
        assert_eq!(payload[0], GoodbyeCode::Protocol as u8);
        assert_eq!(String::from_utf8_lossy(&payload[1..]), reason);
    }
}

#[tokio::test(start_paused = true)]
async fn frames_may_come_byte_by_byte() {
    let (mut near, far) = duplex(16);
    let _pair = Pair::serve(far, ROOMY, ROOMY);
    let mut body = ECHO.id.to_le_bytes().to_vec();
    body.extend_from_slice(&[0, 2, 7, 8]);
    let mut bytes = Vec::new();
    frame::put(&mut bytes, frame::Kind::Call, 6, false, &body);
    for byte in bytes {
        near.write_all(&[byte]).await.unwrap();
        settle().await;
    }
    let mut answer = [0; HEADER + 3];
    near.read_exact(&mut answer).await.unwrap();
    let header = Header::parse(&answer).unwrap().unwrap();
    assert_eq!((header.kind, header.id), (frame::Kind::Reply, 6));
    assert_eq!(answer[HEADER..], [2, 7, 8]);
}

/// A Call with these options and this argument.
fn call(method: &Method, id: u32, options: u8, arguments: &[u8]) -> Vec<u8> {
    let mut body = method.id.to_le_bytes().to_vec();
    body.push(options);
    body.extend_from_slice(arguments);
    let mut bytes = Vec::new();
    frame::put(&mut bytes, frame::Kind::Call, id, false, &body);
    bytes
}

#[tokio::test(start_paused = true)]
async fn a_caller_keeps_to_the_rules_of_its_stream() {
    use frame::Kind::{Call, Cancel, End, Items, Skip};

    let sum = || call(&SUM, 0, 1, &[0]);
    let ignore = || call(&IGNORE, 0, 1, &[0]);
    let upper = || call(&LEND_BYTES, 0, 2, &[]);
    let plain = || call(&NEVER, 0, 0, &[]);
    let unknown = || call(&UNKNOWN, 0, 1, &[]);
    let one = &[1, 0, 0, 0, 7][..];
    let window = &vec![0; 256 << 10][..];
    let unexpected = |kind| format!("unexpected {kind:?} frame for 0");
    for (begin, frames, reason) in [
        (plain(), vec![(Items, one)], unexpected(Items)),
        (plain(), vec![(End, &[][..])], unexpected(End)),
        (sum(), vec![(End, &[]), (End, &[])], unexpected(End)),
        (ignore(), vec![(End, &[]), (Items, one)], unexpected(Items)),
        (ignore(), vec![(Cancel, &[]), (Items, one)], unexpected(Items)),
        (ignore(), vec![(Skip, &[1, 0, 0, 0, 0, 0, 0, 0])], unexpected(Skip)),
        (ignore(), vec![(Items, &[1, 0])], "malformed Items frame".to_owned()),
        (upper(), vec![(Items, &[])], "malformed Items frame".to_owned()),
        (
            ignore(),
            window.chunks(MAX_PIECE).map(|piece| (Items, piece)).chain([(Items, one)]).collect(),
            "stream 0 used more than its credit".to_owned(),
        ),
        // Answered, but not ended: the slot is taken.
        (unknown(), vec![(Items, one), (Call, &[0; 9])], unexpected(Call)),
        (unknown(), vec![(End, &[]), (Items, one)], unexpected(Items)),
        (Vec::new(), vec![(Items, one)], unexpected(Items)),
    ] {
        let mut bytes = begin;
        for (kind, payload) in frames {
            frame::put(&mut bytes, kind, 0, false, payload);
        }
        let frames = answer_to(&bytes).await;
        let (header, payload) = frames.last().expect("a goodbye");
        assert_eq!(header.kind, frame::Kind::Goodbye, "{reason}");
        assert_eq!(String::from_utf8_lossy(&payload[1..]), reason);
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_up_behind_the_answer_is_thrown_away() {
    use frame::Kind::{Fail, Goodbye, Reply};

    let (mut near, far) = duplex(64 << 10);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    // Cancelled instead of ended, and options of the future, behind which no stream follows.
    let mut begin = call(&UNKNOWN, 0, 1, &[]);
    begin.extend(call(&UNKNOWN, 2, 2, &[]));
    begin.extend(call(&ECHO, 4, 77, &[]));
    near.write_all(&begin).await.unwrap();
    settle().await;
    let mut bytes = Vec::new();
    frame::put(&mut bytes, frame::Kind::Items, 0, true, &[9; 100]);
    frame::put(&mut bytes, frame::Kind::Items, 0, false, &[9; 100]);
    frame::put(&mut bytes, frame::Kind::End, 0, false, &[]);
    bytes.extend(call(&ECHO, 0, 0, &[1, 7]));
    frame::put(&mut bytes, frame::Kind::Cancel, 2, false, &[]);
    bytes.extend(call(&ECHO, 2, 0, &[1, 8]));
    bytes.extend(call(&ECHO, 4, 0, &[1, 9]));
    near.write_all(&bytes).await.unwrap();
    settle().await;
    pair.server.leave(GoodbyeCode::Closing, "done");
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.unwrap();
    let mut kinds = Vec::new();
    let mut rest = &heard[..];
    while let Some(header) = Header::parse(rest).unwrap() {
        kinds.push((header.kind, header.id));
        rest = &rest[HEADER + header.length..];
    }
    assert_eq!(
        kinds,
        [(Fail, 0), (Fail, 2), (Fail, 4), (Reply, 0), (Reply, 2), (Reply, 4), (Goodbye, 0)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_callee_keeps_to_the_rules_of_a_callers_stream() {
    use frame::Kind::{Cancel, Credit, End, Items, Reply};

    let one = &[1, 0, 0, 0][..];
    for (bytes, frames, reason) in [
        (false, vec![(Credit, one)], "unexpected Credit frame for 0"),
        (false, vec![(Cancel, &[][..])], "unexpected Cancel frame for 0"),
        (false, vec![(End, &[])], "unexpected End frame for 0"),
        (true, vec![(Credit, &[0, 0, 0, 4])], "stream 0 used more than its credit"),
        (true, vec![(End, &[]), (Items, one)], "unexpected Items frame for 0"),
        (true, vec![(End, &[]), (End, &[])], "unexpected End frame for 0"),
        (true, vec![(Reply, &[0]), (Credit, one)], "unexpected Credit frame for 0"),
    ] {
        let (near, mut far) = duplex(64 << 10);
        let pair = Pair::serve(duplex(1).0, ROOMY, ROOMY);
        let shared = Arc::clone(pair.connection.shared_arc());
        tokio::spawn(Driver::new(near, shared, NoService, Vec::new()).run());
        let connection = pair.connection.clone();
        let open = tokio::spawn(async move {
            if bytes {
                // It shuts nothing down, so that the stream is open when the frames come.
                let mut pipe = pipe::<u8>(&connection, &UPPER, ());
                let _ = pipe.write(b"x").await;
                std::future::pending::<()>().await;
            } else {
                let _ = crate::mux::call::<u8>(&connection, &NEVER, (), Upstream::NONE).await;
            }
        });
        settle().await;
        let mut sent = Vec::new();
        for (kind, payload) in frames {
            frame::put(&mut sent, kind, 0, false, payload);
        }
        far.write_all(&sent).await.unwrap();
        let mut heard = Vec::new();
        far.read_to_end(&mut heard).await.unwrap();
        assert!(String::from_utf8_lossy(&heard).ends_with(reason), "{reason}");
        open.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_while_long_arguments_are_decoded() {
    let (mut near, far) = duplex(1 << 20);
    let _pair = Pair::serve(far, ROOMY, ROOMY);
    let mut long = HALVE.id.to_le_bytes().to_vec();
    long.resize(BEFORE_ARGUMENTS + (300 << 10), 0);
    let mut bytes = Vec::new();
    let mut pieces = long.chunks(MAX_PIECE).peekable();
    while let Some(piece) = pieces.next() {
        frame::put(&mut bytes, frame::Kind::Call, 0, pieces.peek().is_some(), piece);
    }
    let mut short = HALVE.id.to_le_bytes().to_vec();
    short.extend_from_slice(&[0, 4]);
    frame::put(&mut bytes, frame::Kind::Call, 2, false, &short);
    near.write_all(&bytes).await.unwrap();
    // Nothing of either is awaited, so the driver alone would answer them in their order.
    let mut answered = Vec::new();
    for _ in 0..2 {
        let mut header = [0; HEADER];
        near.read_exact(&mut header).await.unwrap();
        let header = Header::parse(&header).unwrap().unwrap();
        near.read_exact(&mut vec![0; header.length]).await.unwrap();
        answered.push((header.id, header.kind));
    }
    assert_eq!(answered, [(2, frame::Kind::Reply), (0, frame::Kind::Fail)]);
}
