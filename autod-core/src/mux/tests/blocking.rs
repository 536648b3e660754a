//! Threads that share a connection: a peer that says what the test wants, when it wants, and a real
//! one behind a line that takes bytes in arbitrary parts.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread::{scope, spawn};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tokio::sync::Semaphore;

use super::flows::{SUM, TWICE, UPPER};
use super::{COUNT, ECHO, HOLDS, ROOMY, Traces, handle};
use crate::codec;
use crate::error::CallError;
use crate::mux::blocking::{self, Connection, Incoming, items};
use crate::mux::dispatch::Dispatcher;
use crate::mux::driver::Driver;
use crate::mux::shared::Shared;
use crate::mux::state::Side;
use crate::mux::{Origin, Upstream, call, call_fallible, open, pipe_fallible};
use crate::wire::frame::{FailCode, HEADER, Header, Kind, MAX_PIECE, put};
use crate::wire::limits::Receives;

/// What is long for a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

fn connection(socket: UnixStream, theirs: Receives) -> Connection {
    let shared = Shared::new(Side::Connector, ROOMY, theirs, HOLDS);
    let origin = Origin { pid: 0, build: String::new(), life: 0, started: None, retries: 0 };
    Connection::new(shared, socket, Vec::new(), Duration::from_micros(50), origin)
}

fn echo(connection: &Connection, bytes: Vec<u8>) -> crate::Result<Vec<u8>> {
    blocking::call(connection, call(connection.inner(), &ECHO, (bytes,), Upstream::NONE))
}

fn count(connection: &Connection, end: u64) -> Incoming<u64> {
    blocking::open(connection, open(connection.inner(), &COUNT, (end,), Upstream::NONE))
}

fn sum(
    connection: &Connection,
    numbers: impl Iterator<Item = u64> + Send + 'static,
) -> Result<u64, CallError<String>> {
    let numbers = Upstream::items(items(numbers));
    blocking::call(connection, call_fallible(connection.inner(), &SUM, (0_u64,), numbers))
}

/// The other end, by hand.
struct Peer(UnixStream);

impl Peer {
    fn new(theirs: Receives) -> (Self, Connection) {
        let (near, far) = UnixStream::pair().unwrap();
        far.set_read_timeout(Some(PATIENCE)).unwrap();
        far.set_write_timeout(Some(PATIENCE)).unwrap();
        (Self(far), connection(near, theirs))
    }

    #[track_caller]
    fn frame(&mut self) -> (Header, Vec<u8>) {
        let mut header = [0; HEADER];
        self.0.read_exact(&mut header).expect("a header");
        let header = Header::parse(&header).unwrap().unwrap();
        let mut payload = vec![0; header.length];
        self.0.read_exact(&mut payload).expect("a payload");
        (header, payload)
    }

    /// The id of the next call, which comes in any number of pieces.
    #[track_caller]
    fn call(&mut self) -> u32 {
        loop {
            let (header, _) = self.frame();
            assert_eq!(header.kind, Kind::Call);
            if !header.more {
                return header.id;
            }
        }
    }

    fn say(&mut self, kind: Kind, id: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        put(&mut bytes, kind, id, false, payload);
        self.0.write_all(&bytes).unwrap();
    }

    fn reply(&mut self, id: u32, answer: &Vec<u8>) {
        let mut payload = Vec::new();
        codec::encode_into(&mut payload, answer).unwrap();
        let pieces = payload.len().div_ceil(MAX_PIECE);
        for (at, piece) in payload.chunks(MAX_PIECE).enumerate() {
            let mut bytes = Vec::new();
            put(&mut bytes, Kind::Reply, id, at + 1 < pieces, piece);
            self.0.write_all(&bytes).unwrap();
        }
    }

    fn item(&mut self, id: u32, item: u64) {
        let mut payload = 1_u32.to_le_bytes().to_vec();
        codec::encode_into(&mut payload, &item).unwrap();
        self.say(Kind::Items, id, &payload);
    }
}

#[track_caller]
fn eventually(mut is_so: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < limit, "never");
        std::thread::yield_now();
    }
}

/// One thread reads and another waits for it, in this order; gives the ids of their calls.
fn two_wait(peer: &mut Peer, connection: &Connection) -> (Waiting, Waiting, [u32; 2]) {
    let begin = |answer: &'static [u8]| {
        let connection = connection.clone();
        spawn(move || assert_eq!(echo(&connection, answer.to_vec()).unwrap(), answer))
    };
    let first = begin(b"first");
    let first_id = peer.call();
    eventually(|| connection.at_the_desk() == (true, 0));
    let second = begin(b"second");
    let second_id = peer.call();
    eventually(|| connection.at_the_desk() == (true, 1));
    (first, second, [first_id, second_id])
}

type Waiting = std::thread::JoinHandle<()>;

#[test]
fn a_reader_that_has_its_answer_hands_over() {
    let (mut peer, connection) = Peer::new(ROOMY);
    let (first, second, ids) = two_wait(&mut peer, &connection);
    peer.reply(ids[0], &b"first".to_vec());
    first.join().unwrap();
    // Nobody has said anything more: the place was handed over, not found.
    eventually(|| connection.at_the_desk() == (true, 0));
    peer.reply(ids[1], &b"second".to_vec());
    second.join().unwrap();
    assert_eq!(connection.at_the_desk(), (false, 0));
}

#[test]
fn a_reader_wakes_the_others() {
    let (mut peer, connection) = Peer::new(ROOMY);
    let (first, second, ids) = two_wait(&mut peer, &connection);
    peer.reply(ids[1], &b"second".to_vec());
    second.join().unwrap();
    assert_eq!(connection.at_the_desk(), (true, 0));
    peer.reply(ids[0], &b"first".to_vec());
    first.join().unwrap();
}

#[test]
fn both_answers_in_one_read_are_for_both() {
    let (mut peer, connection) = Peer::new(ROOMY);
    let (first, second, ids) = two_wait(&mut peer, &connection);
    let mut bytes = Vec::new();
    for (id, answer) in [(ids[0], "first"), (ids[1], "second")] {
        let mut payload = Vec::new();
        codec::encode_into(&mut payload, &answer.as_bytes().to_vec()).unwrap();
        put(&mut bytes, Kind::Reply, id, false, &payload);
    }
    peer.0.write_all(&bytes).unwrap();
    first.join().unwrap();
    second.join().unwrap();
    assert_eq!(connection.at_the_desk(), (false, 0));
}

#[test]
fn a_reader_whose_time_is_over_hands_over() {
    let (mut peer, connection) = Peer::new(ROOMY);
    let hasty = connection.with_limit(Duration::from_millis(300));
    let reader = spawn(move || assert!(echo(&hasty, vec![1]).unwrap_err().is_timeout()));
    let late = peer.call();
    eventually(|| connection.at_the_desk() == (true, 0));
    let other = connection.clone();
    let second = spawn(move || assert_eq!(echo(&other, vec![2]).unwrap(), [2]));
    let id = peer.call();
    reader.join().unwrap();
    assert_eq!(peer.frame().0.kind, Kind::Cancel);
    eventually(|| connection.at_the_desk() == (true, 0));
    peer.say(Kind::Fail, late, &[FailCode::Cancelled as u8]);
    peer.reply(id, &vec![2]);
    second.join().unwrap();
}

/// The reader waits for a slot, and what makes it free is another thread, not the socket.
#[test]
fn a_reader_in_the_line_for_a_slot_hears_other_threads() {
    let (mut peer, connection) = Peer::new(Receives { calls: 1, ..ROOMY });
    let other = connection.clone();
    let mut items = count(&connection, 1);
    let opened = spawn(move || {
        assert_eq!(items.next().unwrap().unwrap(), 0);
        items
    });
    let id = peer.call();
    peer.item(id, 0);
    let mut items = opened.join().unwrap();
    let waiting = spawn(move || assert_eq!(echo(&other, vec![2]).unwrap(), [2]));
    eventually(|| connection.at_the_desk() == (true, 0));
    // The reader takes it for the other thread, and goes on to wait.
    peer.say(Kind::End, id, &[]);
    eventually(|| connection.has_ended(id >> 1));
    assert!(items.next().is_none());
    let id = peer.call();
    peer.reply(id, &vec![2]);
    waiting.join().unwrap();
}

/// Neither end reads before it has written more than the sockets hold.
#[test]
fn who_writes_reads_meanwhile() {
    let long = 8 << 20;
    for threads in [1, 2] {
        let (mut peer, connection) = Peer::new(ROOMY);
        let mut items = (threads == 1).then(|| count(&connection, 10));
        let other = connection.clone();
        let reader = (threads == 2)
            .then(|| spawn(move || assert_eq!(echo(&other, vec![1]).unwrap().len(), long)));
        let opener = items.as_mut().map(|items| {
            // Sends the call, and nothing comes.
            assert!(items.next_timeout(Duration::ZERO).unwrap().unwrap_err().is_timeout());
        });
        let first = peer.call();
        if reader.is_some() {
            eventually(|| connection.at_the_desk() == (true, 0));
        }
        let other = connection.clone();
        let writer = spawn(move || assert_eq!(echo(&other, vec![2; long]).unwrap(), [2]));
        // It is stuck: no more than the head of it fits.
        std::thread::sleep(Duration::from_millis(50));
        if opener.is_some() {
            let filler = vec![3; 3 << 20];
            // A message may be longer than the credit.
            let mut payload = 1_u32.to_le_bytes().to_vec();
            codec::encode_into(&mut payload, &filler).unwrap();
            let pieces = payload.len().div_ceil(MAX_PIECE);
            for (at, piece) in payload.chunks(MAX_PIECE).enumerate() {
                let mut bytes = Vec::new();
                put(&mut bytes, Kind::Items, first, at + 1 < pieces, piece);
                peer.0.write_all(&bytes).unwrap();
            }
        } else {
            peer.reply(first, &vec![1; long]);
        }
        if let Some(reader) = reader {
            reader.join().unwrap();
        }
        let second = peer.call();
        peer.reply(second, &vec![2]);
        writer.join().unwrap();
    }
}

/// An end that does not read while a call to it is sent.
fn stuck(limit: Duration) -> (Peer, Connection) {
    let (peer, connection) = Peer::new(ROOMY);
    let hasty = connection.with_limit(limit);
    assert!(echo(&hasty, vec![1; 900 << 10]).unwrap_err().is_timeout());
    (peer, connection)
}

fn upper(connection: &Connection) -> blocking::Pipe<u64, CallError<String>> {
    blocking::pipe(connection, pipe_fallible(connection.inner(), &UPPER, ()))
}

#[test]
fn a_write_takes_no_longer_than_its_time_though_nobody_reads() {
    let limit = Duration::from_millis(100);
    let (peer, connection) = stuck(limit);
    let pipe = upper(&connection.with_limit(limit));
    let writer = spawn(move || {
        assert_eq!((&pipe).write(b"on its way").unwrap(), 10);
        pipe.shutdown().unwrap();
        pipe
    });
    eventually(|| writer.is_finished());
    // What was taken arrives with what comes next.
    let pipe = writer.join().unwrap();
    let reader = spawn(move || {
        let mut peer = peer;
        let mut kinds = Vec::new();
        while kinds.last() != Some(&Kind::End) {
            kinds.push(peer.frame().0.kind);
        }
        kinds.retain(|kind| *kind == Kind::Items);
        (kinds.len(), peer)
    });
    assert_eq!((&pipe).read(&mut [0; 1]).unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(reader.join().unwrap().0, 1);
}

#[test]
fn whoever_waits_to_send_hears_that_the_connection_is_over() {
    let (mut peer, connection) = stuck(Duration::from_millis(50));
    let pipe = upper(&connection);
    let writer = spawn(move || (&pipe).write_all(&[0; 100]));
    // It reads while it waits, and the peer neither reads nor closes.
    eventually(|| connection.at_the_desk() == (true, 0));
    peer.say(Kind::Goodbye, 0, &[2]);
    eventually(|| writer.is_finished());
    drop(writer.join().unwrap());
}

#[test]
fn writers_that_gave_up_take_no_turns_of_others() {
    let (mut peer, connection) = Peer::new(Receives { calls: 64, ..ROOMY });
    let hasty = connection.with_limit(Duration::from_millis(10));
    let mut pipes = Vec::new();
    let mut late = 0;
    let bytes = vec![0; MAX_PIECE];
    // Nobody reads: first they fill what may wait to be written, then they wait for their turns.
    while late < 20 {
        assert!(pipes.len() < 60, "{late} are late");
        let pipe = upper(&hasty);
        while (&pipe).write(&bytes).is_ok() && late == 0 {}
        late += usize::from(pipes.len() >= 30);
        pipes.push(pipe);
    }
    let reader = spawn(move || {
        let mut buffer = vec![0; MAX_PIECE];
        while peer.0.read(&mut buffer).is_ok_and(|count| count > 0) {}
    });
    let last = upper(&connection);
    let writer = spawn(move || (&last).write_all(b"at last"));
    eventually(|| writer.is_finished());
    writer.join().unwrap().unwrap();
    drop((pipes, hasty, connection));
    reader.join().unwrap();
}

#[test]
fn what_a_peer_says_that_it_dropped_may_be_any_number() {
    let (mut peer, connection) = Peer::new(ROOMY);
    let mut items = count(&connection, 2);
    let reader = spawn(move || {
        assert_eq!(items.next().unwrap().unwrap(), 0);
        assert_eq!(items.next().unwrap().unwrap(), 1);
        items.skipped()
    });
    let id = peer.call();
    for item in 0..2 {
        peer.say(Kind::Skip, id, &u64::MAX.to_le_bytes());
        peer.item(id, item);
    }
    assert_eq!(reader.join().unwrap(), u64::MAX);
}

#[test]
fn calls_of_the_daemon_are_answered_when_somebody_reads() {
    let (mut peer, connection) = Peer::new(ROOMY);
    let mut body = ECHO.id.to_le_bytes().to_vec();
    body.push(0);
    peer.say(Kind::Call, 1, &body);
    let other = connection.clone();
    let own = spawn(move || assert_eq!(echo(&other, vec![2]).unwrap(), [2]));
    let mut frames = [peer.frame(), peer.frame()];
    frames.sort_by_key(|(header, _)| header.kind as u8);
    assert_eq!(frames[0].0.kind, Kind::Call);
    assert_eq!((frames[1].0.kind, frames[1].0.id), (Kind::Fail, 1));
    assert_eq!(frames[1].1, [FailCode::UnknownMethod as u8]);
    peer.reply(frames[0].0.id, &vec![2]);
    own.join().unwrap();
}

#[test]
fn a_peer_that_breaks_the_protocol_is_told_and_left() {
    let (mut peer, connection) = Peer::new(ROOMY);
    let other = connection.clone();
    let own = spawn(move || echo(&other, vec![2]).unwrap_err().to_string());
    peer.call();
    peer.say(Kind::Reply, 40, b"nobody has asked");
    assert!(own.join().unwrap().starts_with("the other end broke the protocol"));
    assert_eq!(peer.frame().0.kind, Kind::Goodbye);
    assert!(echo(&connection, vec![3]).is_err());
    drop(connection);
    assert_eq!(peer.0.read(&mut [0; 1]).unwrap(), 0, "it is closed");
}

#[test]
fn the_last_handle_closes_and_a_stream_is_one() {
    let (mut peer, connection) = Peer::new(ROOMY);
    let mut items = count(&connection, 10);
    drop(connection);
    let reader = spawn(move || {
        items.next().unwrap().unwrap();
        items
    });
    let id = peer.call();
    peer.item(id, 0);
    let items = reader.join().unwrap();
    drop(items);
    assert_eq!(peer.frame().0.kind, Kind::Cancel);
    assert_eq!(peer.0.read(&mut [0; 1]).unwrap(), 0, "it is closed");
}

#[derive(Clone, Debug)]
struct World {
    /// What goes over the line at once, in turn.
    parts: Vec<usize>,
    calls: u32,
    window: u32,
    threads: Vec<Vec<(u8, usize)>>,
}

fn world() -> impl Strategy<Value = World> {
    let size = prop_oneof![0..50_usize, 50..5000_usize, 5000..300_000_usize];
    let thread = proptest::collection::vec((0..6_u8, size), 1..8);
    (
        proptest::collection::vec(prop_oneof![1..20_usize, 1..100_000_usize], 1..6),
        1..5_u32,
        prop_oneof![1..100_u32, Just(64 << 10)],
        proptest::collection::vec(thread, 1..6),
    )
        .prop_map(|(parts, calls, window, threads)| World { parts, calls, window, threads })
}

/// Moves bytes in parts, as long as both ends are there.
fn carry(mut from: UnixStream, mut to: UnixStream, parts: Vec<usize>) {
    let mut parts = parts.into_iter().cycle();
    let mut buffer = vec![0; 100_000];
    // Tiny parts only at the beginning, or a long message takes for ever.
    let mut moved = 0;
    loop {
        let part = if moved < 10_000 { parts.next().unwrap_or(1) } else { buffer.len() };
        match from.read(&mut buffer[..part]) {
            Ok(count) if count > 0 && to.write_all(&buffer[..count]).is_ok() => moved += count,
            _ => {
                let _ = to.shutdown(std::net::Shutdown::Write);
                return;
            }
        }
    }
}

fn visit(connection: &Connection, shape: u8, size: usize) {
    let end = size as u64;
    match shape {
        0 => assert_eq!(echo(connection, vec![7; size]).unwrap(), vec![7; size]),
        1 => assert!(count(connection, end).map(Result::unwrap).eq(0..end)),
        2 => {
            let sum = sum(connection, 0..end);
            assert_eq!(sum.unwrap(), (0..end).sum::<u64>());
        }
        3 => {
            let items = Upstream::items(items((0..end).filter(|n| n % 50 == 0)));
            let doubled = open::<u64>(connection.inner(), &TWICE, (0_u64,), items);
            let doubled = blocking::open(connection, doubled);
            assert!(
                doubled.map(Result::unwrap).eq((0..end).filter(|n| n % 50 == 0).map(|n| n * 2))
            );
        }
        4 => {
            let pipe = pipe_fallible::<u64, String>(connection.inner(), &UPPER, ());
            let pipe = blocking::pipe(connection, pipe);
            scope(|scope| {
                scope.spawn(|| {
                    (&pipe).write_all(&vec![b'a'; size]).unwrap();
                    pipe.shutdown().unwrap();
                });
                let mut bytes = Vec::new();
                (&pipe).read_to_end(&mut bytes).unwrap();
                assert_eq!(bytes, vec![b'A'; size]);
            });
            pipe.finish().unwrap();
        }
        // Left in the middle.
        _ => drop(count(connection, u64::MAX).nth(size.min(1000))),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn threads_get_what_is_theirs_whatever_the_line_does(world in world()) {
        let (near, line_near) = UnixStream::pair().unwrap();
        let (line_far, far) = UnixStream::pair().unwrap();
        for socket in [&near, &line_near] {
            rustix::net::sockopt::set_socket_send_buffer_size(socket, 4 << 10).unwrap();
        }
        let theirs = Receives { calls: world.calls, window: world.window, ..ROOMY };
        let server = spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                far.set_nonblocking(true).unwrap();
                let far = crate::mux::Socket::new(far).unwrap();
                let (gate, traces) = (Arc::new(Semaphore::new(0)), Arc::<Traces>::default());
                let shared = Shared::new(Side::Acceptor, theirs, ROOMY, HOLDS);
                let begin =
                    move |request| handle(request, Arc::clone(&gate), Arc::clone(&traces));
                let dispatch = Dispatcher::new(begin, Arc::default());
                Driver::new(far, Arc::clone(&shared), dispatch, Vec::new()).run().await;
            });
        });
        let pairs = [
            (line_near.try_clone().unwrap(), line_far.try_clone().unwrap()),
            (line_far, line_near),
        ];
        let carriers = pairs.map(|(from, to)| {
            let parts = world.parts.clone();
            spawn(move || carry(from, to, parts))
        });
        let connection = connection(near, theirs);
        scope(|scope| {
            for visits in world.threads {
                let connection = &connection;
                scope.spawn(move || {
                    for (shape, size) in visits {
                        visit(connection, shape, size);
                    }
                });
            }
        });
        prop_assert_eq!(connection.at_the_desk(), (false, 0));
        drop(connection);
        server.join().unwrap();
        for carrier in carriers {
            carrier.join().unwrap();
        }
    }
}

#[test]
fn a_seat_is_that_of_its_thread_and_nobody_takes_it_twice() {
    // An iterator that is sent makes a call on the connection that it is sent on.
    let (mut peer, connection) = Peer::new(ROOMY);
    let other = connection.clone();
    let outer = spawn(move || {
        let inner = other.clone();
        let mut left = 1_u64..3;
        let items = std::iter::from_fn(move || {
            let n = left.next()?;
            let answer = echo(&inner, vec![1]).unwrap();
            Some(n + answer.len() as u64)
        });
        sum(&other, items).unwrap()
    });
    let outer_id = peer.call();
    for _ in 0..2 {
        let inner_id = loop {
            let (header, _) = peer.frame();
            if header.kind == Kind::Call {
                break header.id;
            }
        };
        assert_ne!(inner_id, outer_id);
        peer.reply(inner_id, &vec![0; 3]);
    }
    loop {
        if peer.frame().0.kind == Kind::End {
            break;
        }
    }
    let mut payload = Vec::new();
    codec::encode_into(&mut payload, &9_u64).unwrap();
    peer.say(Kind::Reply, outer_id, &payload);
    assert_eq!(outer.join().unwrap(), 9);
}
