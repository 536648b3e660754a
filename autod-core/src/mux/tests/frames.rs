//! Frames by hand, right and wrong ones.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{ECHO, NEVER, Pair, ROOMY, settle};
use crate::wire::frame::{self, GoodbyeCode, HEADER, Header};

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
