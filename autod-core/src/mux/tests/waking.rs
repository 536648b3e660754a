//! The driver is woken for everything that it does not see by itself, and for nothing else.
//!
//! The driver is polled by hand, and only when it has been woken. At each moment at which it talks
//! to its transport, while it is awake, and once while it sleeps, another thread's doing is put in.

use std::cell::RefCell;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Semaphore;

use super::{ECHO, HOLDS, ROOMY, handle};
use crate::mux::dispatch::{Dispatch, Dispatcher, NoService};
use crate::mux::driver::Driver;
use crate::mux::request::Incall;
use crate::mux::shared::Shared;
use crate::mux::state::Side;
use crate::mux::transport::{Room, Transport};
use crate::mux::{Call, Connection, Origin, Upstream, call};
use crate::wire::frame::{self, BEFORE_ARGUMENTS, GoodbyeCode, HEADER, Header, Kind, Options};
use crate::wire::limits::Receives;

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Act = Box<dyn FnOnce()>;

/// What the other end of a [`Wire`] holds.
#[derive(Default)]
struct Script {
    /// How often the driver has talked to its transport.
    moments: usize,
    act_at: usize,
    act: Option<Act>,
    /// Nothing can be written at the moment.
    full: bool,
    /// What is there to be read, from this moment on.
    inbox: Vec<u8>,
    inbox_at: usize,
    written: Vec<u8>,
    writer: Option<Waker>,
}

impl Script {
    fn kinds(&self) -> Vec<Kind> {
        let mut rest = &self.written[..];
        let mut kinds = Vec::new();
        while let Some(header) = Header::parse(rest).unwrap() {
            rest = &rest[HEADER + header.length..];
            kinds.push(header.kind);
        }
        kinds
    }
}

#[derive(Clone, Default)]
struct Wire(Rc<RefCell<Script>>);

impl Wire {
    /// One more moment: the act, if this is its moment.
    fn pass(&self) {
        let mut script = self.0.borrow_mut();
        script.moments += 1;
        let act = if script.moments == script.act_at { script.act.take() } else { None };
        drop(script);
        if let Some(act) = act {
            act();
        }
    }

    fn take(&self, buffer: &mut [u8]) -> usize {
        let mut script = self.0.borrow_mut();
        if script.moments < script.inbox_at {
            return 0;
        }
        let length = script.inbox.len().min(buffer.len());
        buffer[..length].copy_from_slice(&script.inbox[..length]);
        script.inbox.drain(..length);
        length
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.pass();
        match self.take(buffer.initialize_unfilled()) {
            0 => Poll::Pending,
            length => {
                buffer.advance(length);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.pass();
        let mut script = self.0.borrow_mut();
        if script.full {
            script.writer = Some(context.waker().clone());
            return Poll::Pending;
        }
        script.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Transport for Wire {
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.pass();
        match self.take(buffer) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            length => Ok(length),
        }
    }

    fn peek_now(&self) -> io::Result<usize> {
        self.pass();
        let script = self.0.borrow();
        let there = script.moments >= script.inbox_at && !script.inbox.is_empty();
        there.then_some(1).ok_or_else(|| io::ErrorKind::WouldBlock.into())
    }

    fn make_room(&self, _: Room) {}
}

/// Polls as long as each poll was followed by a wake-up. Whether the driver has ended.
fn settle(driver: Pin<&mut impl Future<Output = ()>>, wakes: &Arc<Wakes>) -> bool {
    let handle = Waker::from(Arc::clone(wakes));
    let mut driver = driver;
    loop {
        let before = wakes.0.load(Ordering::SeqCst);
        if driver.as_mut().poll(&mut Context::from_waker(&handle)).is_ready() {
            return true;
        }
        if wakes.0.load(Ordering::SeqCst) == before {
            return false;
        }
    }
}

fn begin(connection: &Connection) -> Pin<Box<Call<Vec<u8>>>> {
    let mut call = Box::pin(call(connection, &ECHO, (vec![1_u8],), Upstream::NONE));
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    call
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    Call,
    Leave,
    Unused,
}

/// A caller with one call open who looks for so long, beside whom this is done at that moment.
fn at_a_moment(doing: Doing, moment: usize, full: bool, answered_at: usize, looks: Duration) {
    let shared = Shared::new(Side::Connector, ROOMY, ROOMY, HOLDS);
    let origin = Origin { pid: 0, build: String::new(), life: 0, started: None, retries: 0 };
    let connection = Connection::new(Arc::clone(&shared), origin);
    let _first = begin(&connection);
    let calls = Rc::new(RefCell::new(Vec::new()));
    let wire = Wire::default();
    {
        let (shared, connection, calls) =
            (Arc::clone(&shared), connection.clone(), Rc::clone(&calls));
        let mut script = wire.0.borrow_mut();
        script.act_at = moment;
        script.act = Some(Box::new(move || match doing {
            Doing::Call => calls.borrow_mut().push(begin(&connection)),
            Doing::Leave => shared.leave(GoodbyeCode::Closing, "enough"),
            Doing::Unused => shared.unused(),
        }));
        script.full = full;
        script.inbox_at = answered_at;
        frame::put(&mut script.inbox, Kind::Reply, 0, false, &[1, 1]);
    }
    let wakes = Arc::new(Wakes::default());
    let driver = Driver::new(wire.clone(), shared, NoService, Vec::new()).looking(looks, true);
    let mut driver = pin!(driver.run());
    let mut ended = settle(driver.as_mut(), &wakes);
    let late = wire.0.borrow_mut().act.take();
    if let Some(act) = late {
        let before = wakes.0.load(Ordering::SeqCst);
        act();
        assert_eq!(wakes.0.load(Ordering::SeqCst) > before, !full, "it sleeps");
        ended = settle(driver.as_mut(), &wakes);
    }
    if full {
        let writer = {
            let mut script = wire.0.borrow_mut();
            script.full = false;
            script.writer.take()
        };
        writer.expect("the driver waits until it can write").wake();
        ended = settle(driver.as_mut(), &wakes);
    }
    let kinds = wire.0.borrow().kinds();
    match doing {
        Doing::Call => assert_eq!((kinds, ended), (vec![Kind::Call; 2], false)),
        Doing::Leave => assert_eq!((kinds, ended), (vec![Kind::Call, Kind::Goodbye], true)),
        Doing::Unused => assert_eq!((kinds, ended), (vec![Kind::Call], true)),
    }
}

#[test]
fn what_is_done_at_any_moment_is_seen_or_wakes_the_driver() {
    for doing in [Doing::Call, Doing::Leave, Doing::Unused] {
        for full in [false, true] {
            for answered_at in [1, 2, 4, 6, usize::MAX] {
                for moment in 1..10 {
                    let looks = Duration::from_micros(100);
                    at_a_moment(doing, moment, full, answered_at, looks);
                }
            }
        }
    }
}

/// Whoever looks is awake and so is not woken: it has to see it.
#[test]
fn one_that_looks_stops_when_there_is_something_to_do() {
    let looks = Duration::from_secs(20);
    let begun = Instant::now();
    at_a_moment(Doing::Leave, 4, false, usize::MAX, looks);
    assert!(begun.elapsed() < looks / 2);
}

/// A server to which so many calls have come, all in one read.
fn called(calls: u32) -> (Wire, Pin<Box<impl Future<Output = ()>>>) {
    let mut message = ECHO.id.to_le_bytes().to_vec();
    message.push(Options::Plain as u8);
    assert_eq!(message.len(), BEFORE_ARGUMENTS);
    message.extend_from_slice(&[1, 7]);
    let wire = Wire::default();
    for index in 0..calls {
        frame::put(&mut wire.0.borrow_mut().inbox, Kind::Call, index << 1, false, &message);
    }
    let receives = Receives { calls, ..ROOMY };
    let shared = Shared::new(Side::Acceptor, receives, ROOMY, HOLDS);
    let begin = |request| handle(request, Arc::new(Semaphore::new(0)), Arc::default());
    let dispatch = Dispatcher::new(begin, Arc::default());
    let driver = Driver::new(wire.clone(), shared, dispatch, Vec::new());
    (wire, Box::pin(driver.run()))
}

#[test]
fn an_answer_given_at_once_wakes_nobody() {
    let (wire, mut driver) = called(2);
    let calls = std::mem::take(&mut wire.0.borrow_mut().inbox);
    let wakes = Arc::new(Wakes::default());
    for round in 1..=3 {
        // From the second time on it has slept, and its waker is where an answer would find it.
        wire.0.borrow_mut().inbox.clone_from(&calls);
        assert!(!settle(driver.as_mut(), &wakes));
        assert_eq!(wire.0.borrow().kinds(), vec![Kind::Reply; 2 * round]);
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn others_get_their_turns_between_the_calls_of_one_read() {
    const CALLS: u32 = 300;
    let (wire, mut driver) = called(CALLS);
    let wakes = Arc::new(Wakes::default());
    let handle = Waker::from(Arc::clone(&wakes));
    let mut answered = Vec::new();
    while answered.last() != Some(&(CALLS as usize)) {
        let before = wakes.0.load(Ordering::SeqCst);
        assert!(driver.as_mut().poll(&mut Context::from_waker(&handle)).is_pending());
        answered.push(wire.0.borrow().kinds().len());
        let woken = wakes.0.load(Ordering::SeqCst) > before;
        assert_eq!(woken, answered.last() != Some(&(CALLS as usize)), "{answered:?}");
    }
    assert_eq!(answered, [128, 256, 300], "what is answered is written before the others' turn");
}

type OpenCall = Pin<Box<Call<Vec<u8>>>>;

/// A caller with one call open who looks for that long, and the other end of its line.
fn caller(looks: Duration) -> (Wire, OpenCall, Pin<Box<impl Future<Output = ()>>>) {
    let shared = Shared::new(Side::Connector, ROOMY, ROOMY, HOLDS);
    let origin = Origin { pid: 0, build: String::new(), life: 0, started: None, retries: 0 };
    let call = begin(&Connection::new(Arc::clone(&shared), origin));
    let wire = Wire::default();
    let driver = Driver::new(wire.clone(), shared, NoService, Vec::new()).looking(looks, true);
    (wire, call, Box::pin(driver.run()))
}

#[test]
fn whoever_is_answered_has_a_turn_before_anybody_looks() {
    let looks = Duration::from_secs(20);
    let (wire, _call, mut driver) = caller(looks);
    frame::put(&mut wire.0.borrow_mut().inbox, Kind::Reply, 0, false, &[1, 1]);
    let begun = Instant::now();
    assert!(!settle(driver.as_mut(), &Arc::default()));
    assert!(wire.0.borrow().inbox.is_empty(), "the answer is read by the runtime");
    assert!(begun.elapsed() < looks / 2, "nobody can have taken it");
}

/// Handlers that never have an answer.
#[derive(Clone, Default)]
struct Mute(Arc<Mutex<Vec<Incall>>>);

impl Dispatch for Mute {
    fn dispatch(&mut self, _: &Arc<Shared>, calls: &mut dyn Iterator<Item = Incall>) {
        self.0.lock().unwrap().extend(calls);
    }
}

#[test]
fn no_call_is_left_behind_that_is_found_by_looking_together_with_an_answer() {
    let shared = Shared::new(Side::Connector, ROOMY, ROOMY, HOLDS);
    let origin = Origin { pid: 0, build: String::new(), life: 0, started: None, retries: 0 };
    let _call = begin(&Connection::new(Arc::clone(&shared), origin));
    let wire = Wire::default();
    {
        let mut script = wire.0.borrow_mut();
        // After the call was written, and the runtime found nothing to read.
        script.inbox_at = 3;
        frame::put(&mut script.inbox, Kind::Reply, 0, false, &[1, 1]);
        let mut message = ECHO.id.to_le_bytes().to_vec();
        message.push(Options::Plain as u8);
        for index in 0..ROOMY.calls {
            frame::put(&mut script.inbox, Kind::Call, index << 1 | 1, false, &message);
        }
    }
    let mute = Mute::default();
    let driver = Driver::new(wire.clone(), shared, mute.clone(), Vec::new());
    let mut driver = Box::pin(driver.looking(Duration::from_secs(20), true).run());
    assert!(!settle(driver.as_mut(), &Arc::default()));
    assert!(wire.0.borrow().inbox.is_empty());
    assert_eq!(mute.0.lock().unwrap().len(), ROOMY.calls as usize);
}

#[test]
fn the_rest_of_a_long_message_is_found_by_looking_and_read_to_its_place() {
    const LENGTH: usize = 32 << 10;
    let (wire, mut call, mut driver) = caller(Duration::from_secs(20));
    // Length, in the form of a number that takes two bytes, and the bytes.
    let mut payload = vec![251, 0, 0];
    payload[1..].copy_from_slice(&u16::try_from(LENGTH).unwrap().to_le_bytes());
    payload.resize(3 + LENGTH, 7);
    let mut frame = Vec::new();
    frame::put(&mut frame, Kind::Reply, 0, false, &payload);
    // Each part comes soon after the one before, until that is expected: then the next one comes
    // while it is looked for.
    let mut parts = frame.chunks(64).map(<[u8]>::to_vec);
    let wakes = Arc::new(Wakes::default());
    let handle = Waker::from(Arc::clone(&wakes));
    loop {
        let part = parts.next().expect("it is looked for at some time");
        let next = parts.next().unwrap();
        let found = Rc::clone(&wire.0);
        {
            let mut script = wire.0.borrow_mut();
            script.inbox.extend(part);
            // The runtime reads that and then finds nothing; looking does so once.
            script.act_at = script.moments + 4;
            script.act = Some(Box::new(move || found.borrow_mut().inbox.extend(next)));
        }
        assert!(driver.as_mut().poll(&mut Context::from_waker(&handle)).is_pending());
        let late = wire.0.borrow_mut().act.take();
        match late {
            Some(act) => act(),
            None if wire.0.borrow().inbox.is_empty() => {}
            None => break,
        }
        assert_eq!(wakes.0.load(Ordering::SeqCst), 0, "it sleeps");
    }
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1, "the runtime hears of what is left to it");
    wire.0.borrow_mut().inbox.extend(parts.flatten());
    assert!(!settle(driver.as_mut(), &wakes));
    let context = &mut Context::from_waker(Waker::noop());
    match call.as_mut().poll(context) {
        Poll::Ready(Ok(bytes)) => assert_eq!(bytes, vec![7; LENGTH]),
        other => panic!("{other:?}"),
    }
}
