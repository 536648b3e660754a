//! What small calls wait for while something large shares their connection.

use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::Result;
use crate::client;
use crate::figure::{micros, percentile};
use crate::kinds::{AUTOD, BenchClient, connect_autod};
use crate::options::Options;
use crate::server::Server;
use crate::table::Table;
use crate::workload::Metric;

/// The largest message by default, but for what is around the payload.
const LARGE: usize = (64 << 20) - 64;

/// What happens on the connection besides.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    /// A stream whose items nobody takes.
    Stalled,
    /// One large message after the other, both ways.
    Large,
}

pub(crate) fn measure(options: &Options, table: &mut Table) -> Result<()> {
    let server = Server::start(&AUTOD)?;
    for _ in 0..options.rounds() {
        for (workload, text, beside) in [
            ("tail-alone", "small calls alone", Beside::Nothing),
            ("tail-stalled", "small calls beside a stalled stream", Beside::Stalled),
            ("tail-large", "small calls beside 64 MiB messages", Beside::Large),
        ] {
            // Some large messages have to fit.
            let time = options.slice.max(Duration::from_secs(1));
            let latencies = client::run(|| turn(&server, beside, time))?;
            // One call after the other counts a long wait once, however many calls would have
            // fallen into it: the longest says what the percentiles do not.
            let figures = [(Metric::P50, 50), (Metric::P99, 99), (Metric::Longest, 100)];
            for (metric, percent) in figures {
                let row = table.row(workload, text, metric.label(), true);
                row.add(AUTOD.name, micros(percentile(&latencies, percent)));
            }
        }
    }
    eprintln!("rpc: tail is done");
    Ok(())
}

/// Two threads: what a client does with its large message is not the connection's doing.
fn turn(server: &Server, beside: Beside, time: Duration) -> Result<Vec<Duration>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let client = connect_autod(&server.socket()).await?;
        let calls = tokio::spawn(calls(client.clone(), time));
        match beside {
            Beside::Nothing => calls.await?,
            Beside::Stalled => {
                let mut chunks = client.chunks();
                chunks.next().await.ok_or("the stream ended")??;
                let latencies = calls.await?;
                drop(chunks);
                latencies
            }
            Beside::Large => {
                let large: JoinHandle<Result<()>> = tokio::spawn(async move {
                    let mut bytes = vec![7; LARGE];
                    loop {
                        bytes = client.echo(bytes).await?;
                    }
                });
                let latencies = calls.await?;
                if large.is_finished() {
                    large.await??;
                }
                latencies
            }
        }
    })
}

/// How long each call took that was made alone, one after the other, for so long; sorted.
pub(crate) async fn calls(client: BenchClient, time: Duration) -> Result<Vec<Duration>> {
    for n in 0..200 {
        client.next(n).await?;
    }
    let ends = Instant::now() + time;
    let mut latencies = Vec::new();
    let mut before = Instant::now();
    while before < ends {
        client.next(0).await?;
        let now = Instant::now();
        latencies.push(now - before);
        before = now;
    }
    latencies.sort_unstable();
    Ok(latencies)
}
