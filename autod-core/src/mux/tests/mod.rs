//! Two ends against each other over a pipe in memory, in virtual time.

mod blocking;
mod bytes;
mod callbacks;
mod calls;
mod chaos;
#[cfg(target_os = "linux")]
mod confined;
mod crowd;
mod deadlines;
mod ends;
mod fairness;
mod flows;
mod frames;
mod interleavings;
mod kept;
mod limits;
mod memory;
mod policy;
mod queue;
mod resting;
mod shares;
mod spans;
mod streams;
mod turn;
mod upstream;
mod waking;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::dispatch::{Dispatch, Dispatcher, NoService};
use super::driver::Driver;
use super::request::Incall;
use super::shared::Shared;
use super::state::Side;
use super::{Call, Connection, Incoming, Origin, Upstream, call, deadline, open};
use crate::service::{Answered, Argument, Kind, Method, Policy, Request, method_id};
use crate::wire::limits::{Holds, Receives};

/// What a connection may make an end hold, if its messages are not larger.
const MEMORY: usize = 1 << 20;

/// With windows that do not grow.
const HOLDS: Holds = Holds { memory: MEMORY, window: 1 << 10 };

const ROOMY: Receives = Receives { message: 64 << 20, calls: 64, window: 256 << 10 };

const fn method(name: &'static str) -> Method {
    Method {
        name,
        id: method_id(name),
        kind: Kind::Unary,
        arguments: &[Argument { name: "value", ty: "_" }],
        input: None,
        output: "_",
        error: None,
        policy: Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    }
}

static ECHO: Method = method("echo");
static LATER: Method = method("later");
static HALVE: Method = method("halve");
static PANIC: Method = method("panic");
static PANIC_LATER: Method = method("panic_later");
static NEVER: Method = method("never");
static SAVE: Method = Method { no_cancel: true, ..method("save") };
static WHEN: Method = method("when");
/// NEVER, as a method that can be called twice.
static READ: Method = Method { idempotent: true, ..method("never") };
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
    /// How streams ended that outlived their handlers.
    ends: Mutex<Vec<String>>,
}

impl Traces {
    fn ends(&self) -> Vec<String> {
        self.ends.lock().unwrap().clone()
    }
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
        request.reply(bytes)
    } else if id == HALVE.id {
        let ((number,), request) = match request.arguments::<(u32,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        let result = if number % 2 == 0 { Ok(number / 2) } else { Err(format!("{number} is odd")) };
        request.reply_result(result)
    } else if id == GROW.id {
        let ((size,), request) = match request.arguments::<(usize,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        gate.acquire().await.unwrap().forget();
        request.reply(vec![7_u8; size])
    } else if id == PANIC.id {
        panic!("at once");
    } else if id == PANIC_LATER.id {
        gate.acquire().await.unwrap().forget();
        panic!("after a while");
    } else if id == NEVER.id {
        let _trace = Trace(traces);
        std::future::pending::<()>().await;
        request.reply(())
    } else if id == SAVE.id {
        request.keep();
        let ((number,), request) = match request.arguments::<(u32,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        let _trace = Trace(Arc::clone(&traces));
        gate.acquire().await.unwrap().forget();
        traces.produced.fetch_add(1, Ordering::SeqCst);
        request.reply(number)
    } else if id == WHEN.id {
        let at_once = deadline();
        gate.acquire().await.unwrap().forget();
        assert_eq!(deadline(), at_once, "it is known at every poll");
        let elsewhere = tokio::spawn(async { deadline() }).await.unwrap();
        assert_eq!(elsewhere, None);
        let left = at_once.map(|at| at - Instant::now().into_std());
        request.reply(left)
    } else if id == COUNT.id {
        let ((end,), request) = match request.arguments::<(u64,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        let _trace = Trace(Arc::clone(&traces));
        request.stream(numbers(end, traces), Policy::BackPressure).await
    } else if id == MIXED.id {
        let sizes = [30, 1 << 16, (64 << 10) - 5, 9];
        let items = stream::iter(sizes.map(|size| vec![1_u8; size]));
        request.stream(items, Policy::BackPressure).await
    } else if id == UNITS.id {
        request.stream(stream::repeat(()), Policy::BackPressure).await
    } else if limits::METHODS.contains(&id) {
        limits::handle(request).await
    } else {
        flows::handle(request, gate, traces).await
    }
}

fn numbers(end: u64, traces: Arc<Traces>) -> impl Stream<Item = u64> + Send {
    stream::iter(0..end).inspect(move |_| {
        traces.produced.fetch_add(1, Ordering::SeqCst);
    })
}

fn dispatcher(gate: &Arc<Semaphore>, traces: &Arc<Traces>) -> impl Dispatch {
    let (gate, traces) = (Arc::clone(gate), Arc::clone(traces));
    let begin = move |request| handle(request, Arc::clone(&gate), Arc::clone(&traces));
    Dispatcher::new(begin, Arc::default())
}

fn nowhere() -> Origin {
    Origin { pid: 0, build: String::new(), life: 0, started: None, retries: 0 }
}

struct Pair {
    connection: Connection,
    /// For calls in the other direction.
    back: Connection,
    server: Arc<Shared>,
    gate: Arc<Semaphore>,
    traces: Arc<Traces>,
}

impl Pair {
    fn new() -> Self {
        Self::with(ROOMY, ROOMY)
    }

    fn with(client: Receives, server: Receives) -> Self {
        Self::over(64 << 10, client, server)
    }

    /// Over a line that holds so many bytes. Both ends serve.
    fn over(line: usize, client: Receives, server: Receives) -> Self {
        let (near, far) = duplex(line);
        let pair = Self::serve(far, client, server);
        let shared = Arc::clone(pair.connection.shared_arc());
        let dispatch = dispatcher(&pair.gate, &pair.traces);
        tokio::spawn(Driver::new(near, shared, dispatch, Vec::new()).run());
        pair
    }

    /// A server on one end of a pipe; the test plays the other one.
    fn serve(far: DuplexStream, client: Receives, server: Receives) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let traces = Arc::new(Traces::default());
        let shared = Shared::new(Side::Acceptor, server, client, HOLDS);
        let dispatch = dispatcher(&gate, &traces);
        tokio::spawn(Driver::new(far, Arc::clone(&shared), dispatch, Vec::new()).run());
        let connection =
            Connection::new(Shared::new(Side::Connector, client, server, HOLDS), nowhere());
        let back = Connection::lent(Arc::clone(&shared), nowhere());
        Self { connection, back, server: shared, gate, traces }
    }

    /// No call is open at either end, and nothing of one is kept.
    #[track_caller]
    fn assert_idle(&self) {
        for shared in [&self.server, self.connection.shared_arc()] {
            shared.assert_idle();
        }
    }

    /// Waits until no call is open at either end.
    async fn quiet(&self) {
        while !(self.server.is_idle() && self.connection.shared_arc().is_idle()) {
            settle().await;
        }
    }

    fn echo(&self, bytes: Vec<u8>) -> Call<Vec<u8>> {
        call(&self.connection, &ECHO, (bytes,), Upstream::NONE)
    }

    fn later(&self, bytes: Vec<u8>) -> Call<Vec<u8>> {
        call(&self.connection, &LATER, (bytes,), Upstream::NONE)
    }

    fn count(&self, end: u64) -> Incoming<u64> {
        open(&self.connection, &COUNT, (end,), Upstream::NONE)
    }
}

/// A connection to an end whose handler this is.
fn pair_of<F: Future<Output = Answered> + Send + 'static>(
    answer: impl FnMut(Incall) -> F + Send + 'static,
) -> Connection {
    let (near, far) = duplex(1 << 20);
    let server = Shared::new(Side::Acceptor, ROOMY, ROOMY, HOLDS);
    let dispatcher = Dispatcher::new(answer, Arc::default());
    tokio::spawn(Driver::new(far, server, dispatcher, Vec::new()).run());
    let client = Shared::new(Side::Connector, ROOMY, ROOMY, HOLDS);
    tokio::spawn(Driver::new(near, Arc::clone(&client), NoService, Vec::new()).run());
    Connection::new(client, nowhere())
}

/// Lets every task run until all of them wait.
async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}
