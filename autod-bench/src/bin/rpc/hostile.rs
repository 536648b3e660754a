//! What calls on one connection wait for while peers on others do what no client does.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Result;
use crate::client;
use crate::figure::{micros, percentile};
use crate::kinds::{AUTOD, connect_autod};
use crate::options::Options;
use crate::server::Server;
use crate::table::Table;
use crate::tail::calls;
use crate::workload::Metric;

/// What happens on other connections.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    /// Callers that do nothing wrong: what any load on the machine does.
    Callers,
    /// Calls whose answers nobody reads.
    Unread,
    /// Streams that get no credit, and are cancelled.
    NoCredit,
    /// Endless streams of which nothing is read.
    UnreadStreams,
    /// Endless streams that get all the credit there is and are read as fast as they come.
    ReadStreams,
    /// Calls that are cancelled at once.
    Cancels,
    /// Connections that are opened, greeted and closed.
    Visits,
    /// Frames of random bytes.
    Garbage,
}

const ALL: [(&str, &str, Beside); 9] = [
    ("hostile-alone", "small calls alone", Beside::Nothing),
    ("hostile-none", "beside 64 callers on another connection", Beside::Callers),
    ("hostile-unread", "beside a peer that reads no answer", Beside::Unread),
    ("hostile-credit", "beside 1000 streams without credit, again and again", Beside::NoCredit),
    ("hostile-streams-unread", "beside 4096 endless streams unread", Beside::UnreadStreams),
    ("hostile-streams-read", "beside 4096 endless streams being read", Beside::ReadStreams),
    ("hostile-cancels", "beside calls that are cancelled at once", Beside::Cancels),
    ("hostile-visits", "beside connections that come and go", Beside::Visits),
    ("hostile-garbage", "beside frames of random bytes", Beside::Garbage),
];

pub(crate) fn measure(options: &Options, table: &mut Table) -> Result<()> {
    let server = Server::start(&AUTOD)?;
    let fingerprint = fingerprint(&server.socket())?;
    for _ in 0..options.rounds() {
        for (workload, text, beside) in ALL {
            let time = options.slice.max(Duration::from_millis(500));
            let latencies = turn(&server, &fingerprint, beside, time)?;
            let figures = [(Metric::P50, 50), (Metric::P99, 99), (Metric::Longest, 100)];
            for (metric, percent) in figures {
                let row = table.row(workload, text, metric.label(), true);
                row.add(AUTOD.name, micros(percentile(&latencies, percent)));
            }
        }
    }
    eprintln!("rpc: hostile is done");
    Ok(())
}

fn turn(
    server: &Server,
    fingerprint: &[u8],
    beside: Beside,
    time: Duration,
) -> Result<Vec<Duration>> {
    let stop = AtomicBool::new(false);
    let socket = server.socket();
    std::thread::scope(|scope| {
        let attack = scope.spawn(|| {
            let attacker = Attacker { socket: &socket, fingerprint, stop: &stop };
            while !stop.load(Ordering::Relaxed) {
                attacker.attack(beside)?;
            }
            Result::Ok(())
        });
        let latencies = client::run(|| {
            client::runtime()?.block_on(async { calls(connect_autod(&socket).await?, time).await })
        });
        stop.store(true, Ordering::Relaxed);
        attack.join().map_err(|_| "the attacker panicked")??;
        latencies
    })
}
