//! zbus from peer to peer: no bus is between the ends. It has no streams.

use std::path::Path;

use serde_bytes::ByteBuf;
use tokio::net::{UnixListener, UnixStream};
use zbus::connection::Builder;
use zbus::{Connection, Guid};

use super::{Kind, idle, serving_runtime};
use crate::Result;
use crate::load;
use crate::peer::{self, Peer};
use crate::server::say_ready;

pub(crate) const ZBUS: Kind = Kind {
    name: "zbus",
    text: "zbus 6 from peer to peer, in tokio",
    is_peer: true,
    can: peer::calls,
    serve,
    run: load::run::<Caller>,
    idle: idle::<Caller>,
};

const PATH: &str = "/bench";
const INTERFACE: &str = "bench.Bench";

struct Server;

#[expect(clippy::unused_self, reason = "the attribute asks for it")]
#[zbus::interface(name = "bench.Bench")]
impl Server {
    fn next(&self, n: u64) -> u64 {
        n.wrapping_add(1)
    }

    fn echo(&self, bytes: ByteBuf) -> ByteBuf {
        bytes
    }
}

fn serve(socket: &Path) -> Result<()> {
    serving_runtime()?.block_on(async {
        let listener = UnixListener::bind(socket)?;
        let guid = Guid::generate();
        say_ready();
        loop {
            let (socket, _) = listener.accept().await?;
            let guid = guid.clone();
            tokio::spawn(serve_connection(socket, guid));
        }
    })
}

async fn serve_connection(socket: UnixStream, guid: Guid<'static>) -> zbus::Result<()> {
    let builder =
        Builder::unix_stream(socket.into_std()?).server(guid).p2p().serve_at(PATH, Server);
    let connection = builder.build().await?;
    // It serves as long as somebody has it.
    connection.closed().await;
    Ok(())
}

#[derive(Clone)]
struct Caller(Connection);

impl Peer for Caller {
    type Bytes = ByteBuf;

    async fn connect(socket: &Path) -> Result<Self> {
        let socket = std::os::unix::net::UnixStream::connect(socket)?;
        Ok(Self(Builder::unix_stream(socket).p2p().build().await?))
    }

    async fn next(&self, n: u64) -> Result<u64> {
        let answer = self.0.call_method(None::<&str>, PATH, Some(INTERFACE), "Next", &n).await?;
        Ok(answer.body().deserialize()?)
    }

    async fn echo(&self, bytes: ByteBuf) -> Result<ByteBuf> {
        let answer =
            self.0.call_method(None::<&str>, PATH, Some(INTERFACE), "Echo", &bytes).await?;
        Ok(answer.body().deserialize()?)
    }
}
