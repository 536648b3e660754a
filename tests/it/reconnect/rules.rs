//! What becomes of each kind of call, one by one.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autod::{Change, Error, Reconnect};
use futures::StreamExt as _;
use tokio::time::{Instant, sleep, timeout};

use super::link::{LedgerClient, World, pid};

const PATIENCE: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_sent_waits_for_the_next_connection() {
    let world = World::new(Duration::ZERO).await;
    let client = world.client().connect().await.unwrap();
    world.down.send_replace(true);
    world.cut();
    sleep(Duration::from_millis(1)).await;
    let waiting = tokio::spawn(client.write(7));
    sleep(Duration::from_secs(5)).await;
    assert!(!waiting.is_finished());
    world.down.send_replace(false);
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
    assert_eq!(world.book.lines(), [7]);
    assert_eq!(pid(&client), std::process::id());
}

#[tokio::test(start_paused = true)]
async fn patience_ends_with_the_cause() {
    let world = World::new(Duration::ZERO).await;
    let client = world.client().patience(PATIENCE).connect().await.unwrap();
    world.down.send_replace(true);
    world.cut();
    sleep(Duration::from_millis(1)).await;
    let begun = Instant::now();
    let error = client.write(9).await.unwrap_err();
    assert!(begun.elapsed() >= PATIENCE);
    assert!(error.is_lost() && error.is_retry_safe(), "{error:?}");
    let text = format!("{error:?}");
    let said =
        "the connection was lost and is not back after 3s (ledger): no route\nhelp: try again";
    assert!(text.starts_with(said), "{text}");
    assert!(world.book.lines().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_is_not_forgotten_when_there_is_no_other_connection() {
    let world = World::new(Duration::ZERO).await;
    let client = world.client().patience(PATIENCE).connect().await.unwrap();
    let patient = tokio::spawn(client.hang());
    let hasty = tokio::spawn(client.hang().deadline(Duration::from_secs(1)));
    sleep(Duration::from_millis(5)).await;
    world.down.send_replace(true);
    world.cut();
    let hasty = hasty.await.unwrap().unwrap_err();
    assert!(hasty.is_timeout() && hasty.may_have_executed(), "{hasty:?}");
    let patient = patient.await.unwrap().unwrap_err();
    assert!(patient.is_lost() && patient.may_have_executed(), "{patient:?}");
    assert!(patient.is_retry_safe(), "{patient:?}");
    assert_eq!(world.book.hung.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_counts_while_a_call_waits() {
    let world = World::new(Duration::ZERO).await;
    let client = world.client().connect().await.unwrap();
    world.down.send_replace(true);
    world.cut();
    sleep(Duration::from_millis(1)).await;
    let begun = Instant::now();
    let error = client.write(7).deadline(Duration::from_millis(200)).await.unwrap_err();
    assert!(error.is_timeout() && !error.may_have_executed(), "{error:?}");
    assert!(begun.elapsed() < Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn nobody_connects_for_nobody() {
    let world = World::new(Duration::ZERO).await;
    let client = world.client().connect().await.unwrap();
    world.cut();
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.attempts.load(Ordering::SeqCst), 1, "nobody has asked for a connection");
    world.down.send_replace(true);
    assert!(timeout(Duration::from_secs(1), client.write(1)).await.is_err());
    sleep(Duration::from_millis(1)).await;
    let attempts = world.attempts.load(Ordering::SeqCst);
    assert!(attempts > 1);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.attempts.load(Ordering::SeqCst), attempts, "nobody waits any more");
    world.down.send_replace(false);
    client.write(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn attempts_are_made_further_and_further_apart() {
    let world = World::new(Duration::ZERO).await;
    let client = world
        .client()
        .backoff(Duration::from_millis(100), Duration::from_millis(800))
        .patience(Duration::from_secs(400))
        .connect()
        .await
        .unwrap();
    world.down.send_replace(true);
    world.cut();
    sleep(Duration::from_millis(1)).await;
    let call = tokio::spawn(client.write(1));
    sleep(Duration::from_secs(400) - Duration::from_millis(10)).await;
    // 400 ms each on average; never more than 800.
    let attempts = world.attempts.load(Ordering::SeqCst);
    assert!((500..2000).contains(&attempts), "{attempts} attempts");
    world.down.send_replace(false);
    call.abort();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_each_connection_is_not_sent_for_ever() {
    let world = World::new(Duration::ZERO).await;
    let client = world.client().connect().await.unwrap();
    let call = tokio::spawn(client.hang());
    let killer = tokio::spawn({
        let world = Arc::clone(&world);
        async move {
            loop {
                sleep(Duration::from_secs(20)).await;
                world.cut();
            }
        }
    });
    let error = call.await.unwrap().unwrap_err();
    killer.abort();
    assert!(error.is_lost() && error.may_have_executed() && error.is_retry_safe(), "{error:?}");
    assert_eq!(world.book.hung.load(Ordering::SeqCst), 6);
}

#[tokio::test(start_paused = true)]
async fn a_callers_stream_is_not_sent_twice() {
    let world = World::new(Duration::ZERO).await;
    let client = world.client().connect().await.unwrap();
    let endless = futures::stream::repeat(1).then(|item| async move {
        sleep(Duration::from_millis(1)).await;
        item
    });
    let call = tokio::spawn(client.sum(endless));
    sleep(Duration::from_millis(5)).await;
    world.cut();
    let error = call.await.unwrap().unwrap_err();
    assert!(error.is_lost() && error.may_have_executed(), "{error:?}");
    // One that has not been sent loses nothing.
    assert_eq!(client.sum(futures::stream::iter([1, 2, 3])).await.unwrap(), 6);
}

#[tokio::test(start_paused = true)]
async fn changes_are_heard_in_their_order() {
    let world = World::new(Duration::ZERO).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = Arc::clone(&heard);
    let client = world
        .client()
        .on_change(move |change| {
            hear.lock().unwrap().push(match change {
                Change::Connected(_) => "connected",
                Change::Lost(_) => "lost",
                Change::Failed(_) => "failed",
                _ => "something else",
            });
        })
        .connect()
        .await
        .unwrap();
    world.down.send_replace(true);
    world.cut();
    assert!(timeout(Duration::from_secs(2), client.insist(1)).await.is_err());
    world.down.send_replace(false);
    client.insist(1).await.unwrap();
    let mut heard = heard.lock().unwrap().clone();
    heard.dedup();
    assert_eq!(heard, ["connected", "lost", "failed", "connected"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_stays_is_not_waited_out() {
    let world = World::new(Duration::ZERO).await;
    let times = AtomicU32::new(0);
    let client: LedgerClient = Reconnect::new({
        let world = Arc::clone(&world);
        move || {
            let world = Arc::clone(&world);
            let first = times.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                if first {
                    return world.connect_once().await;
                }
                autod::Daemon::new("no/name").connect_existing().await
            }
        }
    })
    .connect()
    .await
    .unwrap();
    world.cut();
    sleep(Duration::from_millis(1)).await;
    let begun = Instant::now();
    let error: Error = client.write(1).await.unwrap_err();
    assert!(!error.may_have_executed() && !error.is_retry_safe(), "{error:?}");
    assert!(format!("{error:?}").contains("cannot be made again (ledger): "), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_connecting_ends_who_waits_and_is_not_the_end() {
    let world = World::new(Duration::ZERO).await;
    let times = Arc::new(AtomicU32::new(0));
    let client: LedgerClient = Reconnect::new({
        let (world, times) = (Arc::clone(&world), Arc::clone(&times));
        move || {
            let world = Arc::clone(&world);
            let panics = times.fetch_add(1, Ordering::SeqCst) == 1;
            async move {
                assert!(!panics, "on purpose");
                world.connect_once().await
            }
        }
    })
    .connect()
    .await
    .unwrap();
    world.cut();
    sleep(Duration::from_millis(1)).await;
    let error: Error = client.write(1).await.unwrap_err();
    assert!(error.is_panic() && !error.may_have_executed(), "{error:?}");
    client.write(1).await.unwrap();
    assert_eq!(world.book.lines(), [1]);
}
