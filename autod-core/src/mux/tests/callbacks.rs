//! Calls of the accepting end, and both ends at once.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::flows::{SUM, TWICE, UPPER};
use super::{
    COUNT, ECHO, GROW, HALVE, HOLDS, LATER, NEVER, PANIC_LATER, Pair, ROOMY, dispatcher, method,
    nowhere, settle,
};
use crate::codec;
use crate::error::CallError;
use crate::mux::dispatch::{Dispatcher, NoService};
use crate::mux::driver::Driver;
use crate::mux::request::Incall;
use crate::mux::shared::Shared;
use crate::mux::state::Side;
use crate::mux::{Call, Connection, Upstream, call, call_fallible, open, pipe_fallible};
use crate::service::{Answered, Method, Request};
use crate::wire::frame::{self, GoodbyeCode, HEADER, Header, Kind};
use crate::wire::limits::Receives;

fn echo(connection: &Connection, bytes: Vec<u8>) -> Call<Vec<u8>> {
    call(connection, &ECHO, (bytes,), Upstream::NONE)
}

#[tokio::test(start_paused = true)]
async fn all_shapes_of_calls_go_back_too() {
    let pair = Pair::new();
    let back = &pair.back;
    assert_eq!(echo(back, vec![7; 300_000]).await.unwrap().len(), 300_000);
    let halve = |n: u32| call_fallible::<u32, String>(back, &HALVE, (n,), Upstream::NONE);
    assert_eq!(halve(8).await.unwrap(), 4);
    assert!(matches!(halve(7).await, Err(CallError::Service(text)) if text == "7 is odd"));
    let mut count = open::<u64>(back, &COUNT, (50_000_u64,), Upstream::NONE);
    for n in 0..50_000 {
        assert_eq!(count.next().await.unwrap().unwrap(), n);
    }
    assert!(count.next().await.is_none());
    let numbers = || Upstream::items(stream::iter(0..100_000_u64));
    let sum = call_fallible::<u64, String>(back, &SUM, (0_u64,), numbers()).await;
    assert_eq!(sum.unwrap(), (0..100_000).sum::<u64>());
    let mut twice = open::<u64>(back, &TWICE, (0_u64,), numbers());
    for n in 0..100_000 {
        assert_eq!(twice.next().await.unwrap().unwrap(), n * 2);
    }
    drop(twice);
    let mut upper = pipe_fallible::<u64, String>(back, &UPPER, ());
    let (mut read, mut write) = tokio::io::split(&mut upper);
    let sent = async {
        write.write_all(&vec![b'a'; 1 << 20]).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let ((), received) = tokio::join!(sent, read.read_to_end(&mut heard));
    assert_eq!(received.unwrap(), 1 << 20);
    assert_eq!(upper.finish().await.unwrap(), 1 << 20);
    pair.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn what_goes_wrong_at_the_caller_is_told_in_its_name() {
    let small = Receives { message: 1 << 10, calls: 2, window: 1 << 10 };
    let pair = Pair::with(small, ROOMY);
    pair.gate.add_permits(1);
    let panic = call::<()>(&pair.back, &PANIC_LATER, (), Upstream::NONE).await.unwrap_err();
    assert!(panic.is_panic() && panic.may_have_executed());
    assert_eq!(crate::error::in_full(&panic), "panic_later panicked in the caller: after a while");
    let large = echo(&pair.back, vec![0; 2 << 10]).await.unwrap_err();
    assert!(large.is_limit() && !large.may_have_executed());
    assert!(large.to_string().ends_with("the caller receives at most 1024"), "{large}");
    // A deadline, and a call that is dropped.
    let never = || call::<()>(&pair.back, &NEVER, (), Upstream::NONE);
    assert!(never().deadline(Duration::from_millis(50)).await.unwrap_err().is_timeout());
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 1);
    assert!(timeout(Duration::from_millis(50), never()).await.is_err());
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 2);
    pair.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_serves_nothing_says_so() {
    let (near, far) = duplex(64 << 10);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    let shared = Arc::clone(pair.connection.shared_arc());
    tokio::spawn(Driver::new(near, shared, NoService, Vec::new()).run());
    let error = echo(&pair.back, vec![1]).await.unwrap_err();
    assert_eq!(error.to_string(), "the caller serves nothing that has a method echo");
    assert!(!error.may_have_executed());
}

static NEST: Method = method("nest");

/// Calls the other end with one less, which does the same.
async fn nest(request: Incall, other: Connection) -> Answered {
    let ((depth,), request) = match request.arguments::<(u32,)>() {
        Ok(arguments) => arguments,
        Err(answered) => return answered,
    };
    if depth == 0 {
        return request.reply(0_u32);
    }
    match call::<u32>(&other, &NEST, (depth - 1,), Upstream::NONE).await {
        Ok(depth) => request.reply(depth + 1),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(start_paused = true)]
async fn handlers_call_each_other_over_and_over() {
    let (near, far) = duplex(1000);
    let client = Shared::new(Side::Connector, ROOMY, ROOMY, HOLDS);
    let server = Shared::new(Side::Acceptor, ROOMY, ROOMY, HOLDS);
    for (shared, line) in [(&client, near), (&server, far)] {
        let lent = Connection::lent(Arc::clone(shared), nowhere());
        let dispatch = Dispatcher::new(move |call| nest(call, lent.clone()), Arc::default());
        tokio::spawn(Driver::new(line, Arc::clone(shared), dispatch, Vec::new()).run());
    }
    let connection = Connection::new(Arc::clone(&client), nowhere());
    // With 64 slots at each end; three at once, each of which takes 20 of each.
    let calls = (0..3).map(|_| call::<u32>(&connection, &NEST, (40_u32,), Upstream::NONE));
    for depth in join_all(calls).await {
        assert_eq!(depth.unwrap(), 40);
    }

    // What is lent keeps nothing open.
    drop(connection);
    server.ended().await;
    client.ended().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_kept_by_a_client_of_the_caller() {
    let pair = Pair::new();
    let asked = tokio::spawn(call::<()>(&pair.back, &NEVER, (), Upstream::NONE));
    let (tell, flows) = tokio::sync::oneshot::channel();
    let streamed = tokio::spawn(async move {
        let mut count = open::<u64>(&pair.back, &COUNT, (u64::MAX,), Upstream::NONE);
        count.next().await.expect("an item").unwrap();
        tell.send(()).unwrap();
        let end = loop {
            match count.next().await {
                Some(Ok(_)) => {}
                other => break other,
            }
        };
        (pair.back, end.expect("an error").unwrap_err())
    });
    flows.await.unwrap();
    let client = Arc::clone(pair.connection.shared_arc());
    drop(pair.connection);
    client.ended().await;
    pair.server.ended().await;
    let lost = asked.await.unwrap().unwrap_err();
    assert!(lost.is_lost() && lost.may_have_executed(), "{lost}");
    let (back, lost) = streamed.await.unwrap();
    assert!(lost.is_lost() && lost.may_have_executed(), "{lost}");
    let late = echo(&back, vec![1]).await.unwrap_err();
    assert!(late.is_lost() && !late.may_have_executed(), "{late}");
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 2, "no handler is left");
}

#[tokio::test(start_paused = true)]
async fn an_end_that_closes_waits_for_answers_as_long_as_it_is_told_to() {
    let pair = Pair::new();
    // The goodbye waits for this call of the client's.
    let running = tokio::spawn(pair.later(vec![1]));
    settle().await;
    let mut asked: Vec<_> =
        (0..2).map(|_| tokio::spawn(call::<()>(&pair.back, &NEVER, (), Upstream::NONE))).collect();
    let mut upper = pipe_fallible::<u64, String>(&pair.back, &UPPER, ());
    upper.write_all(b"text").await.unwrap();
    let mut waiting = [0; 5];
    upper.read_exact(&mut waiting[..4]).await.unwrap();
    settle().await;
    pair.server.leave(GoodbyeCode::Closing, "the daemon is closing");
    // Handlers that run may still ask.
    assert_eq!(echo(&pair.back, vec![2]).await.unwrap(), [2]);
    assert!(!asked[0].is_finished());
    let reading = tokio::spawn(async move {
        let failed = upper.read(&mut waiting).await.unwrap_err();
        (failed.to_string(), upper.write_all(b"more").await.is_err())
    });
    settle().await;
    pair.server.end_calls();
    for asked in asked.drain(..) {
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the daemon is closing");
        assert!(error.is_closing() && error.may_have_executed() && !error.is_retry_safe());
    }
    assert_eq!(reading.await.unwrap(), ("the daemon is closing".to_owned(), true));
    let late = echo(&pair.back, vec![3]).await.unwrap_err();
    assert!(late.is_closing() && !late.may_have_executed(), "{late}");
    // Their handlers are told to stop, and the connection still works.
    settle().await;
    assert_eq!(pair.traces.dropped.load(Ordering::SeqCst), 2);
    pair.gate.add_permits(1);
    assert_eq!(running.await.unwrap().unwrap(), [1]);
    pair.connection.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_nobody_waits_for_ends_with_the_reason_of_the_goodbye() {
    for (code, closing) in [(GoodbyeCode::Closing, true), (GoodbyeCode::Disconnected, false)] {
        let pair = Pair::new();
        let asked = tokio::spawn(call::<()>(&pair.back, &NEVER, (), Upstream::NONE));
        settle().await;
        pair.server.leave(code, "it is time");
        let error = asked.await.unwrap().unwrap_err();
        assert_eq!((error.is_closing(), error.is_lost()), (closing, !closing));
        assert!(error.may_have_executed() && error.to_string() == "it is time", "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn both_ends_answer_at_length_and_nobody_waits_for_ever() {
    // Far more than the mark at which the daemon stops reading, over a line that holds little.
    let pair = Pair::over(4096, ROOMY, ROOMY);
    let grow = |connection: &Connection| {
        let grow = call::<Vec<u8>>(connection, &GROW, (60_000_usize,), Upstream::NONE);
        tokio::spawn(grow)
    };
    let echoes = |connection: &Connection| tokio::spawn(echo(connection, vec![7; 700_000]));
    let later: Vec<_> = (0..30).flat_map(|_| [grow(&pair.connection), grow(&pair.back)]).collect();
    settle().await;
    // All at once, and what is ready at once as well.
    pair.gate.add_permits(60);
    let now: Vec<_> =
        (0..30).flat_map(|_| [echoes(&pair.connection), echoes(&pair.back)]).collect();
    let all = async {
        for answer in join_all(later).await {
            assert_eq!(answer.unwrap().unwrap().len(), 60_000);
        }
        for answer in join_all(now).await {
            match answer.unwrap() {
                Ok(bytes) => assert_eq!(bytes.len(), 700_000),
                // There is no room for two at once.
                Err(error) => assert!(error.is_limit(), "{error}"),
            }
        }
    };
    timeout(Duration::from_secs(3600), all).await.expect("nobody waits for ever");
    pair.quiet().await;
}

/// A client that serves, and its line to a daemon that the test plays.
fn hostile(line: usize, client: Receives) -> (DuplexStream, Connection) {
    let (near, far) = duplex(line);
    let shared = Shared::new(Side::Connector, client, ROOMY, HOLDS);
    let dispatch = dispatcher(&Arc::new(Semaphore::new(0)), &Arc::default());
    tokio::spawn(Driver::new(near, Arc::clone(&shared), dispatch, Vec::new()).run());
    (far, Connection::new(shared, nowhere()))
}

fn call_of(method: &Method, slot: u32, bytes: &[u8]) -> Vec<u8> {
    let mut body = method.id.to_le_bytes().to_vec();
    body.push(0);
    codec::encode_into(&mut body, &(bytes.to_vec(),)).unwrap();
    let mut out = Vec::new();
    frame::put(&mut out, Kind::Call, slot << 1 | 1, false, &body);
    out
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_read_is_read_but_not_answered_beyond_the_mark() {
    let wide = Receives { calls: 1000, ..ROOMY };
    let (mut daemon, connection) = hostile(64 << 10, wide);
    let shared = connection.shared_arc();
    // 18 MiB of calls that could be answered at once; the memory is 64 MiB, a message.
    for slot in 0..300 {
        let call = call_of(&ECHO, slot, &vec![7; 60_000]);
        let written = daemon.write_all(&call);
        timeout(Duration::from_secs(5), written).await.expect("it reads on").unwrap();
    }
    settle().await;
    let (unread, _) = shared.waiting();
    assert!((4 << 20..(4 << 20) + (128 << 10)).contains(&unread), "{unread} bytes of answers");
    // A call of our own gets through both ways, when the daemon reads.
    let own = tokio::spawn(echo(&connection, vec![1]));
    let mut answered = 0;
    while answered < 300 {
        let mut header = [0; HEADER];
        daemon.read_exact(&mut header).await.unwrap();
        let header = Header::parse(&header).unwrap().unwrap();
        let mut payload = vec![0; header.length];
        daemon.read_exact(&mut payload).await.unwrap();
        match header.kind {
            Kind::Reply if !header.more => answered += 1,
            Kind::Call => {
                let mut reply = Vec::new();
                frame::put(&mut reply, Kind::Reply, header.id, false, &payload[9..]);
                daemon.write_all(&reply).await.unwrap();
            }
            _ => {}
        }
    }
    assert_eq!(own.await.unwrap().unwrap(), [1]);
    shared.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn whoever_calls_again_before_it_can_know_the_answer_breaks_the_protocol() {
    // Each of these is answered without a handler's doing, and before anything is read.
    let refused = |slot: u32| {
        let mut out = Vec::new();
        frame::put(&mut out, Kind::Call, slot << 1 | 1, false, &[0]);
        out
    };
    let (mut daemon, connection) = hostile(64 << 10, ROOMY);
    let mut most = 0;
    'flood: for _ in 0..10_000 {
        for slot in 0..ROOMY.calls {
            if daemon.write_all(&refused(slot)).await.is_err() {
                break 'flood;
            }
        }
        settle().await;
        most = most.max(connection.shared_arc().waiting().0);
    }
    connection.ended().await;
    assert!(most <= 2 * ROOMY.calls as usize * 64, "{most} bytes of answers");
    let error = echo(&connection, vec![1]).await.unwrap_err();
    assert!(error.to_string().contains("unexpected Call frame"), "{error}");
    // One that has the answer may call again at once.
    let (mut daemon, connection) = hostile(64, ROOMY);
    for _ in 0..1000 {
        daemon.write_all(&refused(5)).await.unwrap();
        let mut header = [0; HEADER];
        daemon.read_exact(&mut header).await.unwrap();
        let header = Header::parse(&header).unwrap().unwrap();
        assert_eq!(header.kind, Kind::Fail);
        daemon.read_exact(&mut vec![0; header.length]).await.unwrap();
    }
    connection.shared_arc().assert_idle();
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_slots_of_the_caller_wait() {
    let pair = Pair::with(Receives { calls: 2, ..ROOMY }, ROOMY);
    let later = || call::<Vec<u8>>(&pair.back, &LATER, (vec![1_u8],), Upstream::NONE);
    let held = [tokio::spawn(later()), tokio::spawn(later())];
    settle().await;
    let third = tokio::spawn(echo(&pair.back, vec![3]));
    settle().await;
    assert!(!third.is_finished());
    pair.gate.add_permits(2);
    for call in held {
        call.await.unwrap().unwrap();
    }
    assert_eq!(third.await.unwrap().unwrap(), [3]);
}
