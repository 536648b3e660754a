//! Byte streams.

use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use futures_util::FutureExt;

use super::flows::{BREAK, COUNT_BYTES, HALF, LEND_BYTES, UPPER};
use super::{LATER, Pair, ROOMY, UNKNOWN, settle};
use crate::mux::dispatch::NoService;
use crate::mux::driver::Driver;
use crate::mux::{Pipe, pipe, pipe_fallible};
use crate::service::Method;
use crate::wire::frame::GoodbyeCode;
use crate::wire::limits::Receives;

impl Pair {
    fn pipe(&self, method: &'static Method) -> Pipe<u64> {
        pipe(&self.connection, method, ())
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_go_both_ways_until_both_ends_are_shut() {
    let pair = Pair::new();
    let mut upper = pair.pipe(&UPPER);
    let text: Vec<u8> = (b'a'..=b'z').cycle().take(3 << 20).collect();
    let expected = text.to_ascii_uppercase();
    let (mut read, mut write) = tokio::io::split(&mut upper);
    let sent = async {
        write.write_all(&text).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let mut heard = Vec::new();
    let (received, ()) = tokio::join!(read.read_to_end(&mut heard), sent);
    assert_eq!(received.unwrap(), 3 << 20);
    assert!(heard == expected);
    assert_eq!(upper.finish().await.unwrap(), 3 << 20);
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn nothing_at_all_can_be_sent() {
    let pair = Pair::new();
    assert_eq!(pair.pipe(&UPPER).finish().await.unwrap(), 0);
    let mut upper = pair.pipe(&UPPER);
    upper.shutdown().await.unwrap();
    assert!(upper.write(b"late").await.is_err());
    assert_eq!(upper.read(&mut [0; 9]).await.unwrap(), 0);
    assert_eq!(upper.finish().await.unwrap(), 0);
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_shut_down_and_read_on() {
    let pair = Pair::new();
    let mut half = pair.pipe(&HALF);
    let mut heard = Vec::new();
    half.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard, b"all that is said");
    assert_eq!(half.read(&mut [0; 9]).await.unwrap(), 0, "the end stays the end");
    half.write_all(&vec![1; 1 << 20]).await.unwrap();
    assert_eq!(half.finish().await.unwrap(), 1 << 20);
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn writing_waits_for_a_handler_that_does_not_read() {
    let pair = Pair::new();
    let mut upper = pair.pipe(&UPPER);
    // Nobody reads what it answers, so it stops reading.
    let part = vec![b'a'; 50_000];
    let mut written = 0;
    while let Some(length) = {
        settle().await;
        upper.write(&part).now_or_never()
    } {
        written += length.unwrap();
        assert!(written < 1 << 20, "two windows, and what is in their middle");
    }
    assert_eq!(pair.echo(vec![1]).await.unwrap(), [1], "it delays nobody");
    drop(upper);
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn short_writes_are_joined() {
    let pair = Pair::with(Receives { window: 1024, ..ROOMY }, ROOMY);
    let mut count = pair.pipe(&COUNT_BYTES);
    for _ in 0..10_000 {
        count.write_all(b"x").await.unwrap();
    }
    assert_eq!(count.finish().await.unwrap(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn a_failure_does_not_look_like_an_end() {
    let pair = Pair::new();
    let mut broken = pipe_fallible::<u64, String>(&pair.connection, &BREAK, ());
    let mut heard = Vec::new();
    let error = broken.read_to_end(&mut heard).await.unwrap_err();
    assert_eq!(
        (&heard[..], error.to_string()),
        (&b"some"[..], "break failed with an error of its own".to_owned())
    );
    assert!(broken.write(b"more").await.is_err());
    assert_eq!(broken.finish().await.unwrap_err().into_service().unwrap(), "no more of that");

    let mut unknown = pair.pipe(&UNKNOWN);
    let error = unknown.read(&mut [0; 9]).await.unwrap_err();
    assert!(error.to_string().contains("no method unknown"), "{error}");
    assert!(!unknown.finish().await.unwrap_err().may_have_executed());

    // A method that takes no bytes.
    assert!(pair.pipe(&LATER).finish().await.is_err());
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_no_more_stops_the_writer() {
    let pair = Pair::new();
    let mut broken = pipe_fallible::<u64, String>(&pair.connection, &BREAK, ());
    let written = broken.write_all(&vec![0; 1 << 20]).await;
    assert_eq!(written.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert!(broken.finish().await.is_err());
    settle().await;
    pair.assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_dropped_pipe_is_told_from_one_that_is_shut() {
    let pair = Pair::new();
    let mut lent = pair.pipe(&LEND_BYTES);
    lent.write_all(b"abc").await.unwrap();
    settle().await;
    drop(lent);
    settle().await;
    let mut lent = pair.pipe(&LEND_BYTES);
    lent.write_all(b"abc").await.unwrap();
    lent.shutdown().await.unwrap();
    settle().await;
    let mut lent = pair.pipe(&LEND_BYTES);
    lent.write_all(b"abc").await.unwrap();
    settle().await;
    pair.server.leave(GoodbyeCode::Closing, "the daemon is closing");
    settle().await;
    assert_eq!(pair.traces.ends(), ["3 ConnectionAborted", "3 end", "3 ConnectionAborted"]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_told_to_both_ends() {
    let (near, far) = duplex(64 << 10);
    let pair = Pair::serve(far, ROOMY, ROOMY);
    let shared = std::sync::Arc::clone(pair.connection.shared_arc());
    let driver = tokio::spawn(Driver::new(near, shared, NoService, Vec::new()).run());
    let mut lent = pair.pipe(&LEND_BYTES);
    lent.write_all(b"abc").await.unwrap();
    settle().await;
    driver.abort();
    settle().await;
    let error = lent.read(&mut [0; 9]).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert!(lent.write(b"more").await.is_err());
    assert!(lent.finish().await.unwrap_err().is_lost());
    assert_eq!(pair.traces.ends(), ["3 ConnectionReset"]);
}

#[tokio::test(start_paused = true)]
async fn both_halves_of_a_pipe_that_waits_for_its_turn_are_woken() {
    let pair = Pair::with(ROOMY, Receives { calls: 1, ..ROOMY });
    let running = tokio::spawn(pair.later(vec![1]));
    settle().await;
    let (mut read, mut write) = tokio::io::split(pair.pipe(&UPPER));
    let reader = tokio::spawn(async move {
        let mut heard = Vec::new();
        read.read_to_end(&mut heard).await.unwrap();
        (read, heard)
    });
    let writer = tokio::spawn(async move {
        write.write_all(b"abc").await.unwrap();
        write.shutdown().await.unwrap();
        write
    });
    settle().await;
    assert!(!reader.is_finished() && !writer.is_finished());
    pair.gate.add_permits(1);
    running.await.unwrap().unwrap();
    let (write, (read, heard)) = (writer.await.unwrap(), reader.await.unwrap());
    assert_eq!(heard, b"ABC");
    assert_eq!(read.unsplit(write).finish().await.unwrap(), 3);
}
