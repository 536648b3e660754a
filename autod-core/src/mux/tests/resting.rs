//! What the callee's end expects while handlers run.

use std::collections::VecDeque;

use futures_util::{FutureExt, stream};
use tokio::sync::mpsc::unbounded_channel;

use super::flows::{OPEN, SUM};
use super::{NEVER, Pair, settle};
use crate::error::CallError;
use crate::mux::state::Expected;
use crate::mux::{Call, Incoming, Upstream, call, call_fallible, open_fallible};

impl Pair {
    #[track_caller]
    fn assert_expected(&self, expected: Expected) {
        assert_eq!(self.server.expected(), expected);
    }
}
use crate::wire::frame::{self, Kind};

#[tokio::test(start_paused = true)]
async fn a_stream_that_waits_for_credit_keeps_nobody_from_looking_for_calls() {
    let pair = Pair::new();
    pair.assert_expected(Expected::Call);
    let mut items = pair.count(10_000_000);
    for _ in 0..100_000 {
        items.next().await.unwrap().unwrap();
    }
    settle().await;
    pair.assert_expected(Expected::Call);
    drop(items);
    settle().await;
    pair.assert_expected(Expected::Call);
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn nor_does_one_whose_source_has_nothing() {
    let pair = Pair::new();
    let mut items: Incoming<u64, CallError<String>> =
        open_fallible(&pair.connection, &OPEN, (true,), Upstream::NONE);
    let mut first = Box::pin(items.next());
    assert!((&mut first).now_or_never().is_none());
    settle().await;
    // It is no stream yet: what runs may be about to be answered.
    pair.assert_expected(Expected::Nothing);
    pair.gate.add_permits(1);
    first.await.unwrap().unwrap();
    settle().await;
    pair.assert_expected(Expected::Call);
    let never: Call<()> = call(&pair.connection, &NEVER, (), Upstream::NONE);
    let never = tokio::spawn(never);
    settle().await;
    pair.assert_expected(Expected::Nothing);
    never.abort();
    settle().await;
    pair.assert_expected(Expected::Call);
    pair.gate.add_permits(1);
    while items.next().await.transpose().unwrap().is_some() {}
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn nor_does_a_handler_that_waits_for_the_stream_of_its_caller() {
    let pair = Pair::new();
    let (source, mut numbers) = unbounded_channel();
    let numbers = Upstream::items(stream::poll_fn(move |context| numbers.poll_recv(context)));
    let sum: Call<u64, CallError<String>> =
        call_fallible(&pair.connection, &SUM, (0_u64,), numbers);
    let sum = tokio::spawn(sum);
    for n in 0_u64..3 {
        source.send(n).unwrap();
        settle().await;
        pair.assert_expected(Expected::Call);
    }
    drop(source);
    assert_eq!(sum.await.unwrap().unwrap(), 3);
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn one_that_was_woken_has_its_turn_before_anybody_looks() {
    let pair = Pair::new();
    let mut items = pair.count(10_000_000);
    items.next().await.unwrap().unwrap();
    settle().await;
    pair.assert_expected(Expected::Call);
    // Too little to send anything, but its handler has to see that.
    let mut credit = Vec::new();
    frame::put(&mut credit, Kind::Credit, 0, false, &1_u32.to_le_bytes());
    pair.server.on_bytes(&credit, &mut VecDeque::new()).unwrap();
    pair.assert_expected(Expected::Nothing);
    settle().await;
    pair.assert_expected(Expected::Call);
}
