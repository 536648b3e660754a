//! What becomes of items that a caller does not take in time.

use std::sync::atomic::Ordering;

use super::flows::NEWEST;
use super::{Pair, ROOMY, settle};
use crate::mux::{Incoming, Upstream, open};
use crate::wire::limits::Receives;

fn newest(pair: &Pair, most: usize) -> Incoming<u64> {
    open(&pair.connection, &NEWEST, (most,), Upstream::NONE)
}

#[tokio::test(start_paused = true)]
async fn a_slow_caller_gets_the_newest_items_and_their_number() {
    let pair = Pair::with(Receives { window: 1024, ..ROOMY }, ROOMY);
    let mut items = newest(&pair, 10);
    pair.gate.add_permits(1);
    assert_eq!(items.next().await.unwrap().unwrap(), 0);
    assert_eq!(items.skipped(), 0);
    pair.gate.add_permits(100_000);
    settle().await;
    assert_eq!(pair.traces.produced.load(Ordering::SeqCst), 100_001, "it waits for nobody");
    // What was on its way arrives without a gap, then come the newest.
    let mut last = 0;
    while items.skipped() == 0 {
        let item = items.next().await.unwrap().unwrap();
        if items.skipped() == 0 {
            assert_eq!(item, last + 1);
            last = item;
        } else {
            assert_eq!(item, last + 1 + items.skipped(), "every item is accounted for");
            assert_eq!(item, 100_001 - 10);
            last = item;
        }
    }
    for n in last + 1..100_001 {
        assert_eq!(items.next().await.unwrap().unwrap(), n);
    }
    // A caller that has caught up misses nothing.
    let skipped = items.skipped();
    for n in 0..1000 {
        pair.gate.add_permits(1);
        assert_eq!(items.next().await.unwrap().unwrap(), 100_001 + n);
    }
    assert_eq!(items.skipped(), skipped);
    pair.gate.close();
    assert!(items.next().await.is_none());
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_comes_before_the_end() {
    let pair = Pair::with(Receives { window: 1024, ..ROOMY }, ROOMY);
    let mut items = newest(&pair, 5);
    pair.gate.add_permits(50_000);
    let first = items.next().await.unwrap().unwrap();
    settle().await;
    pair.gate.close();
    settle().await;
    let (mut seen, mut last) = (1, first);
    while let Some(item) = items.next().await {
        last = item.unwrap();
        seen += 1;
    }
    assert_eq!(last, 49_999);
    assert_eq!(seen + items.skipped(), 50_000);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_stream_of_newest_items_ends_its_handler() {
    let pair = Pair::new();
    let mut items = newest(&pair, 10);
    pair.gate.add_permits(1);
    items.next().await.unwrap().unwrap();
    drop(items);
    settle().await;
    pair.assert_idle();
}
