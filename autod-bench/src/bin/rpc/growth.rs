//! What a call costs when there are many connections, or many streams on its own.

use std::time::Instant;

use crate::Result;
use crate::client;
use crate::cpu::Placement;
use crate::kinds::{AUTOD, BenchClient, connect_autod};
use crate::options::Options;
use crate::probe::{Outcome, Probe};
use crate::server::Server;
use crate::table::Table;
use crate::workload::{Load, Metric};

const MANY: usize = 10_000;

pub(crate) fn measure(options: &Options, table: &mut Table) -> Result<()> {
    client::run(|| {
        client::runtime()?.block_on(async {
            connections(options, table).await?;
            streams(options, table).await
        })
    })?;
    eprintln!("rpc: growth is done");
    Ok(())
}

async fn connections(options: &Options, table: &mut Table) -> Result<()> {
    // The few have a server of their own, and their turn between those of the many.
    let servers = [Server::start(&AUTOD)?, Server::start(&AUTOD)?];
    let few = [connect_autod(&servers[0].socket()).await?];
    let mut many = Vec::new();
    for _ in 0..MANY {
        many.push(connect_autod(&servers[1].socket()).await?);
    }
    for _ in 0..options.rounds() {
        for (workload, text, server, clients) in [
            ("connections-1", "a call, 1 connection", &servers[0], &few[..]),
            ("connections-10k", "a call, 10,000 connections in turn", &servers[1], &many[..]),
        ] {
            add(table, workload, text, &calls(options, server, clients).await?);
        }
    }
    Ok(())
}

async fn streams(options: &Options, table: &mut Table) -> Result<()> {
    let servers = [Server::start(&AUTOD)?, Server::start(&AUTOD)?];
    let few = [connect_autod(&servers[0].socket()).await?];
    let many = [connect_autod(&servers[1].socket()).await?];
    let mut open = Vec::new();
    for (client, count) in [(&few, 1), (&many, MANY)] {
        for _ in 0..count {
            let mut stream = client[0].quiet();
            stream.next().await.ok_or("the stream ended")??;
            open.push(stream);
        }
    }
    for _ in 0..options.rounds() {
        for (workload, text, server, clients) in [
            ("streams-1", "a call, 1 stream on its connection", &servers[0], &few),
            ("streams-10k", "a call, 10,000 streams on its connection", &servers[1], &many),
        ] {
            add(table, workload, text, &calls(options, server, clients).await?);
        }
    }
    drop(open);
    Ok(())
}

fn add(table: &mut Table, workload: &'static str, text: &'static str, outcome: &Outcome) {
    for metric in [Metric::P50, Metric::CpuOfBoth] {
        let row = table.row(workload, text, metric.label(), true);
        row.add(AUTOD.name, outcome.value(metric, Load::Lone));
    }
}

/// One call after the other, on each connection in turn.
async fn calls(options: &Options, server: &Server, clients: &[BenchClient]) -> Result<Outcome> {
    let placement = Placement::One;
    let probe = Probe { server, placement, load: Load::Lone, time: options.slice };
    // A first call of a connection costs more, so all have had one.
    for client in clients {
        client.next(0).await?;
    }
    probe.settle()?;
    let running = probe.start()?;
    let mut latencies = Vec::new();
    let mut before = Instant::now();
    for client in clients.iter().cycle() {
        client.next(0).await?;
        let now = Instant::now();
        latencies.push(now - before);
        before = now;
        if now >= running.ends() {
            break;
        }
    }
    Ok(running.finish(latencies.len() as u64)?.with_latencies(latencies))
}
