//! autod as a program uses it: the attribute, `foreground` with its pool of threads, and
//! `connect_existing` in a runtime of one thread, as `run` has it.

use std::path::Path;
use std::sync::Arc;

use futures::{Stream, stream};

use super::{Kind, idle, serving_runtime};
use crate::Result;
use crate::load;
use crate::peer::{Peer, everything};
use crate::server::say_ready;
use crate::workload::CHUNK;

pub(crate) const AUTOD: Kind = Kind {
    name: "autod",
    text: "this library, server with its pool of threads",
    is_peer: false,
    can: everything,
    serve,
    run: load::run::<BenchClient>,
    idle: idle::<BenchClient>,
};

/// What the pool costs and gives is the difference to this one.
pub(crate) const LISTEN: Kind = Kind {
    name: "autod-listen",
    text: "this library, server by `listen` in a runtime of one thread",
    serve: serve_in_one_thread,
    ..AUTOD
};

/// What is measured.
#[autod::service]
pub(crate) trait Bench {
    /// The number after this one.
    async fn next(&self, n: u64) -> u64;
    /// The same bytes.
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    /// All numbers from zero on.
    fn items(&self) -> impl Stream<Item = u64>;
    /// Chunks without end.
    fn chunks(&self) -> impl Stream<Item = Vec<u8>>;
    /// One item, and silence.
    fn quiet(&self) -> impl Stream<Item = u64>;
}

struct Server;

impl Bench for Server {
    async fn next(&self, n: u64) -> u64 {
        n.wrapping_add(1)
    }

    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    fn items(&self) -> impl Stream<Item = u64> {
        stream::iter(0..)
    }

    fn chunks(&self) -> impl Stream<Item = Vec<u8>> {
        stream::repeat_with(|| vec![7; CHUNK])
    }

    fn quiet(&self) -> impl Stream<Item = u64> {
        use futures::StreamExt;
        stream::iter([0]).chain(stream::pending())
    }
}

pub(super) fn daemon(socket: &Path) -> autod::Daemon {
    let mut limits = autod::Limits::default();
    // `growth` opens ten thousand streams.
    limits.calls = 1 << 14;
    autod::Daemon::new("autod-rpc").sockfile(socket).limits(limits)
}

fn serve(socket: &Path) -> Result<()> {
    daemon(socket)
        .init(async |_start| {
            say_ready();
            Ok(())
        })
        .serve(|_: Arc<()>, _session| Server)
        .foreground::<BenchClient>()?;
    Ok(())
}

fn serve_in_one_thread(socket: &Path) -> Result<()> {
    serving_runtime()?.block_on(async {
        let daemon = daemon(socket).init(async |_start| {
            say_ready();
            Ok(())
        });
        let daemon = daemon.serve(|_: Arc<()>, _session| Server);
        Ok(daemon.listen::<BenchClient>().await?.ended().await?)
    })
}

/// Connects to the server on this socket.
pub(crate) async fn connect(socket: &Path) -> Result<BenchClient> {
    Ok(daemon(socket).connect_existing().await?)
}

impl Peer for BenchClient {
    type Bytes = Vec<u8>;

    async fn connect(socket: &Path) -> Result<Self> {
        connect(socket).await
    }

    async fn next(&self, n: u64) -> Result<u64> {
        Ok(Self::next(self, n).await?)
    }

    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        Ok(Self::echo(self, bytes).await?)
    }

    async fn items(&self, mut take: impl FnMut(u64) -> bool + Send) -> Result<()> {
        let mut items = Self::items(self);
        while let Some(item) = items.next().await {
            if !take(item?) {
                break;
            }
        }
        Ok(())
    }

    async fn chunks(&self, mut take: impl FnMut(&[u8]) -> bool + Send) -> Result<()> {
        let mut chunks = Self::chunks(self);
        while let Some(chunk) = chunks.next().await {
            if !take(&chunk?) {
                break;
            }
        }
        Ok(())
    }
}
