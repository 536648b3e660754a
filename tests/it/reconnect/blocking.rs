//! Clients that block and come back: the rules are those of the others, in real time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{sleep, spawn};
use std::time::{Duration, Instant};

use autod::blocking::{Client as _, resume};
use autod::{Change, Reconnect};
use tokio::runtime::Runtime;

use super::link::{LedgerBlockingClient, LedgerClient, World};
use crate::home::eventually;

/// The last line of a stream.
const LAST: u64 = 60;

/// A service with threads of its own, and its client.
fn world() -> (Runtime, Arc<World>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let world = runtime.block_on(World::new(Duration::ZERO));
    (runtime, world)
}

fn connect(client: Reconnect<LedgerClient>) -> LedgerBlockingClient {
    let moment = Duration::from_millis(20);
    client.backoff(Duration::from_millis(1), moment).connect_blocking().unwrap()
}

#[test]
fn a_call_that_was_not_sent_waits_for_the_next_connection() {
    let (_runtime, world) = world();
    let client = connect(world.client());
    assert_eq!(client.write(6).unwrap(), 1);
    world.down.send_replace(true);
    world.cut();
    let waiting = spawn({
        let client = client.clone();
        move || client.insist(7)
    });
    eventually("it is tried", || world.attempts.load(Ordering::SeqCst) > 3);
    assert!(!waiting.is_finished());
    world.down.send_replace(false);
    assert_eq!(waiting.join().unwrap().unwrap(), 2);
    assert_eq!(world.book.lines(), [6, 7]);
}

#[test]
fn patience_ends_with_the_cause() {
    let (_runtime, world) = world();
    let patience = Duration::from_millis(200);
    let client = connect(world.client().patience(patience));
    world.down.send_replace(true);
    world.cut();
    let begun = Instant::now();
    let error = client.insist(9).unwrap_err();
    assert!(begun.elapsed() >= patience);
    assert!(error.is_lost() && error.is_retry_safe(), "{error:?}");
    assert!(
        format!("{error:?}").contains("is not back after 200ms (ledger): no route"),
        "{error:?}"
    );
    assert!(world.book.lines().is_empty());
}

#[test]
fn a_deadline_counts_while_a_call_waits() {
    let (_runtime, world) = world();
    let heard = Arc::new(AtomicBool::new(false));
    let hear = Arc::clone(&heard);
    let client = connect(world.client().on_change(move |change| {
        hear.fetch_or(matches!(change, Change::Lost(_)), Ordering::SeqCst);
    }));
    world.down.send_replace(true);
    world.cut();
    eventually("the loss is noticed", || heard.load(Ordering::SeqCst));
    let hasty = client.with_deadline(Duration::from_millis(200));
    let error = hasty.write(7).unwrap_err();
    assert!(error.is_timeout() && !error.may_have_executed(), "{error:?}");
    world.down.send_replace(false);
    assert_eq!(client.write(8).unwrap(), 1);
}

#[test]
fn nobody_connects_for_nobody() {
    let (_runtime, world) = world();
    let lost = Arc::new(AtomicBool::new(false));
    let hear = Arc::clone(&lost);
    let client = connect(world.client().on_change(move |change| {
        hear.fetch_or(matches!(change, Change::Lost(_)), Ordering::SeqCst);
    }));
    world.cut();
    eventually("the loss is noticed", || lost.load(Ordering::SeqCst));
    // Ten times the longest pause.
    sleep(Duration::from_millis(200));
    assert_eq!(world.attempts.load(Ordering::SeqCst), 1, "nobody has asked for a connection");
    client.write(1).unwrap();
    assert_eq!(world.attempts.load(Ordering::SeqCst), 2);
}

#[test]
fn only_what_may_be_executed_twice_is_sent_twice() {
    let (_runtime, world) = world();
    let client = connect(world.client());
    let hanging = spawn({
        let client = client.clone();
        move || client.hang()
    });
    for times in 1..=6 {
        eventually("it is sent", || world.book.hung.load(Ordering::SeqCst) == times);
        world.cut();
    }
    let error = hanging.join().unwrap().unwrap_err();
    assert!(error.is_lost() && error.may_have_executed() && error.is_retry_safe(), "{error:?}");
    // A stream that was sent cannot be had again.
    let taken = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&taken);
    let endless = std::iter::from_fn(move || {
        told.store(true, Ordering::SeqCst);
        sleep(Duration::from_millis(1));
        Some(1)
    });
    let summing = spawn({
        let client = client.clone();
        move || client.sum(endless)
    });
    eventually("it is sent", || taken.load(Ordering::SeqCst) && world.connections() == 1);
    sleep(Duration::from_millis(20));
    world.cut();
    let error = summing.join().unwrap().unwrap_err();
    assert!(error.is_lost() && error.may_have_executed(), "{error:?}");
    assert_eq!(client.sum([1, 2, 3]).unwrap(), 6);
}

#[test]
fn a_stream_goes_on_where_it_was_interrupted() {
    let (_runtime, world) = world();
    let client = connect(world.client());
    let writing = spawn({
        let (client, world) = (client.clone(), Arc::clone(&world));
        move || {
            for line in 1..=LAST {
                while client.write(line).is_err() {
                    // It may be in the book or not: the book tells.
                    if world.book.lines().last() == Some(&line) {
                        break;
                    }
                }
                if line % 10 == 0 {
                    world.cut();
                }
            }
        }
    });
    let hasty = client.with_deadline(Duration::from_millis(5));
    let mut seen = Vec::new();
    for number in resume(|after| hasty.follow(after, LAST), |number| *number) {
        match number {
            Ok(number) => seen.push(number),
            Err(error) => assert!(error.is_timeout(), "{error:?}"),
        }
    }
    writing.join().unwrap();
    assert_eq!(seen, (1..=LAST).collect::<Vec<_>>());
}

/// Links are cut at all moments, under several threads.
#[test]
fn each_call_is_executed_as_often_as_it_is_said() {
    let (runtime, world) = world();
    let client = connect(world.client());
    let done = Arc::new(AtomicBool::new(false));
    let cutter = spawn({
        let (world, done) = (Arc::clone(&world), Arc::clone(&done));
        move || {
            for round in 0_u64.. {
                if done.load(Ordering::SeqCst) {
                    return;
                }
                sleep(Duration::from_millis(3 + round * 7 % 11));
                if round % 5 == 4 {
                    runtime.block_on(world.restart());
                } else {
                    world.cut();
                }
            }
        }
    });
    let told = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let (client, told) = (&client, &told);
            scope.spawn(move || {
                for n in 0..100 {
                    let line = thread * 1000 + n;
                    let answer = if n % 2 == 0 { client.write(line) } else { client.insist(line) };
                    told.lock().unwrap().push((line, answer));
                }
            });
        }
    });
    done.store(true, Ordering::SeqCst);
    cutter.join().unwrap();
    let lines = world.book.lines();
    for (line, answer) in told.into_inner().unwrap() {
        let times = lines.iter().filter(|&&written| written == line).count();
        let idempotent = line % 2 == 1;
        match answer {
            Ok(_) => assert!(times == 1 || idempotent && times > 1, "{line}: {times} times"),
            Err(error) => {
                assert!(error.is_lost(), "{line}: {error:?}");
                assert!(times == 0 || error.may_have_executed(), "{line}: {error:?}");
                assert!(times <= 1 || idempotent, "{line}: {times} times");
            }
        }
    }
}
