//! This library's client that blocks, with the server of the other.
//!
//! Several calls in flight take as many threads, so what it is measured in is one call at a time and
//! one connection.

use super::Kind;
use super::autod::{AUTOD, BenchBlockingClient, daemon};
use crate::Result;
use crate::load::Flow;
use crate::probe::{Outcome, Probe};
use crate::workload::Load;

pub(crate) const BLOCKING: Kind = Kind {
    name: "autod-blocking",
    text: "this library's client that blocks, without a runtime",
    can: |load| {
        matches!(load, Load::Lone | Load::Echo { callers: 1, .. } | Load::Items | Load::Chunks)
    },
    run,
    ..AUTOD
};

fn run(probe: &Probe<'_>) -> Result<Outcome> {
    let client: BenchBlockingClient = daemon(&probe.server.socket()).connect_existing_blocking()?;
    match probe.load {
        Load::Lone => lone(probe, &client),
        Load::Echo { size, .. } => echo(probe, &client, size),
        Load::Items => {
            let mut flow = Flow::new(probe, 1 << 14, 1 << 10);
            for item in client.items() {
                if !flow.take(item? == flow.count) {
                    break;
                }
            }
            flow.finish()
        }
        Load::Chunks => {
            let mut flow = Flow::new(probe, 200, 1);
            for chunk in client.chunks() {
                if !flow.take(chunk?.len() == crate::workload::CHUNK) {
                    break;
                }
            }
            flow.finish()
        }
        Load::Callers(_) | Load::Connections(_) => Err("it makes one call at a time".into()),
    }
}

fn lone(probe: &Probe<'_>, client: &BenchBlockingClient) -> Result<Outcome> {
    let call = |n| {
        let found = client.next(n)?;
        if found == n + 1 { Ok(()) } else { Result::Err("the wrong number".into()) }
    };
    for n in 0..200 {
        call(n)?;
    }
    probe.settle()?;
    for n in 0..200 {
        call(n)?;
    }
    probe.latencies(call)
}

fn echo(probe: &Probe<'_>, client: &BenchBlockingClient, size: usize) -> Result<Outcome> {
    let mut bytes = vec![7; size];
    for _ in 0..10 {
        bytes = client.echo(bytes)?;
    }
    let running = probe.start()?;
    let mut count = 0;
    while !running.is_over() {
        bytes = client.echo(bytes)?;
        count += 1;
    }
    running.finish(count)
}
