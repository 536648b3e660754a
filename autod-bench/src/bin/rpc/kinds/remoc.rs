//! remoc's remote traits over a Unix socket, in its default codec; bytes as `serde_bytes` has them,
//! streams through its channels.

use std::path::Path;
use std::sync::Arc;

use remoc::prelude::*;
use remoc::rch::mpsc::{Receiver, channel};
use remoc::rtc::CallError;
use serde_bytes::ByteBuf;
use tokio::net::{UnixListener, UnixStream};

use super::{Kind, idle, serving_runtime};
use crate::Result;
use crate::load;
use crate::peer::{Peer, everything};
use crate::server::say_ready;
use crate::workload::CHUNK;

pub(crate) const REMOC: Kind = Kind {
    name: "remoc",
    text: "remoc 0.20 with its remote traits and channels",
    is_peer: true,
    can: everything,
    serve,
    run: load::run::<BenchClient>,
    idle: idle::<BenchClient>,
};

// The names are those that its codec sends as one byte.
#[rtc::remote]
pub(crate) trait Bench {
    #[serde(rename = "_0")]
    async fn next(&self, #[serde(rename = "_0")] n: u64) -> std::result::Result<u64, CallError>;
    #[serde(rename = "_1")]
    async fn echo(
        &self,
        #[serde(rename = "_0")] bytes: ByteBuf,
    ) -> std::result::Result<ByteBuf, CallError>;
    #[serde(rename = "_2")]
    async fn items(&self) -> std::result::Result<Receiver<u64>, CallError>;
    #[serde(rename = "_3")]
    async fn chunks(&self) -> std::result::Result<Receiver<ByteBuf>, CallError>;
}

struct Server;

impl Bench for Server {
    async fn next(&self, n: u64) -> std::result::Result<u64, CallError> {
        Ok(n.wrapping_add(1))
    }

    async fn echo(&self, bytes: ByteBuf) -> std::result::Result<ByteBuf, CallError> {
        Ok(bytes)
    }

    async fn items(&self) -> std::result::Result<Receiver<u64>, CallError> {
        let (sender, receiver) = channel();
        tokio::spawn(async move {
            for n in 0.. {
                if sender.send(n).await.is_err() {
                    break;
                }
            }
        });
        Ok(receiver)
    }

    async fn chunks(&self) -> std::result::Result<Receiver<ByteBuf>, CallError> {
        let (sender, receiver) = channel();
        tokio::spawn(
            async move { while sender.send(ByteBuf::from(vec![7; CHUNK])).await.is_ok() {} },
        );
        Ok(receiver)
    }
}

fn serve(socket: &Path) -> Result<()> {
    serving_runtime()?.block_on(async {
        let listener = UnixListener::bind(socket)?;
        say_ready();
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(async move {
                // A client that goes in the middle of a stream is no news.
                let _ = serve_connection(socket).await;
            });
        }
    })
}

async fn serve_connection(socket: UnixStream) -> Result<()> {
    let (read, write) = socket.into_split();
    let (server, client): (BenchServerShared<_, remoc::codec::Default>, BenchClient) =
        BenchServerShared::new(Arc::new(Server));
    remoc::Connect::io(remoc::Cfg::default(), read, write).provide(client).await?;
    server.serve().await.map_err(|error| error.to_string().into())
}

impl Peer for BenchClient {
    type Bytes = ByteBuf;

    async fn connect(socket: &Path) -> Result<Self> {
        let (read, write) = UnixStream::connect(socket).await?.into_split();
        Ok(remoc::Connect::io(remoc::Cfg::default(), read, write).consume().await?)
    }

    async fn next(&self, n: u64) -> Result<u64> {
        Ok(Bench::next(self, n).await?)
    }

    async fn echo(&self, bytes: ByteBuf) -> Result<ByteBuf> {
        Ok(Bench::echo(self, bytes).await?)
    }

    async fn items(&self, mut take: impl FnMut(u64) -> bool + Send) -> Result<()> {
        let mut items = Bench::items(self).await?;
        while let Some(item) = items.recv().await? {
            if !take(item) {
                break;
            }
        }
        Ok(())
    }

    async fn chunks(&self, mut take: impl FnMut(&[u8]) -> bool + Send) -> Result<()> {
        let mut chunks = Bench::chunks(self).await?;
        while let Some(chunk) = chunks.recv().await? {
            if !take(&chunk) {
                break;
            }
        }
        Ok(())
    }
}
