//! Callers above the limit of calls in flight.

use futures_util::FutureExt;

use super::{Pair, ROOMY, settle};
use crate::wire::limits::Receives;

#[tokio::test(start_paused = true)]
async fn above_the_limit_calls_wait_for_their_turn() {
    let pair = Pair::with(ROOMY, Receives { calls: 2, ..ROOMY });
    let calls: Vec<_> = (0..10_u8).map(|n| tokio::spawn(pair.later(vec![n]))).collect();
    settle().await;
    // Two run, eight wait; of those that wait two lose patience.
    calls[4].abort();
    calls[9].abort();
    for _ in 0..8 {
        pair.gate.add_permits(1);
        settle().await;
    }
    for (n, call) in calls.into_iter().enumerate() {
        match call.await {
            Ok(answer) => assert_eq!(answer.unwrap(), [u8::try_from(n).unwrap()]),
            Err(error) => assert!(error.is_cancelled() && [4, 9].contains(&n)),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_takes_no_turn_with_it() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    let running = tokio::spawn(pair.later(vec![1]));
    settle().await;
    let first = tokio::spawn(pair.echo(vec![2]));
    settle().await;
    let second = tokio::spawn(pair.echo(vec![3]));
    settle().await;
    first.abort();
    settle().await;
    pair.gate.add_permits(1);
    running.await.unwrap().unwrap();
    assert_eq!(second.await.unwrap().unwrap(), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_polled_often_has_one_place() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    let running = tokio::spawn(pair.later(vec![1]));
    settle().await;
    let mut eager = pair.echo(vec![2]);
    for _ in 0..100 {
        assert!((&mut eager).now_or_never().is_none());
    }
    let patient = tokio::spawn(pair.echo(vec![3]));
    settle().await;
    pair.gate.add_permits(1);
    running.await.unwrap().unwrap();
    assert_eq!(eager.await.unwrap(), [2]);
    assert_eq!(patient.await.unwrap().unwrap(), [3]);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_granted_and_not_wanted_goes_to_the_next() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    let running = tokio::spawn(pair.later(vec![1]));
    settle().await;
    let mut first = pair.echo(vec![2]);
    assert!((&mut first).now_or_never().is_none());
    let second = tokio::spawn(pair.echo(vec![3]));
    settle().await;
    pair.gate.add_permits(1);
    running.await.unwrap().unwrap();
    settle().await;
    assert!(!second.is_finished(), "it is not its turn");
    drop(first);
    assert_eq!(second.await.unwrap().unwrap(), [3]);
}
