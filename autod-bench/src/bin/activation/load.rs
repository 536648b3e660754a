//! What a client measures.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

pub(crate) const GIGABYTES: f64 = 1.0;
const BYTES: u64 = 1 << 30;

fn begin(address: SocketAddr, kind: u8, length: u64) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let _ = stream.set_nodelay(true);
    let mut head = vec![kind];
    head.extend(length.to_le_bytes());
    stream.write_all(&head).expect("a server");
    stream
}

/// GB/s from the server.
pub(crate) fn down(address: SocketAddr) -> f64 {
    let began = Instant::now();
    let mut stream = begin(address, b'D', BYTES);
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).expect("bytes") {
            0 => break,
            length => total += length as u64,
        }
    }
    assert_eq!(total, BYTES, "all of it");
    GIGABYTES / began.elapsed().as_secs_f64()
}

/// GB/s to the server.
pub(crate) fn up(address: SocketAddr) -> f64 {
    let began = Instant::now();
    let mut stream = begin(address, b'U', 0);
    let buffer = vec![0; 256 << 10];
    for _ in 0..BYTES / buffer.len() as u64 {
        stream.write_all(&buffer).expect("a server");
    }
    stream.shutdown(Shutdown::Write).expect("an end");
    let mut answer = Vec::new();
    // socat ends the other direction half a second after this one.
    let _ = stream.read_to_end(&mut answer);
    GIGABYTES / began.elapsed().as_secs_f64()
}

/// A connection, a byte, the end.
pub(crate) fn once(address: SocketAddr) {
    let mut byte = [0];
    begin(address, b'E', 0).read_exact(&mut byte).expect("an answer");
}

/// A connection that was answered, and has nothing more to say.
pub(crate) fn held(address: SocketAddr) -> TcpStream {
    let mut stream = begin(address, b'H', 0);
    stream.read_exact(&mut [0]).expect("an answer");
    stream
}

/// Reads as much as comes.
pub(crate) fn down_until(address: SocketAddr, enough: &AtomicBool) {
    let mut stream = begin(address, b'D', u64::MAX);
    let mut buffer = vec![0; 256 << 10];
    while !enough.load(Ordering::Relaxed) {
        assert!(stream.read(&mut buffer).expect("bytes") > 0, "it goes on");
    }
}

/// The median, in seconds, to the first byte.
pub(crate) fn latency(address: SocketAddr) -> f64 {
    let mut times: Vec<Duration> = (0..300)
        .map(|_| {
            let began = Instant::now();
            once(address);
            began.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

/// How many in a second, of four clients.
pub(crate) fn connections(address: SocketAddr) -> f64 {
    let began = Instant::now();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(move || {
                let mut count = 0_u32;
                while began.elapsed() < Duration::from_secs(1) {
                    once(address);
                    count += 1;
                }
                count
            })
        })
        .collect();
    let count: u32 = clients.into_iter().map(|client| client.join().expect("a count")).sum();
    f64::from(count) / began.elapsed().as_secs_f64()
}

/// So many clients at once: the time of the slowest but one in a hundred, and how many had no answer.
pub(crate) fn burst(address: SocketAddr, clients: usize) -> (f64, usize) {
    let barrier = Arc::new(Barrier::new(clients));
    let clients: Vec<_> = (0..clients)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            let client = std::thread::Builder::new().stack_size(64 << 10);
            client.spawn(move || {
                barrier.wait();
                let began = Instant::now();
                let answered = std::panic::catch_unwind(|| once(address)).is_ok();
                (answered, began.elapsed())
            })
        })
        .collect::<Result<_, _>>()
        .expect("threads");
    let mut times = Vec::new();
    let mut failed = 0;
    for client in clients {
        let (answered, time) = client.join().expect("a time");
        failed += usize::from(!answered);
        times.push(time);
    }
    times.sort();
    (times[times.len() * 99 / 100].as_secs_f64(), failed)
}
