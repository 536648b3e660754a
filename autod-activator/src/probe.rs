//! Finding out whether an app is ready. Each way waits for as long as it takes; the limit, and the
//! app's end meanwhile, are the keeper's.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::Duration;

use regex_lite::Regex;
use tokio::io::Interest;
use tokio::net::unix::pipe;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::address::Address;
use crate::stream::Stream;

/// Pauses between two looks: short while most apps start, longer for those that take their time.
const SOON: Duration = Duration::from_millis(2);
const LATER: Duration = Duration::from_millis(25);
const SHORT_START: Duration = Duration::from_secs(1);

/// How long an answer to one HTTP request may take.
const ANSWER: Duration = Duration::from_secs(5);

/// What is taken for a line, if there is no newline.
const LINE: u64 = 64 << 10;

/// Waits until the app accepts at all addresses. The connections are given to the first clients: an
/// app that serves one only is not confused, and they need not make another.
pub(crate) async fn connect(targets: &[Address]) -> Vec<Option<Stream>> {
    let mut streams = Vec::new();
    for target in targets {
        streams.push(Some(connect_to(target).await));
    }
    streams
}

async fn connect_to(target: &Address) -> Stream {
    let began = Instant::now();
    loop {
        if let Ok(stream) = Stream::connect(target).await {
            return stream;
        }
        pause(began).await;
    }
}

async fn pause(began: Instant) {
    tokio::time::sleep(if began.elapsed() < SHORT_START { SOON } else { LATER }).await;
}

/// Waits until a GET is answered with a status from 200 to 399.
pub(crate) async fn http(target: &Address, path: &str) {
    let began = Instant::now();
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: localhost\r\nUser-Agent: autod\r\nConnection: close\r\n\r\n"
    );
    loop {
        let stream = connect_to(target).await;
        let status = tokio::time::timeout(ANSWER, status(&stream, &request)).await;
        if matches!(status, Ok(Some(200..=399))) {
            return;
        }
        pause(began).await;
    }
}

async fn status(stream: &Stream, request: &str) -> Option<u16> {
    let mut rest = request.as_bytes();
    while !rest.is_empty() {
        stream.ready(Interest::WRITABLE).await.ok()?;
        match stream.try_write(rest) {
            Ok(length) => rest = &rest[length..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    let mut answer = [0; 12];
    let mut length = 0;
    while length < answer.len() {
        stream.ready(Interest::READABLE).await.ok()?;
        match stream.try_read(&mut answer[length..]) {
            Ok(0) => return None,
            Ok(more) => length += more,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    let answer = std::str::from_utf8(&answer).ok()?;
    answer.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok()
}

/// Waits for a newline. Without one, for ever.
pub(crate) async fn newline(read: OwnedFd) {
    if let Ok(read) = pipe::Receiver::from_owned_fd(read) {
        let mut buffer = [0; 64];
        while read.readable().await.is_ok() {
            match read.try_read(&mut buffer) {
                Ok(0) => break,
                Ok(length) if buffer[..length].contains(&b'\n') => return,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
    }
    std::future::pending::<()>().await;
}

/// Copies the output to standard error for as long as the app lives, and tells of the first line
/// that matches. A thread does it: standard error may block.
pub(crate) fn log(output: OwnedFd, pattern: Regex) -> oneshot::Receiver<()> {
    let (found, heard) = oneshot::channel();
    let mut found = Some(found);
    let copy = move || {
        let mut lines = BufReader::new(File::from(output));
        let mut line = Vec::new();
        loop {
            line.clear();
            match lines.by_ref().take(LINE).read_until(b'\n', &mut line) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            if found.is_some() && pattern.is_match(String::from_utf8_lossy(&line).trim_end()) {
                let _ = found.take().map(|found| found.send(()));
            }
            let _ = std::io::stderr().write_all(&line);
        }
    };
    // Without a thread nobody reads: the start fails by its limit.
    let _ = std::thread::Builder::new().name("autod-log".to_owned()).spawn(copy);
    heard
}
