//! The kinds that take turns.

mod autod;
mod autod_blocking;
mod raw;
mod raw_blocking;
mod raw_mux;
mod raw_tokio;

#[cfg(feature = "peers")]
mod capnp;
#[cfg(feature = "peers")]
#[expect(clippy::unsafe_derive_deserialize, reason = "in what remoc's attribute makes")]
mod remoc;
#[cfg(feature = "peers")]
mod tarpc;
#[cfg(feature = "peers")]
mod tonic;
#[cfg(feature = "peers")]
mod ttrpc;
#[cfg(feature = "peers")]
mod zbus;

use std::path::Path;

use self::autod::LISTEN;
pub(crate) use self::autod::{AUTOD, BenchClient, connect as connect_autod};

use crate::Result;
use crate::peer::Peer;
use crate::probe::{Outcome, Probe};
use crate::server::Server;
use crate::workload::Load;

pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    /// A framework that somebody could use instead; the others are references.
    pub(crate) is_peer: bool,
    pub(crate) can: fn(Load) -> bool,
    /// Serves the socket and never returns, but for an error. Says when it is ready.
    pub(crate) serve: fn(&Path) -> Result<()>,
    pub(crate) run: fn(&Probe<'_>) -> Result<Outcome>,
    /// Opens so many connections, makes a call on each, and keeps them while it calls back.
    pub(crate) idle: fn(&Server, usize, &mut Held<'_>) -> Result<()>,
}

pub(crate) type Held<'a> = dyn FnMut() -> Result<()> + Send + 'a;

impl Kind {
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        let kinds = [
            &raw_blocking::BLOCKING,
            &raw_blocking::SPIN,
            &raw_tokio::TOKIO,
            &raw_mux::MUX,
            &raw_mux::SPIN,
        ]
        .into_iter()
        .chain([&AUTOD, &LISTEN, &autod_blocking::BLOCKING]);
        #[cfg(feature = "peers")]
        let kinds = kinds.chain([&tarpc::TARPC, &tonic::TONIC, &remoc::REMOC]).chain([
            &capnp::CAPNP,
            &ttrpc::TTRPC,
            &zbus::ZBUS,
        ]);
        kinds
    }

    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|kind| kind.name == name)
    }
}

/// [`Kind::idle`] of a peer.
fn idle<P: Peer>(server: &Server, count: usize, held: &mut Held<'_>) -> Result<()> {
    crate::client::runtime()?.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..count {
            let client = P::connect(&server.socket()).await?;
            client.next(0).await?;
            clients.push(client);
        }
        held()
    })
}

/// A runtime in which a peer serves. One thread does better than a pool for every peer: their work
/// for a call is shorter than handing it to another thread.
fn serving_runtime() -> Result<tokio::runtime::Runtime> {
    crate::client::runtime()
}
