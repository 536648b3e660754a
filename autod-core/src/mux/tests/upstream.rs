//! Streams of callers, alone and together with one of the callee.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use futures_util::{FutureExt, Stream, StreamExt, stream};
use tokio::io::duplex;

use super::flows::{DEAF, FIRST, IGNORE, LEAVE, LEND, OPEN, SUM, TWICE};
use super::{ECHO, Pair, ROOMY, settle};
use crate::error::CallError;
use crate::mux::dispatch::NoService;
use crate::mux::driver::Driver;
use crate::mux::{Call, Incoming, Upstream, call, call_fallible, open, open_fallible};
use crate::service::Method;
use crate::wire::frame::GoodbyeCode;
use crate::wire::limits::Receives;

/// Counts what is taken of it, and tells when it is dropped.
struct Numbers {
    end: u64,
    taken: Arc<AtomicUsize>,
    alive: Arc<()>,
}

impl Stream for Numbers {
    type Item = u64;

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u64>> {
        assert!(Arc::strong_count(&self.alive) > 0);
        let n = self.taken.fetch_add(1, Ordering::SeqCst) as u64;
        Poll::Ready((n < self.end).then_some(n))
    }
}

/// A stream of numbers, how many were taken of it, and whether it lives.
fn numbers(end: u64) -> (Upstream, Arc<AtomicUsize>, Arc<()>) {
    let (taken, alive) = (Arc::default(), Arc::default());
    let numbers = Numbers { end, taken: Arc::clone(&taken), alive: Arc::clone(&alive) };
    (Upstream::items(numbers), taken, alive)
}

/// The same, but without an end.
fn endless(count: u64) -> (Upstream, Arc<()>) {
    let alive = Arc::default();
    let numbers = Numbers { end: count, taken: Arc::default(), alive: Arc::clone(&alive) };
    (Upstream::items(numbers.chain(stream::pending())), alive)
}

fn lives(alive: &Arc<()>) -> bool {
    Arc::strong_count(alive) > 1
}

impl Pair {
    fn sum(&self, end: u64) -> Call<u64, CallError<String>> {
        call_fallible(&self.connection, &SUM, (0_u64,), numbers(end).0)
    }

    fn twice(&self, items: impl Stream<Item = u64> + Send + 'static) -> Incoming<u64> {
        open(&self.connection, &TWICE, (0_u64,), Upstream::items(items))
    }

    fn with_stream<T>(&self, method: &'static Method, n: u64, stream: Upstream) -> Call<T>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        call(&self.connection, method, (n,), stream)
    }
}

#[tokio::test(start_paused = true)]
async fn all_items_of_a_caller_arrive() {
    let pair = Pair::new();
    for end in [0, 1, 2, 1_000_000] {
        let expected = (0..end).sum::<u64>();
        assert_eq!(pair.sum(end).await.unwrap(), expected);
    }
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn both_ways_at_once_polling_only_the_answer() {
    let pair = Pair::new();
    let mut doubled = pair.twice(stream::iter(0..300_000));
    for n in 0..300_000 {
        assert_eq!(doubled.next().await.unwrap().unwrap(), n * 2);
    }
    assert!(doubled.next().await.is_none());
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_before_the_next_question() {
    let pair = Pair::new();
    let (ask, asked) = tokio::sync::mpsc::channel(1);
    let questions = stream::unfold(asked, async |mut asked| Some((asked.recv().await?, asked)));
    let mut answers = pair.twice(questions);
    for n in 0..100 {
        ask.send(n).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap(), n * 2);
    }
    drop(ask);
    assert!(answers.next().await.is_none());
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_callers_stream_waits_for_a_slow_handler() {
    let pair = Pair::new();
    let (stream, taken, _) = numbers(u64::MAX);
    let mut ignored = Box::pin(pair.with_stream::<u64>(&IGNORE, 7, stream));
    assert!((&mut ignored).now_or_never().is_none());
    for _ in 0..10 {
        settle().await;
        assert!((&mut ignored).now_or_never().is_none());
    }
    // The window, one message begun above zero credit, and one that is packed and waits.
    let ahead = taken.load(Ordering::SeqCst);
    assert!(ahead < (256 + 64 + 64) << 10, "{ahead} items taken ahead");
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1], "it delays nobody");
    pair.gate.add_permits(1);
    assert_eq!(ignored.await.unwrap(), 7);
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_wants_no_more_stops_the_stream() {
    let pair = Pair::new();
    let (stream, taken, alive) = numbers(u64::MAX);
    let mut first = Box::pin(pair.with_stream::<Vec<u64>>(&FIRST, 3, stream));
    for _ in 0..10 {
        assert!((&mut first).now_or_never().is_none());
        settle().await;
    }
    // The call goes on, its stream does not.
    assert!(!lives(&alive), "{} items", taken.load(Ordering::SeqCst));
    pair.gate.add_permits(1);
    assert_eq!(first.await.unwrap(), [0, 1, 2]);
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_ends_a_stream_that_never_would() {
    let pair = Pair::new();
    let (stream, _, alive) = numbers(u64::MAX);
    pair.gate.add_permits(1);
    assert_eq!(pair.with_stream::<u64>(&IGNORE, 7, stream).await.unwrap(), 7);
    assert!(!lives(&alive));
    // One that has nothing to send is dropped with the call too.
    pair.gate.add_permits(1);
    let silent = Upstream::items(stream::pending::<u64>());
    assert_eq!(pair.with_stream::<u64>(&IGNORE, 8, silent).await.unwrap(), 8);
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_used_again_only_when_the_stream_has_ended_too() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    for round in 0..200 {
        // Answered early: items are on their way when the slot is used by the next call.
        pair.gate.add_permits(1);
        let (stream, ..) = numbers(u64::MAX);
        assert_eq!(pair.with_stream::<u64>(&IGNORE, round, stream).await.unwrap(), round);
        assert_eq!(pair.sum(round).await.unwrap(), (0..round).sum::<u64>());
        assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
    }
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn long_items_may_be_under_way_when_their_call_ends() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    for round in 0..10 {
        pair.gate.add_permits(1);
        let long = stream::repeat_with(|| vec![0_u64; 100_000]);
        let call = pair.with_stream::<u64>(&IGNORE, round, Upstream::items(long));
        assert_eq!(call.await.unwrap(), round);
        // A call behind them that is withdrawn takes nothing of them along.
        let mut never = Box::pin(pair.echo(vec![0; 1 << 20]));
        assert!((&mut never).now_or_never().is_none());
        drop(never);
        assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
    }
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_cancels_its_stream() {
    let pair = Pair::new();
    let (stream, alive) = endless(10);
    let mut lent = Box::pin(pair.with_stream::<u64>(&LEND, 0, stream));
    assert!((&mut lent).now_or_never().is_none());
    settle().await;
    drop(lent);
    assert!(!lives(&alive));
    settle().await;
    assert_eq!(pair.traces.ends(), ["10 cancelled"]);
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_answer_cancels_both_streams() {
    let pair = Pair::new();
    let mut doubled = pair.twice(stream::iter(0..u64::MAX));
    doubled.next().await.unwrap().unwrap();
    drop(doubled);
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 1);
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_handler() {
    let pair = Pair::new();
    let (stream, _alive) = endless(10);
    pair.with_stream::<u64>(&LEAVE, 0, stream).await.unwrap();
    settle().await;
    let [end] = &pair.traces.ends()[..] else { panic!("{:?}", pair.traces.ends()) };
    assert!(end.ends_with(" cancelled"), "{end}");
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_ended_is_no_error_to_whoever_keeps_it() {
    let pair = Pair::new();
    let (stream, ..) = numbers(10);
    let mut lent = Box::pin(pair.with_stream::<u64>(&LEND, 0, stream));
    assert!((&mut lent).now_or_never().is_none());
    settle().await;
    assert_eq!(pair.traces.ends(), ["10 end"]);
}

#[tokio::test(start_paused = true)]
async fn closing_gives_what_has_come_and_lets_the_handler_answer() {
    let pair = Pair::new();
    let sum = call_fallible::<u64, String>(&pair.connection, &SUM, (0_u64,), endless(10).0);
    let sum = tokio::spawn(sum);
    let mut doubled = pair.twice(stream::iter(0..1).chain(stream::pending()));
    assert_eq!(doubled.next().await.unwrap().unwrap(), 0);
    settle().await;
    pair.server.leave(GoodbyeCode::Closing, "the daemon is closing");
    assert_eq!(sum.await.unwrap().unwrap_err().into_service().unwrap(), "closing");
    let end = doubled.next().await.unwrap().unwrap_err();
    assert!(end.is_closing(), "{end:?}");
    assert!(doubled.next().await.is_none());
    pair.connection.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_opened_while_the_daemon_closes_ends_too() {
    let pair = Pair::new();
    let opened = open_fallible::<u64, String>(&pair.connection, &OPEN, (true,), Upstream::NONE);
    let opened = tokio::spawn(opened.collect::<Vec<_>>());
    settle().await;
    pair.server.leave(GoodbyeCode::Closing, "the daemon is closing");
    pair.gate.add_permits(1);
    let mut items = opened.await.unwrap();
    match items.pop().unwrap().unwrap_err() {
        CallError::Autod(error) => assert!(error.is_closing(), "{error:?}"),
        CallError::Service(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_told_to_both_ends() {
    let (near, far) = duplex(64 << 10);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    let shared = Arc::clone(pair.connection.shared_arc());
    let driver = tokio::spawn(Driver::new(near, shared, NoService, Vec::new()).run());
    let (stream, alive) = endless(10);
    let lent = tokio::spawn(pair.with_stream::<u64>(&LEND, 0, stream));
    settle().await;
    driver.abort();
    let error = lent.await.unwrap().unwrap_err();
    assert!(error.is_lost() && error.may_have_executed(), "{error:?}");
    assert!(!lives(&alive));
    settle().await;
    assert_eq!(pair.traces.ends(), ["10 lost"]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_cannot_be_sent_ends_its_call() {
    let pair = Pair::with(ROOMY, Receives { message: 1024, ..ROOMY });
    let large = Upstream::items(stream::iter([vec![0_u8; 2000]]));
    let error = pair.with_stream::<u64>(&DEAF, 0, large).await.unwrap_err();
    assert!(error.is_limit() && error.may_have_executed(), "{error:?}");
    settle().await;
    pair.assert_idle();
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn an_item_that_does_not_decode_is_an_error_of_the_stream() {
    let pair = Pair::new();
    let wrong = Upstream::items(stream::iter([(1_u8, "text".to_owned())]));
    let sum = call_fallible::<u64, String>(&pair.connection, &SUM, (0_u64,), wrong);
    assert_eq!(sum.await.unwrap_err().into_service().unwrap(), "");
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_does_not_belong_is_refused() {
    let pair = Pair::new();
    let error = pair.with_stream::<u64>(&SUM, 0, Upstream::NONE).await.unwrap_err();
    assert!(!error.may_have_executed(), "{error:?}");
    let (stream, ..) = numbers(u64::MAX);
    let echo = call::<Vec<u8>>(&pair.connection, &ECHO, (vec![1_u8],), stream);
    assert!(!echo.await.unwrap_err().may_have_executed());
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn opening_may_fail_with_the_services_own_error() {
    let pair = Pair::new();
    pair.gate.add_permits(3);
    let open =
        |good: bool| open_fallible::<u64, String>(&pair.connection, &OPEN, (good,), Upstream::NONE);
    let items: Vec<_> = open(true).map(Result::unwrap).collect().await;
    assert_eq!(items, [0, 1, 2]);
    let mut shut = open(false);
    let error = shut.next().await.unwrap().unwrap_err();
    assert_eq!(error.into_service().unwrap(), "it is shut");
    assert!(shut.next().await.is_none());
}
