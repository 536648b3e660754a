//! Streams from the callee.

use std::sync::atomic::Ordering;

use super::{MIXED, Pair, ROOMY, UNITS, settle};
use crate::mux::{Upstream, open};
use crate::wire::limits::Receives;

#[tokio::test(start_paused = true)]
async fn all_items_arrive_in_order() {
    let pair = Pair::new();
    for end in [0, 1, 100_000] {
        let mut items = pair.count(end);
        for n in 0..end {
            assert_eq!(items.next().await.unwrap().unwrap(), n);
        }
        assert!(items.next().await.is_none());
        assert!(items.next().await.is_none(), "the end stays the end");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_waits_for_a_slow_consumer_and_delays_nobody() {
    let pair = Pair::new();
    let mut items = pair.count(10_000_000);
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    settle().await;
    let ahead = pair.traces.produced.load(Ordering::SeqCst);
    settle().await;
    assert_eq!(pair.traces.produced.load(Ordering::SeqCst), ahead, "it waits for credit");
    // The window, one message begun above zero credit, and one that is packed and waits.
    assert!(ahead < (256 + 64 + 64) << 10, "{ahead} items sent ahead");
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
    for n in 1..200_000 {
        assert_eq!(items.next().await.unwrap().unwrap(), n);
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_ends_its_handler() {
    let pair = Pair::new();
    let mut items = pair.count(u64::MAX);
    items.next().await.unwrap().unwrap();
    drop(items);
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 1);
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn items_are_judged_one_by_one() {
    let pair = Pair::with(Receives { message: 1024, ..ROOMY }, ROOMY);
    let mut items = pair.count(10_000);
    for n in 0..10_000 {
        assert_eq!(items.next().await.unwrap().unwrap(), n);
    }
    assert!(items.next().await.is_none());

    // The second item takes five bytes more than may be received; the others are within.
    let limit = Receives { message: 1 << 16, window: 1 << 20, ..ROOMY };
    let pair = Pair::with(limit, Receives { window: 1 << 20, ..ROOMY });
    let mut items = open::<Vec<u8>>(&pair.connection, &MIXED, (), Upstream::NONE);
    assert_eq!(items.next().await.unwrap().unwrap().len(), 30, "what came before arrives");
    let error = items.next().await.unwrap().unwrap_err();
    assert!(error.is_limit(), "{error:?}");

    let limit = Receives { message: (1 << 16) + 5, window: 1 << 20, ..ROOMY };
    let pair = Pair::with(limit, Receives { window: 1 << 20, ..ROOMY });
    let mut items = open::<Vec<u8>>(&pair.connection, &MIXED, (), Upstream::NONE);
    for size in [30, 1 << 16, (64 << 10) - 5, 9] {
        assert_eq!(items.next().await.unwrap().unwrap().len(), size);
    }
    assert!(items.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_nothings_lets_others_have_their_turn() {
    let pair = Pair::new();
    let mut items = open::<()>(&pair.connection, &UNITS, (), Upstream::NONE);
    items.next().await.unwrap().unwrap();
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
}
