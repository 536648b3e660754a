//! Long messages and streams on one connection: neither holds up the other.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{FutureExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::task::yield_now;

use super::*;
use crate::codec;
use crate::wire::frame::{self, HEADER, Header, Kind as FrameKind};

const BLOCK: usize = 8 << 10;

/// Answers with as many bytes as it is asked for, or with blocks for ever.
async fn answer(request: Incall) -> Answered {
    if request.method() == UNITS.id {
        let blocks = stream::repeat_with(|| vec![7_u8; BLOCK]);
        return request.stream(blocks, Policy::BackPressure).await;
    }
    match request.arguments::<(usize,)>() {
        Ok(((length,), request)) => request.reply(vec![7_u8; length]),
        Err(answered) => answered,
    }
}

/// The other end of a connection, by hand.
struct Peer(DuplexStream);

impl Peer {
    async fn frame(&mut self) -> Header {
        let mut header = [0; HEADER];
        self.0.read_exact(&mut header).await.unwrap();
        let header = Header::parse(&header).unwrap().unwrap();
        self.0.read_exact(&mut vec![0; header.length]).await.unwrap();
        header
    }
}

#[tokio::test(start_paused = true)]
async fn streams_that_never_pause_let_long_answers_through() {
    for length in [70 << 10, 300 << 10, 4 << 20] {
        let connection = pair_of(answer);
        let taken = Arc::new(AtomicUsize::new(0));
        let streams: Vec<_> = (0..24)
            .map(|_| {
                let mut blocks = open::<Vec<u8>>(&connection, &UNITS, (), Upstream::NONE);
                let taken = Arc::clone(&taken);
                tokio::spawn(async move {
                    while let Some(block) = blocks.next().await {
                        taken.fetch_add(block.unwrap().len(), Ordering::SeqCst);
                    }
                })
            })
            .collect();
        while taken.load(Ordering::SeqCst) < 8 << 20 {
            yield_now().await;
        }
        // Somebody waits between the pieces.
        let small = connection.clone();
        let small = tokio::spawn(async move {
            while let Ok(answer) = call::<Vec<u8>>(&small, &GROW, (1_usize,), Upstream::NONE).await
            {
                assert_eq!(answer, [7]);
            }
        });
        let before = taken.load(Ordering::SeqCst);
        let long = call::<Vec<u8>>(&connection, &GROW, (length,), Upstream::NONE);
        let long = tokio::spawn(long);
        while !long.is_finished() {
            let beside = taken.load(Ordering::SeqCst) - before;
            // What is under way when it is asked for, and what goes beside it.
            assert!(beside < (16 << 20) + 8 * length, "{beside} bytes beside {length}");
            yield_now().await;
        }
        assert_eq!(long.await.unwrap().unwrap().len(), length);
        small.abort();
        for stream in streams {
            stream.abort();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_answer_does_not_hold_up_a_stream() {
    let (near, far) = duplex(64 << 10);
    let mut near = Peer(near);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    let long = 16 << 20;
    let mut body = GROW.id.to_le_bytes().to_vec();
    body.push(0);
    codec::encode_into(&mut body, &(long,)).unwrap();
    let mut bytes = Vec::new();
    frame::put(&mut bytes, FrameKind::Call, 0, false, &body);
    near.0.write_all(&bytes).await.unwrap();
    pair.gate.add_permits(1);
    settle().await;
    // The answer waits to be written when the stream is asked for.
    let mut body = COUNT.id.to_le_bytes().to_vec();
    body.push(0);
    codec::encode_into(&mut body, &(10_u64,)).unwrap();
    bytes.clear();
    frame::put(&mut bytes, FrameKind::Call, 2, false, &body);
    near.0.write_all(&bytes).await.unwrap();
    settle().await;
    let mut before = 0;
    loop {
        let header = near.frame().await;
        if header.kind == FrameKind::Items {
            break;
        }
        before += header.length;
        assert!(before < 1 << 20, "the stream waits for the answer");
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_call_that_is_dropped_is_not_sent() {
    let (near, far) = duplex(64 << 10);
    let client = Shared::new(Side::Connector, ROOMY, ROOMY, HOLDS);
    tokio::spawn(Driver::new(near, Arc::clone(&client), NoService, Vec::new()).run());
    let connection = Connection::new(Arc::clone(&client), nowhere());
    let long = vec![7_u8; 16 << 20];
    let mut long = Box::pin(call::<Vec<u8>>(&connection, &ECHO, (long,), Upstream::NONE));
    assert!((&mut long).now_or_never().is_none());
    settle().await;
    drop(long);
    let mut peer = Peer(far);
    let mut sent = 0;
    let last = loop {
        let header = peer.frame().await;
        if header.kind != FrameKind::Call {
            break header;
        }
        assert!(header.more, "it was not sent to its end");
        sent += header.length;
        assert!(sent < 1 << 20, "it goes on");
    };
    assert_eq!((last.kind, last.id), (FrameKind::Cancel, 0));
    let mut bytes = Vec::new();
    frame::put(&mut bytes, FrameKind::Fail, 0, false, &[frame::FailCode::Cancelled as u8]);
    peer.0.write_all(&bytes).await.unwrap();
    settle().await;
    client.assert_idle();
}
