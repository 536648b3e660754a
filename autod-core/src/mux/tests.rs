//! Two ends against each other over a pipe in memory, in virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Semaphore;

use super::dispatch::{Dispatcher, NoService};
use super::driver::Driver;
use super::request::Incall;
use super::shared::Shared;
use super::state::Side;
use super::{Call, Connection, Incoming, Origin, call, call_fallible, open};
use crate::codec;
use crate::error::CallError;
use crate::service::{Answered, Argument, Kind, Method, Request, method_id};
use crate::wire::frame::{self, GoodbyeCode, HEADER, Header, MAX_PIECE};
use crate::wire::limits::Receives;

const ROOMY: Receives = Receives { message: 64 << 20, calls: 64, window: 256 << 10 };

/// What a connection may make an end hold, if its messages are not larger.
const MEMORY: usize = 1 << 20;

const fn method(name: &'static str) -> Method {
    Method {
        name,
        id: method_id(name),
        kind: Kind::Unary,
        arguments: &[Argument { name: "value", ty: "_" }],
        output: "_",
        error: None,
        docs: "",
    }
}

static ECHO: Method = method("echo");
static LATER: Method = method("later");
static HALVE: Method = method("halve");
static PANIC: Method = method("panic");
static PANIC_LATER: Method = method("panic_later");
static NEVER: Method = method("never");
static COUNT: Method = method("count");
static UNKNOWN: Method = method("unknown");
static MIXED: Method = method("mixed");
static UNITS: Method = method("units");
static GROW: Method = method("grow");

/// What the handlers of a test tell it.
#[derive(Default)]
struct Traces {
    produced: AtomicUsize,
    dropped: AtomicUsize,
}

struct Trace(Arc<Traces>);

impl Drop for Trace {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

async fn handle(request: Incall, gate: Arc<Semaphore>, traces: Arc<Traces>) -> Answered {
    let id = request.method();
    if id == ECHO.id || id == LATER.id {
        let ((bytes,), request) = match request.arguments::<(Vec<u8>,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        if id == LATER.id {
            gate.acquire().await.unwrap().forget();
        }
        request.reply(&bytes)
    } else if id == HALVE.id {
        let ((number,), request) = match request.arguments::<(u32,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        let result = if number % 2 == 0 { Ok(number / 2) } else { Err(format!("{number} is odd")) };
        request.reply_result(&result)
    } else if id == GROW.id {
        let ((size,), request) = match request.arguments::<(usize,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        gate.acquire().await.unwrap().forget();
        request.reply(&vec![7_u8; size])
    } else if id == PANIC.id {
        panic!("at once");
    } else if id == PANIC_LATER.id {
        gate.acquire().await.unwrap().forget();
        panic!("after a while");
    } else if id == NEVER.id {
        let _trace = Trace(traces);
        std::future::pending::<()>().await;
        request.reply(&())
    } else if id == COUNT.id {
        let ((end,), request) = match request.arguments::<(u64,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        let _trace = Trace(Arc::clone(&traces));
        request.stream(numbers(end, traces)).await
    } else if id == MIXED.id {
        let sizes = [30, 1 << 16, (64 << 10) - 5, 9];
        request.stream(stream::iter(sizes.map(|size| vec![1_u8; size]))).await
    } else if id == UNITS.id {
        request.stream(stream::repeat(())).await
    } else {
        request.unknown()
    }
}

fn numbers(end: u64, traces: Arc<Traces>) -> impl Stream<Item = u64> + Send {
    stream::iter(0..end).inspect(move |_| {
        traces.produced.fetch_add(1, Ordering::SeqCst);
    })
}

struct Pair {
    connection: Connection,
    server: Arc<Shared>,
    gate: Arc<Semaphore>,
    traces: Arc<Traces>,
}

impl Pair {
    fn new() -> Self {
        Self::with(ROOMY, ROOMY)
    }

    fn with(client: Receives, server: Receives) -> Self {
        let (near, far) = duplex(64 << 10);
        let pair = Self::serve(far, client, server);
        let shared = Arc::clone(pair.connection.shared_arc());
        tokio::spawn(Driver::new(near, shared, NoService, Vec::new()).run());
        pair
    }

    /// A server on one end of a pipe; the test plays the other one.
    fn serve(far: DuplexStream, client: Receives, server: Receives) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let traces = Arc::new(Traces::default());
        let shared = Shared::new(Side::Acceptor, server, client, MEMORY);
        let dispatch = Dispatcher::new(
            {
                let (gate, traces) = (Arc::clone(&gate), Arc::clone(&traces));
                move |request| handle(request, Arc::clone(&gate), Arc::clone(&traces))
            },
            Arc::default(),
        );
        tokio::spawn(Driver::new(far, Arc::clone(&shared), dispatch, Vec::new()).run());
        let origin = Origin { pid: 0, build: String::new(), life: 0, started: None };
        let connection =
            Connection::new(Shared::new(Side::Connector, client, server, MEMORY), origin);
        Self { connection, server: shared, gate, traces }
    }

    fn echo(&self, bytes: Vec<u8>) -> Call<Vec<u8>> {
        call(&self.connection, &ECHO, &(bytes,))
    }

    fn later(&self, bytes: Vec<u8>) -> Call<Vec<u8>> {
        call(&self.connection, &LATER, &(bytes,))
    }

    fn count(&self, end: u64) -> Incoming<u64> {
        open(&self.connection, &COUNT, &(end,))
    }
}

/// Lets every task run until all of them wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

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
    futures::future::join_all(calls).await;
}

#[tokio::test(start_paused = true)]
async fn the_services_own_error_comes_back_as_it_is() {
    let pair = Pair::new();
    let halve = |n: u32| call_fallible::<u32, String>(&pair.connection, &HALVE, &(n,));
    assert_eq!(halve(8).await.unwrap(), 4);
    match halve(7).await.unwrap_err() {
        CallError::Service(text) => assert_eq!(text, "7 is odd"),
        CallError::Autod(error) => panic!("{error:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_an_error_of_its_call() {
    let pair = Pair::new();
    let error = call::<()>(&pair.connection, &PANIC, &()).await.unwrap_err();
    assert!(error.is_panic() && error.may_have_executed());
    assert_eq!(format!("{error:?}"), "panic panicked in the daemon: at once");

    pair.gate.add_permits(1);
    let error = call::<()>(&pair.connection, &PANIC_LATER, &()).await.unwrap_err();
    assert!(format!("{error:?}").ends_with("after a while"), "{error:?}");
    assert_eq!(pair.echo(vec![3]).await.unwrap(), [3]);
}

#[tokio::test(start_paused = true)]
async fn what_the_daemon_cannot_use_was_not_executed() {
    let pair = Pair::new();
    let unknown = call::<()>(&pair.connection, &UNKNOWN, &()).await.unwrap_err();
    assert!(unknown.to_string().contains("no method unknown"), "{unknown}");
    let mismatch = call::<u32>(&pair.connection, &HALVE, &(1_u8, "text")).await.unwrap_err();
    assert!(mismatch.to_string().contains("arguments of halve"), "{mismatch}");
    for error in [unknown, mismatch] {
        assert!(!error.may_have_executed());
    }
    let answer = call::<String>(&pair.connection, &ECHO, &(vec![0xff_u8, 1],)).await.unwrap_err();
    assert!(answer.may_have_executed(), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_cancelled_at_the_daemon() {
    let pair = Pair::new();
    for round in 1..=100 {
        let mut never = Box::pin(call::<()>(&pair.connection, &NEVER, &()));
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
    drop(call::<()>(&pair.connection, &NEVER, &()));
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 0);
}

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
async fn two_ends_that_write_much_do_not_wait_for_each_other() {
    let pair = Pair::new();
    let one = tokio::spawn(pair.echo(vec![1; 5 << 20]));
    let two = tokio::spawn(pair.echo(vec![1; 12 << 20]));
    assert_eq!(one.await.unwrap().unwrap().len(), 5 << 20);
    assert_eq!(two.await.unwrap().unwrap().len(), 12 << 20);
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
    let mut items = open::<Vec<u8>>(&pair.connection, &MIXED, &());
    assert_eq!(items.next().await.unwrap().unwrap().len(), 30, "what came before arrives");
    let error = items.next().await.unwrap().unwrap_err();
    assert!(error.is_limit(), "{error:?}");

    let limit = Receives { message: (1 << 16) + 5, window: 1 << 20, ..ROOMY };
    let pair = Pair::with(limit, Receives { window: 1 << 20, ..ROOMY });
    let mut items = open::<Vec<u8>>(&pair.connection, &MIXED, &());
    for size in [30, 1 << 16, (64 << 10) - 5, 9] {
        assert_eq!(items.next().await.unwrap().unwrap().len(), size);
    }
    assert!(items.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_nothings_lets_others_have_their_turn() {
    let pair = Pair::new();
    let mut items = open::<()>(&pair.connection, &UNITS, &());
    items.next().await.unwrap().unwrap();
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
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

/// Sends raw bytes to a server and reads until it hangs up.
async fn answer_to(bytes: &[u8]) -> Vec<(Header, Vec<u8>)> {
    let (mut near, far) = duplex(64 << 10);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    near.write_all(bytes).await.unwrap();
    let mut heard = Vec::new();
    near.read_to_end(&mut heard).await.unwrap();
    pair.server.ended().await;
    let mut frames = Vec::new();
    let mut rest = &heard[..];
    while let Some(header) = Header::parse(rest).unwrap() {
        frames.push((header, rest[HEADER..HEADER + header.length].to_vec()));
        rest = &rest[HEADER + header.length..];
    }
    frames
}

#[tokio::test(start_paused = true)]
async fn a_broken_frame_ends_the_connection_with_its_reason() {
    let mut unknown = Header::new(frame::Kind::Call, 0, 0, false).to_bytes();
    unknown[3] = 0x60;
    let mut own_id = Vec::new();
    frame::put(&mut own_id, frame::Kind::Call, 1, false, &[0; 9]);
    let mut beyond = Vec::new();
    frame::put(&mut beyond, frame::Kind::Call, 64 << 1, false, &[0; 9]);
    let mut reply = Vec::new();
    frame::put(&mut reply, frame::Kind::Reply, 1, false, &[]);
    let mut credit = Vec::new();
    let mut body = NEVER.id.to_le_bytes().to_vec();
    body.push(0);
    frame::put(&mut credit, frame::Kind::Call, 0, false, &body);
    frame::put(&mut credit, frame::Kind::Credit, 0, false, &u32::MAX.to_le_bytes());
    let mut twice = Vec::new();
    frame::put(&mut twice, frame::Kind::Call, 0, false, &body);
    frame::put(&mut twice, frame::Kind::Call, 0, false, &body);
    for (bytes, reason) in [
        (unknown.to_vec(), "unknown frame kind 96"),
        (own_id, "unexpected Call frame for 1"),
        (beyond, "unexpected Call frame for 128"),
        (reply, "unexpected Reply frame for 1"),
        (credit, "stream 0 used more than its credit"),
        (twice, "unexpected Call frame for 0"),
    ] {
        let frames = answer_to(&bytes).await;
        let (header, payload) = frames.last().expect("a goodbye");
        assert_eq!(header.kind, frame::Kind::Goodbye, "{reason}");
        assert_eq!(payload[0], GoodbyeCode::Protocol as u8);
        assert_eq!(String::from_utf8_lossy(&payload[1..]), reason);
    }
}

#[tokio::test(start_paused = true)]
async fn frames_may_come_byte_by_byte() {
    let (mut near, far) = duplex(16);
    let _pair = Pair::serve(far, ROOMY, ROOMY);
    let mut body = ECHO.id.to_le_bytes().to_vec();
    body.extend_from_slice(&[0, 2, 7, 8]);
    let mut bytes = Vec::new();
    frame::put(&mut bytes, frame::Kind::Call, 6, false, &body);
    for byte in bytes {
        near.write_all(&[byte]).await.unwrap();
        settle().await;
    }
    let mut answer = [0; HEADER + 3];
    near.read_exact(&mut answer).await.unwrap();
    let header = Header::parse(&answer).unwrap().unwrap();
    assert_eq!((header.kind, header.id), (frame::Kind::Reply, 6));
    assert_eq!(answer[HEADER..], [2, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn arguments_beyond_the_memory_of_a_connection_fail_their_call_alone() {
    let small = Receives { message: 1 << 20, ..ROOMY };
    let pair = Pair::with(small, small);
    let held: Vec<_> = (0..3).map(|_| tokio::spawn(pair.later(vec![7; 300 << 10]))).collect();
    settle().await;
    let error = pair.later(vec![7; 300 << 10]).await.unwrap_err();
    assert!(error.is_limit() && !error.may_have_executed(), "{error:?}");
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
    pair.gate.add_permits(3);
    for call in held {
        assert_eq!(call.await.unwrap().unwrap().len(), 300 << 10);
    }
    // What was answered is free again.
    pair.gate.add_permits(1);
    assert_eq!(pair.later(vec![7; 1000 << 10]).await.unwrap().len(), 1000 << 10);
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_reads_are_bounded() {
    let (mut near, far) = duplex(64 << 10);
    let small = Receives { message: 1 << 20, ..ROOMY };
    let pair = Pair::serve(far, small, small);
    let mut body = GROW.id.to_le_bytes().to_vec();
    body.push(0);
    codec::encode_into(&mut body, &(480_usize << 10,)).unwrap();
    for slot in 0..6 {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, frame::Kind::Call, slot << 1, false, &body);
        near.write_all(&bytes).await.unwrap();
    }
    settle().await;
    pair.gate.add_permits(6);
    settle().await;
    let mut ends = Vec::new();
    while ends.len() < 6 {
        let mut header = [0; HEADER];
        near.read_exact(&mut header).await.unwrap();
        let header = Header::parse(&header).unwrap().unwrap();
        let mut payload = vec![0; header.length];
        near.read_exact(&mut payload).await.unwrap();
        if !header.more {
            ends.push((header.kind, payload[0]));
        }
    }
    let refused = ends.iter().filter(|(kind, code)| *kind == frame::Kind::Fail && *code == 9);
    assert_eq!(refused.count(), 3, "{ends:?}");
}
