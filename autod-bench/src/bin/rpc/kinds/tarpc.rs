//! tarpc over its own transport: bincode, and bytes as `serde_bytes` has them (a plain `Vec<u8>`
//! makes it 2.5 to 10 times slower). It has no streams.

use std::path::Path;

use futures::StreamExt;
use serde_bytes::ByteBuf;
use tarpc::serde_transport::unix;
use tarpc::server::{self, BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context};

use super::{Kind, idle, serving_runtime};
use crate::Result;
use crate::load;
use crate::peer::{self, Peer};
use crate::server::say_ready;

pub(crate) const TARPC: Kind = Kind {
    name: "tarpc",
    text: "tarpc 0.38 with bincode and serde_bytes",
    is_peer: true,
    can: peer::calls,
    serve,
    run: load::run::<BenchClient>,
    idle: idle::<BenchClient>,
};

/// Calls that its buffers hold. By default they hold 100, and 512 callers would wait for places.
const AHEAD: usize = 4096;

#[tarpc::service]
pub(crate) trait Bench {
    async fn next(n: u64) -> u64;
    async fn echo(bytes: ByteBuf) -> ByteBuf;
}

#[derive(Clone)]
struct Server;

impl Bench for Server {
    async fn next(self, _: context::Context, n: u64) -> u64 {
        n.wrapping_add(1)
    }

    async fn echo(self, _: context::Context, bytes: ByteBuf) -> ByteBuf {
        bytes
    }
}

fn serve(socket: &Path) -> Result<()> {
    serving_runtime()?.block_on(async {
        let mut incoming = unix::listen(socket, Bincode::default).await?;
        incoming.config_mut().max_frame_length(usize::MAX);
        say_ready();
        while let Some(transport) = incoming.next().await {
            let config = server::Config { pending_response_buffer: AHEAD };
            let channel = BaseChannel::new(config, transport?);
            tokio::spawn(channel.execute(Server.serve()).for_each(async |response| {
                tokio::spawn(response);
            }));
        }
        Ok(())
    })
}

impl Peer for BenchClient {
    type Bytes = ByteBuf;

    async fn connect(socket: &Path) -> Result<Self> {
        let mut connect = unix::connect(socket, Bincode::default);
        connect.config_mut().max_frame_length(usize::MAX);
        let mut config = client::Config::default();
        config.max_in_flight_requests = AHEAD;
        config.pending_request_buffer = AHEAD;
        Ok(Self::new(config, connect.await?).spawn())
    }

    async fn next(&self, n: u64) -> Result<u64> {
        Ok(Self::next(self, context::current(), n).await?)
    }

    async fn echo(&self, bytes: ByteBuf) -> Result<ByteBuf> {
        Ok(Self::echo(self, context::current(), bytes).await?)
    }
}
