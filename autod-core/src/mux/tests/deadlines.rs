//! How long a call may take.

use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Instant, timeout};

use super::{ECHO, NEVER, Pair, ROOMY, SAVE, WHEN, settle};
use crate::codec;
use crate::error::Error;
use crate::mux::{Call, Upstream, call, deadline};
use crate::service::Method;
use crate::wire::frame::{self, FailCode, HEADER, Header, Kind, MAX_PIECE};
use crate::wire::limits::Receives;

const SECOND: Duration = Duration::from_secs(1);

fn never(pair: &Pair) -> Call<()> {
    call(&pair.connection, &NEVER, (), Upstream::NONE)
}

fn dropped(pair: &Pair) -> usize {
    pair.traces.dropped.load(Ordering::SeqCst)
}

#[track_caller]
fn assert_timeout(error: &Error, may_have_executed: bool) {
    assert!(error.is_timeout(), "{error:?}");
    assert_eq!(error.may_have_executed(), may_have_executed, "{error:?}");
    assert_eq!(error.is_retry_safe(), !may_have_executed, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline_at_both_ends() {
    let pair = Pair::new();
    let began = Instant::now();
    let error = never(&pair).deadline(SECOND).await.unwrap_err();
    assert_timeout(&error, true);
    assert_eq!(error.to_string(), "never was not answered before its deadline");
    assert!(began.elapsed() >= SECOND && began.elapsed() < 2 * SECOND, "{:?}", began.elapsed());
    settle().await;
    assert_eq!(dropped(&pair), 1, "the handler was stopped");
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_answered_in_time_is_answered() {
    let pair = Pair::new();
    for size in [0, 10, 3 * MAX_PIECE] {
        let bytes = vec![7; size];
        let answer = pair.echo(bytes.clone()).deadline(SECOND).await.unwrap();
        assert!(answer == bytes, "{size}");
        let later = tokio::spawn(pair.later(bytes.clone()).deadline(SECOND));
        tokio::time::sleep(SECOND / 2).await;
        pair.gate.add_permits(1);
        assert!(later.await.unwrap().unwrap() == bytes, "{size}");
    }
    for forever in [Duration::MAX, Duration::from_secs(u64::from(u32::MAX))] {
        assert_eq!(pair.echo(vec![1]).deadline(forever).await.unwrap(), [1]);
    }
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn the_time_runs_from_the_first_poll() {
    let pair = Pair::new();
    let echo = pair.echo(vec![1]).deadline(2 * SECOND).deadline(SECOND);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(echo.await.unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_never_sent_was_not_executed() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    let mut first = Box::pin(pair.later(vec![1]));
    assert!((&mut first).now_or_never().is_none());
    let error = never(&pair).deadline(SECOND).await.unwrap_err();
    assert_timeout(&error, false);
    pair.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), [1]);
    settle().await;
    assert_eq!(dropped(&pair), 0);
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_turn_takes_from_the_time() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    let first = tokio::spawn(pair.later(vec![1]));
    settle().await;
    let when = call::<Option<Duration>>(&pair.connection, &WHEN, (), Upstream::NONE);
    let when = tokio::spawn(when.deadline(4 * SECOND));
    tokio::time::sleep(SECOND).await;
    pair.gate.add_permits(2);
    first.await.unwrap().unwrap();
    let left = when.await.unwrap().unwrap().unwrap();
    assert!(left > 2 * SECOND && left <= 3 * SECOND, "{left:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_knows_its_deadline() {
    let pair = Pair::new();
    let when = || call::<Option<Duration>>(&pair.connection, &WHEN, (), Upstream::NONE);
    pair.gate.add_permits(1);
    let left = when().deadline(SECOND).await.unwrap().unwrap();
    assert!(left > SECOND / 2 && left <= SECOND, "{left:?}");
    pair.gate.add_permits(1);
    assert_eq!(when().await.unwrap(), None);
    let (one, other) = (tokio::spawn(when().deadline(SECOND)), tokio::spawn(when()));
    settle().await;
    pair.gate.add_permits(2);
    assert!(one.await.unwrap().unwrap().is_some());
    assert_eq!(other.await.unwrap().unwrap(), None);
    assert_eq!(deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_kept_goes_on_beyond_the_deadline() {
    let pair = Pair::new();
    let save = call::<u32>(&pair.connection, &SAVE, (7_u32,), Upstream::NONE);
    assert_timeout(&save.deadline(SECOND).await.unwrap_err(), true);
    tokio::time::sleep(SECOND).await;
    assert_eq!(dropped(&pair), 0);
    pair.gate.add_permits(1);
    settle().await;
    assert_eq!(pair.traces.produced.load(Ordering::SeqCst), 1);
    pair.assert_idle();
}

fn body(method: &Method, options: u8, rest: &[u8]) -> Vec<u8> {
    let mut body = method.id.to_le_bytes().to_vec();
    body.push(options);
    body.extend_from_slice(rest);
    let mut bytes = Vec::new();
    frame::put(&mut bytes, Kind::Call, 0, false, &body);
    bytes
}

/// What a server says about a call, and when.
async fn failure(call: &[u8]) -> (FailCode, Duration) {
    let (mut near, far) = duplex(64 << 10);
    let _pair = Pair::serve(far, ROOMY, ROOMY);
    let began = Instant::now();
    near.write_all(call).await.unwrap();
    let mut fail = [0; HEADER + 1];
    timeout(60 * SECOND, near.read_exact(&mut fail)).await.unwrap().unwrap();
    assert_eq!(Header::parse(&fail).unwrap().unwrap().kind, Kind::Fail);
    (FailCode::from_wire(fail[HEADER]), began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn the_daemon_keeps_the_deadline_of_a_caller_that_does_not() {
    let (code, after) = failure(&body(&NEVER, 4, &1500_u32.to_le_bytes())).await;
    assert_eq!(code, FailCode::Deadline);
    assert!(after >= SECOND * 3 / 2 && after < 2 * SECOND, "{after:?}");
    let (code, after) = failure(&body(&NEVER, 4, &[0; 4])).await;
    assert!(code == FailCode::Deadline && after < SECOND, "{code:?} {after:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_its_deadline_is_malformed() {
    let mut echo = Vec::new();
    codec::encode_into(&mut echo, &(vec![1_u8],)).unwrap();
    for (options, rest) in [(4, &[0; 3][..]), (4, &[]), (12, &[0; 8]), (0x84, &[0; 8])] {
        let (code, _) = failure(&body(&ECHO, options, rest)).await;
        assert_eq!(code, FailCode::Arguments, "{options} {rest:?}");
    }
    let (code, _) = failure(&body(&ECHO, 4, &[&[9; 3][..], &echo].concat())).await;
    assert_eq!(code, FailCode::Arguments, "a byte of the deadline is missing");
}
