//! What a server holds when nothing happens.
//!
//! All kinds are in one executable, and every process touches some of all of it when it is loaded:
//! about 2 MiB with the peers. A build without them tells what autod's own server holds.

use crate::Result;
use crate::client;
use crate::figure::float;
use crate::options::Options;
use crate::server::Server;
use crate::table::Table;

pub(crate) const SERVER: &str = "KiB of an idle server";
pub(crate) const CONNECTION: &str = "KiB for each idle connection";

/// Enough for a page here or there not to matter.
const CONNECTIONS: usize = 1000;

/// Rounds beyond this show nothing more: memory does not depend on what else the machine does.
const ROUNDS: usize = 3;

pub(crate) fn measure(options: &Options, table: &mut Table) -> Result<()> {
    for _ in 0..options.rounds().min(ROUNDS) {
        for kind in options.kinds() {
            // Memory that was used once may stay: each measurement has a server of its own.
            let server = Server::start(kind)?;
            client::run(|| (kind.idle)(&server, 1, &mut || Ok(())))?;
            let before = server.resident()?;
            let mut after = 0;
            client::run(|| {
                (kind.idle)(&server, CONNECTIONS, &mut || {
                    after = server.resident()?;
                    Ok(())
                })
            })?;
            let mut add = |label, value| {
                table.row("memory", "resident memory", label, true).add(kind.name, value);
            };
            add(SERVER, float(before));
            add(CONNECTION, float(after.saturating_sub(before)) / float(CONNECTIONS as u64));
        }
    }
    eprintln!("rpc: memory is done");
    Ok(())
}
