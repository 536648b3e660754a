//! One call and its answer.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;

use super::{ECHO, HALVE, NEVER, PANIC, PANIC_LATER, Pair, ROOMY, UNKNOWN, pair_of, settle};
use crate::error::{CallError, Result};
use crate::mux::{Upstream, call, call_fallible};
use crate::service::Request as _;
use crate::wire::frame::MAX_PIECE;
use crate::wire::limits::Receives;

#[tokio::test(start_paused = true)]
async fn calls_are_answered() {
    let pair = Pair::new();
    assert_eq!(pair.echo(vec![1, 2]).await.unwrap(), [1, 2]);
    assert_eq!(pair.echo(Vec::new()).await.unwrap(), [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_call_delays_nobody() {
    let pair = Pair::new();
    let slow = tokio::spawn(pair.later(vec![1]));
    settle().await;
    assert_eq!(pair.echo(vec![2]).await.unwrap(), [2]);
    assert!(!slow.is_finished());
    pair.gate.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn every_answer_finds_its_call() {
    let pair = Pair::new();
    let calls = (0..500_u32).map(|n| {
        let bytes = n.to_le_bytes().to_vec();
        let call = if n % 3 == 0 { pair.later(bytes.clone()) } else { pair.echo(bytes.clone()) };
        async move { assert_eq!(call.await.unwrap(), bytes) }
    });
    pair.gate.add_permits(500);
    futures_util::future::join_all(calls).await;
}

#[tokio::test(start_paused = true)]
async fn the_services_own_error_comes_back_as_it_is() {
    let pair = Pair::new();
    let halve =
        |n: u32| call_fallible::<u32, String>(&pair.connection, &HALVE, (n,), Upstream::NONE);
    assert_eq!(halve(8).await.unwrap(), 4);
    match halve(7).await.unwrap_err() {
        CallError::Service(text) => assert_eq!(text, "7 is odd"),
        CallError::Autod(error) => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_of_its_call() {
    let pair = Pair::new();
    let error = call::<()>(&pair.connection, &PANIC, (), Upstream::NONE).await.unwrap_err();
    assert!(error.is_panic() && error.may_have_executed());
    assert_eq!(crate::error::in_full(&error), "panic panicked in the daemon: at once");

    pair.gate.add_permits(1);
    let error = call::<()>(&pair.connection, &PANIC_LATER, (), Upstream::NONE).await.unwrap_err();
    assert!(crate::error::in_full(&error).ends_with("after a while"), "{error:?}");
    assert_eq!(pair.echo(vec![3]).await.unwrap(), [3]);
}

#[tokio::test(start_paused = true)]
async fn what_the_daemon_cannot_use_was_not_executed() {
    let pair = Pair::new();
    let unknown = call::<()>(&pair.connection, &UNKNOWN, (), Upstream::NONE).await.unwrap_err();
    assert!(unknown.to_string().contains("no method unknown"), "{unknown}");
    let mismatch = call::<u32>(&pair.connection, &HALVE, (1_u8, "text".to_owned()), Upstream::NONE)
        .await
        .unwrap_err();
    assert!(mismatch.to_string().contains("arguments of halve"), "{mismatch}");
    for error in [unknown, mismatch] {
        assert!(!error.may_have_executed());
    }
    let answer = call::<String>(&pair.connection, &ECHO, (vec![0xff_u8, 1],), Upstream::NONE)
        .await
        .unwrap_err();
    assert!(answer.may_have_executed(), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_cancelled_at_the_daemon() {
    let pair = Pair::new();
    for round in 1..=100 {
        let mut never = Box::pin(call::<()>(&pair.connection, &NEVER, (), Upstream::NONE));
        assert!((&mut never).now_or_never().is_none());
        settle().await;
        assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), round - 1);
        drop(never);
        settle().await;
        assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), round);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_polled_is_never_sent() {
    let pair = Pair::new();
    drop(call::<()>(&pair.connection, &NEVER, (), Upstream::NONE));
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 0);
}

#[tokio::test(start_paused = true)]
async fn large_messages_arrive_whole() {
    let pair = Pair::new();
    for length in [MAX_PIECE - 16, MAX_PIECE, MAX_PIECE + 1, 3 << 20] {
        let bytes: Vec<u8> = (0_u8..=250).cycle().take(length).collect();
        assert!(pair.echo(bytes.clone()).await.unwrap() == bytes, "{length} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_above_the_limit_fails_its_call_alone() {
    let small = Receives { message: 2048, ..ROOMY };
    let pair = Pair::with(ROOMY, small);
    let error = pair.echo(vec![0; 4096]).await.unwrap_err();
    assert!(error.is_limit() && !error.may_have_executed(), "{error}");
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);

    let pair = Pair::with(small, ROOMY);
    let error = pair.echo(vec![0; 4096]).await.unwrap_err();
    assert!(error.is_limit() && error.may_have_executed(), "{error}");
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn two_ends_that_write_much_do_not_wait_for_each_other() {
    let pair = Pair::new();
    let one = tokio::spawn(pair.echo(vec![1; 5 << 20]));
    let two = tokio::spawn(pair.echo(vec![1; 12 << 20]));
    assert_eq!(one.await.unwrap().unwrap().len(), 5 << 20);
    assert_eq!(two.await.unwrap().unwrap().len(), 12 << 20);
}

#[tokio::test(start_paused = true)]
async fn long_bytes_may_stand_behind_others() {
    let connection = pair_of(async |request| {
        let ((first, last), request) = request.arguments::<(Vec<u8>, Vec<u8>)>().ok().unwrap();
        let right = first == vec![1; first.len()] && last == vec![2; last.len()];
        request.reply((right, first.len(), last.len()))
    });
    // A beginning that is just within a piece, and those that are not.
    for first in [MAX_PIECE - 20, MAX_PIECE - 14, MAX_PIECE, 10 * MAX_PIECE] {
        for last in [1, 16 << 10, 10 * MAX_PIECE] {
            for patience in [None, Some(Duration::from_secs(60))] {
                let arguments = (vec![1_u8; first], vec![2_u8; last]);
                let mut call = call(&connection, &ECHO, arguments, Upstream::NONE);
                if let Some(patience) = patience {
                    call = call.deadline(patience);
                }
                let answer: Result<(bool, usize, usize)> = call.await;
                assert_eq!(answer.unwrap(), (true, first, last));
            }
        }
    }
    connection.shared_arc().assert_idle();
}
