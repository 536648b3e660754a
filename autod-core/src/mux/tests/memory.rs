//! What the calls of one connection may make an end hold.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::{GROW, Pair, ROOMY, settle};
use crate::codec;
use crate::wire::frame::{self, HEADER, Header};
use crate::wire::limits::Receives;

#[tokio::test(start_paused = true)]
async fn arguments_beyond_the_memory_of_a_connection_fail_their_call_alone() {
    let small = Receives { message: 1 << 20, ..ROOMY };
    let pair = Pair::with(small, small);
    let held: Vec<_> = (0..3).map(|_| tokio::spawn(pair.later(vec![7; 300 << 10]))).collect();
    settle().await;
    let error = pair.later(vec![7; 300 << 10]).await.unwrap_err();
    assert!(error.is_limit() && !error.may_have_executed(), "{error:?}");
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
    pair.gate.add_permits(3);
    for call in held {
        assert_eq!(call.await.unwrap().unwrap().len(), 300 << 10);
    }
    // What was answered is free again.
    pair.gate.add_permits(1);
    assert_eq!(pair.later(vec![7; 1000 << 10]).await.unwrap().len(), 1000 << 10);
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_reads_are_bounded() {
    let (mut near, far) = duplex(64 << 10);
    let small = Receives { message: 1 << 20, ..ROOMY };
    let pair = Pair::serve(far, small, small);
    let mut body = GROW.id.to_le_bytes().to_vec();
    body.push(0);
    codec::encode_into(&mut body, &(480_usize << 10,)).unwrap();
    for slot in 0..6 {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, frame::Kind::Call, slot << 1, false, &body);
        near.write_all(&bytes).await.unwrap();
    }
    settle().await;
    pair.gate.add_permits(6);
    settle().await;
    let mut ends = Vec::new();
    while ends.len() < 6 {
        let mut header = [0; HEADER];
        near.read_exact(&mut header).await.unwrap();
        let header = Header::parse(&header).unwrap().unwrap();
        let mut payload = vec![0; header.length];
        near.read_exact(&mut payload).await.unwrap();
        if !header.more {
            ends.push((header.kind, payload[0]));
        }
    }
    let refused = ends.iter().filter(|(kind, code)| *kind == frame::Kind::Fail && *code == 9);
    assert_eq!(refused.count(), 3, "{ends:?}");
}
