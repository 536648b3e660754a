//! How connections end, and what then becomes of what is open.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncWriteExt, duplex};

use super::{NEVER, Pair, READ, ROOMY, method, settle};
use crate::mux::dispatch::NoService;
use crate::mux::driver::Driver;
use crate::mux::{Upstream, call};
use crate::service::Method;
use crate::wire::frame::{self, GoodbyeCode};

#[tokio::test(start_paused = true)]
async fn closing_answers_what_runs_and_refuses_the_rest() {
    let pair = Pair::new();
    let running = tokio::spawn(pair.later(vec![1]));
    let mut items = pair.count(u64::MAX);
    items.next().await.unwrap().unwrap();
    settle().await;
    pair.server.leave(GoodbyeCode::Closing, "the daemon is closing");
    let refused = pair.echo(vec![2]).await.unwrap_err();
    assert!(refused.is_closing() && refused.is_retry_safe(), "{refused}");
    let ended = loop {
        if let Err(error) = items.next().await.unwrap() {
            break error;
        }
    };
    assert!(ended.is_closing(), "{ended}");
    assert!(!running.is_finished());
    pair.gate.add_permits(1);
    assert_eq!(running.await.unwrap().unwrap(), [1]);
    pair.connection.ended().await;
    let late = pair.echo(vec![3]).await.unwrap_err();
    assert!(late.is_closing() && late.is_retry_safe(), "{late}");
}

#[tokio::test(start_paused = true)]
async fn the_goodbye_comes_after_the_last_piece_of_every_answer() {
    let pair = Pair::new();
    let short = tokio::spawn(pair.later(vec![1]));
    settle().await;
    let long = tokio::spawn(pair.later(vec![7; 1 << 20]));
    settle().await;
    pair.server.leave(GoodbyeCode::Closing, "the daemon is closing");
    pair.gate.add_permits(2);
    assert_eq!(short.await.unwrap().unwrap(), [1]);
    assert_eq!(long.await.unwrap().unwrap().len(), 1 << 20);
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_taken_away_leaves_nobody_waiting() {
    let (near, far) = duplex(64 << 10);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    let shared = Arc::clone(pair.connection.shared_arc());
    let driver = tokio::spawn(Driver::new(near, shared, NoService, Vec::new()).run());
    let call = tokio::spawn(pair.later(vec![1]));
    settle().await;
    driver.abort();
    assert!(call.await.unwrap().unwrap_err().may_have_executed());
    pair.connection.ended().await;
}

#[tokio::test(start_paused = true)]
async fn disconnecting_waits_for_nobody() {
    let pair = Pair::new();
    let running = tokio::spawn(pair.later(vec![1]));
    settle().await;
    pair.server.leave(GoodbyeCode::Disconnected, "enough");
    let error = running.await.unwrap().unwrap_err();
    assert!(error.may_have_executed() && !error.is_retry_safe(), "{error}");
    pair.connection.ended().await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_ends_with_its_last_user() {
    let pair = Pair::new();
    let slow = tokio::spawn(pair.later(vec![1]));
    settle().await;
    let Pair { connection, server, gate, .. } = pair;
    drop(connection);
    settle().await;
    gate.add_permits(1);
    assert_eq!(slow.await.unwrap().unwrap(), [1], "a call keeps its connection");
    server.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_ends_every_call_and_handler() {
    let (mut near, far) = duplex(64 << 10);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    let mut bytes = Vec::new();
    let mut body = NEVER.id.to_le_bytes().to_vec();
    body.push(0);
    frame::put(&mut bytes, frame::Kind::Call, 0, false, &body);
    near.write_all(&bytes).await.unwrap();
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 0);
    drop(near);
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 1);
    pair.server.ended().await;
}

#[tokio::test(start_paused = true)]
async fn an_idempotent_call_can_be_sent_again_though_it_may_have_been_executed() {
    static PANICS: Method = Method { idempotent: true, ..method("panic") };
    for (method, safe) in [(&READ, true), (&NEVER, false)] {
        let (near, far) = duplex(64 << 10);
        let pair = Pair::serve(far, ROOMY, ROOMY);
        let shared = Arc::clone(pair.connection.shared_arc());
        let driver = tokio::spawn(Driver::new(near, shared, NoService, Vec::new()).run());
        let error = call::<()>(&pair.connection, &PANICS, (), Upstream::NONE).await.unwrap_err();
        assert!(!error.is_retry_safe(), "it is no use: {error}");

        let limit = Duration::from_secs(1);
        let timed = call::<()>(&pair.connection, method, (), Upstream::NONE).deadline(limit);
        let timed = timed.await.unwrap_err();
        let lost = tokio::spawn(call::<()>(&pair.connection, method, (), Upstream::NONE));
        settle().await;
        driver.abort();
        for error in [timed, lost.await.unwrap().unwrap_err()] {
            assert!(error.may_have_executed(), "{error}");
            assert_eq!(error.is_retry_safe(), safe, "{error}");
        }
    }
}
