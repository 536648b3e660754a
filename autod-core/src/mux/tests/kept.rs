//! Handlers that run to their end whatever becomes of their callers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::timeout;

use super::{Pair, ROOMY, SAVE, settle};
use crate::codec;
use crate::mux::{Call, Upstream, call};
use crate::wire::frame::{self, GoodbyeCode, HEADER, Header, Kind};
use crate::wire::limits::Receives;

fn save(pair: &Pair) -> Call<u32> {
    call(&pair.connection, &SAVE, (7_u32,), Upstream::NONE)
}

fn saved(pair: &Pair) -> usize {
    pair.traces.produced.load(Ordering::SeqCst)
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_goes_on() {
    let pair = Pair::new();
    for round in 1..=100 {
        let mut call = Box::pin(save(&pair));
        assert!((&mut call).now_or_never().is_none());
        if round % 2 == 0 {
            settle().await;
        }
        drop(call);
        settle().await;
        assert_eq!(saved(&pair), round - 1);
        pair.gate.add_permits(1);
        settle().await;
        assert_eq!(saved(&pair), round, "it ran to its end");
        pair.assert_idle();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_keeps_its_slot_until_it_is_answered() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    assert!(Box::pin(save(&pair)).now_or_never().is_none());
    let next = tokio::spawn(save(&pair));
    settle().await;
    assert!(!next.is_finished());
    pair.gate.add_permits(2);
    assert_eq!(next.await.unwrap().unwrap(), 7);
    assert_eq!(saved(&pair), 2);
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_turn_can_be_dropped() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    let first = tokio::spawn(save(&pair));
    settle().await;
    assert!(Box::pin(save(&pair)).now_or_never().is_none());
    pair.gate.add_permits(2);
    first.await.unwrap().unwrap();
    settle().await;
    assert_eq!(saved(&pair), 1);
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn it_outlives_its_connection_which_waits_for_it() {
    for close in [false, true] {
        let pair = Pair::new();
        let call = tokio::spawn(save(&pair));
        settle().await;
        if close {
            pair.server.leave(GoodbyeCode::Disconnected, "enough");
            assert!(call.await.unwrap().unwrap_err().may_have_executed());
        } else {
            call.abort();
        }
        let server = Arc::clone(&pair.server);
        let (gate, traces) = (Arc::clone(&pair.gate), Arc::clone(&pair.traces));
        drop(pair);
        server.ended().await;
        let mut survivors = tokio::spawn(async move { server.survivors_ended().await });
        timeout(Duration::from_secs(60), &mut survivors).await.expect_err("it still runs");
        assert_eq!(traces.dropped.load(Ordering::SeqCst), 0);
        gate.add_permits(1);
        survivors.await.unwrap();
        assert_eq!(traces.produced.load(Ordering::SeqCst), 1);
    }
}

/// The method decides, not what its caller says.
#[tokio::test(start_paused = true)]
async fn a_cancel_of_a_stranger_is_ignored() {
    for together in [false, true] {
        let (mut near, far) = duplex(64 << 10);
        let pair = Pair::serve(far, ROOMY, ROOMY);
        let mut body = SAVE.id.to_le_bytes().to_vec();
        body.push(0);
        codec::encode_into(&mut body, &(7_u32,)).unwrap();
        let mut bytes = Vec::new();
        frame::put(&mut bytes, Kind::Call, 0, false, &body);
        if !together {
            near.write_all(&std::mem::take(&mut bytes)).await.unwrap();
            settle().await;
        }
        frame::put(&mut bytes, Kind::Cancel, 0, false, &[]);
        near.write_all(&bytes).await.unwrap();
        settle().await;
        pair.gate.add_permits(1);
        let mut reply = [0; HEADER + 1];
        near.read_exact(&mut reply).await.unwrap();
        let header = Header::parse(&reply).unwrap().unwrap();
        assert_eq!((header.kind, reply[HEADER]), (Kind::Reply, 7), "together: {together}");
    }
}

#[tokio::test(start_paused = true)]
async fn closing_waits_for_it_like_for_any_call() {
    let pair = Pair::new();
    let mut call = Box::pin(save(&pair));
    assert!((&mut call).now_or_never().is_none());
    settle().await;
    drop(call);
    pair.server.leave(GoodbyeCode::Closing, "the daemon is closing");
    timeout(Duration::from_secs(60), pair.connection.ended()).await.expect_err("a call runs");
    pair.gate.add_permits(1);
    pair.connection.ended().await;
    assert_eq!(saved(&pair), 1);
}
