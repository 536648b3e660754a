//! Cap'n Proto's RPC between two parties. Its objects stay in one thread. Parameters and results are
//! bytes instead of structs, so that no code has to be generated; on the wire they take the same
//! words.

use std::cell::Cell;
use std::ops::Deref;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use capnp::any_pointer;
use capnp::capability::{
    Client, DispatchCallResult, FromClientHook, FromServer, Params, Promise, Results,
};
use capnp::data;
use capnp::message::ReaderOptions;
use capnp::private::capability::ClientHook;
use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::twoparty::VatNetwork;
use capnp_rpc::{RpcSystem, new_client};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::compat::{TokioAsyncReadCompatExt, TokioAsyncWriteCompatExt};

use super::{Held, Kind, serving_runtime};
use crate::Result;
use crate::load::WARM;
use crate::peer;
use crate::probe::{Outcome, Probe};
use crate::server::{Server, say_ready};
use crate::workload::Load;

pub(crate) const CAPNP: Kind = Kind {
    name: "capnp",
    text: "capnp-rpc 0.27 in one thread, parameters as bytes",
    is_peer: true,
    can: peer::calls,
    serve,
    run,
    idle,
};

const INTERFACE: u64 = 0x8d7c_51d4_5e9b_30a1;
const NEXT: u16 = 0;
const ECHO: u16 = 1;

/// What the server offers, as a client has it.
#[derive(Clone)]
struct Bench(Client);

impl FromClientHook for Bench {
    fn new(hook: Box<dyn ClientHook>) -> Self {
        Self(Client::new(hook))
    }

    fn into_client_hook(self) -> Box<dyn ClientHook> {
        self.0.hook
    }

    fn as_client_hook(&self) -> &dyn ClientHook {
        self.0.hook.as_ref()
    }
}

struct Serving;

#[derive(Clone)]
struct Dispatch(Rc<Serving>);

impl FromServer<Serving> for Bench {
    type Dispatch = Dispatch;

    fn from_server(server: Rc<Serving>) -> Dispatch {
        Dispatch(server)
    }
}

impl Deref for Dispatch {
    type Target = Serving;

    fn deref(&self) -> &Serving {
        &self.0
    }
}

type Any = any_pointer::Owned;

impl capnp::capability::Server for Dispatch {
    fn dispatch_call(
        self,
        _: u64,
        method: u16,
        params: Params<Any>,
        mut results: Results<Any>,
    ) -> DispatchCallResult {
        let answered = answer(method, &params, &mut results);
        DispatchCallResult::new(Promise::from_future(std::future::ready(answered)), false)
    }

    fn as_ptr(&self) -> usize {
        Rc::as_ptr(&self.0).addr()
    }
}

fn answer(method: u16, params: &Params<Any>, results: &mut Results<Any>) -> capnp::Result<()> {
    let bytes: data::Reader<'_> = params.get()?.get_as()?;
    if method == ECHO {
        return results.get().set_as::<data::Owned>(bytes);
    }
    let n = number(bytes).ok_or_else(|| capnp::Error::failed("not a number".to_owned()))?;
    results.get().set_as::<data::Owned>(&n.wrapping_add(1).to_le_bytes()[..])
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// The system of one end of a connection, to be run as a task.
fn system(socket: UnixStream, side: Side, serving: Option<Client>) -> RpcSystem<Side> {
    let (reader, writer) = socket.into_split();
    // By default no more than 64 MiB are read of a message.
    let network =
        VatNetwork::new(reader.compat(), writer.compat_write(), side, ReaderOptions::new());
    RpcSystem::new(Box::new(network), serving)
}

fn serve(socket: &Path) -> Result<()> {
    LocalSet::new().block_on(&serving_runtime()?, async {
        let listener = UnixListener::bind(socket)?;
        let bench: Bench = new_client(Serving);
        say_ready();
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::task::spawn_local(system(socket, Side::Server, Some(bench.0.clone())));
        }
    })
}

impl Bench {
    async fn connect(socket: &Path) -> Result<Self> {
        let mut system = system(UnixStream::connect(socket).await?, Side::Client, None);
        let bench = system.bootstrap(Side::Server);
        tokio::task::spawn_local(system);
        Ok(bench)
    }

    async fn call<T>(
        &self,
        method: u16,
        bytes: &[u8],
        look: impl FnOnce(&[u8]) -> Option<T>,
    ) -> Result<T> {
        let mut request = self.0.new_call::<Any, Any>(INTERFACE, method, None);
        request.get().set_as::<data::Owned>(bytes)?;
        let response = request.send().promise.await?;
        look(response.get()?.get_as()?).ok_or_else(|| "the wrong answer".into())
    }

    async fn next(&self, n: u64) -> Result<()> {
        let right = |bytes: &[u8]| number(bytes).filter(|next| *next == n + 1).map(|_| ());
        self.call(NEXT, &n.to_le_bytes(), right).await
    }

    /// The bytes that came are read where they lie.
    async fn echo(&self, bytes: &[u8]) -> Result<()> {
        let right = |found: &[u8]| {
            (found.len() == bytes.len() && found.first() == bytes.first()).then_some(())
        };
        self.call(ECHO, bytes, right).await
    }
}

fn run(probe: &Probe<'_>) -> Result<Outcome> {
    LocalSet::new().block_on(&crate::client::runtime()?, async {
        let socket = probe.server.socket();
        match probe.load {
            Load::Lone => lone(probe, &Bench::connect(&socket).await?).await,
            Load::Callers(count) => {
                crowd(probe, vec![Bench::connect(&socket).await?; count], None).await
            }
            Load::Connections(count) => {
                let mut clients = Vec::new();
                for _ in 0..count {
                    clients.push(Bench::connect(&socket).await?);
                }
                crowd(probe, clients, None).await
            }
            Load::Echo { size, callers } => {
                crowd(probe, vec![Bench::connect(&socket).await?; callers], Some(size)).await
            }
            Load::Items | Load::Chunks => Err("it has no streams".into()),
        }
    })
}

async fn lone(probe: &Probe<'_>, bench: &Bench) -> Result<Outcome> {
    for n in 0..2 * WARM {
        bench.next(n).await?;
        if n == WARM {
            probe.settle()?;
        }
    }
    let running = probe.start()?;
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut before = Instant::now();
    let mut n = 0;
    while before < running.ends() {
        bench.next(n).await?;
        let now = Instant::now();
        latencies.push(now - before);
        before = now;
        n += 1;
    }
    Ok(running.finish(n)?.with_latencies(latencies))
}

/// A task for each of the clients, which may share connections, as `load` has it for those that may
/// change threads. Small calls, or bytes of this size.
async fn crowd(probe: &Probe<'_>, clients: Vec<Bench>, size: Option<usize>) -> Result<Outcome> {
    let bytes: Rc<[u8]> = vec![7; size.unwrap_or(0)].into();
    let call = move |bench: Bench, n: u64| {
        let bytes = Rc::clone(&bytes);
        async move {
            if size.is_some() {
                bench.echo(&bytes).await?;
            } else {
                bench.next(n).await?;
            }
            Result::Ok(bench)
        }
    };
    let warm = if size.is_some() { WARM / 20 } else { WARM / 10 };
    let mut tasks = JoinSet::new();
    for mut bench in clients {
        let call = call.clone();
        tasks.spawn_local(async move {
            for n in 0..warm {
                bench = call(bench, n).await?;
            }
            Result::Ok(bench)
        });
    }
    let mut clients = Vec::new();
    while let Some(bench) = tasks.join_next().await {
        clients.push(bench??);
    }
    let stop = Rc::new(Cell::new(false));
    let mut tasks = JoinSet::new();
    let running = probe.start()?;
    for mut bench in clients {
        let (call, stop) = (call.clone(), Rc::clone(&stop));
        tasks.spawn_local(async move {
            let mut count = 0;
            while !stop.get() {
                bench = call(bench, count).await?;
                count += 1;
            }
            Result::Ok((count, bench))
        });
    }
    tokio::time::sleep_until(running.ends().into()).await;
    stop.set(true);
    let mut count = 0;
    // Kept to the end, so that no connection is closed within the time.
    let mut clients = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (calls, bench) = done??;
        count += calls;
        clients.push(bench);
    }
    running.finish(count)
}

fn idle(server: &Server, count: usize, held: &mut Held<'_>) -> Result<()> {
    LocalSet::new().block_on(&crate::client::runtime()?, async {
        let mut clients = Vec::new();
        for _ in 0..count {
            let bench = Bench::connect(&server.socket()).await?;
            bench.next(0).await?;
            clients.push(bench);
        }
        held()
    })
}
