//! One measurement: what was done in how much time, by how much work of both ends.

use std::time::{Duration, Instant};

use crate::Result;
use crate::cpu::{self, Placement};
use crate::figure::{self, micros, per_second};
use crate::server::Server;
use crate::workload::{Load, Metric};

/// What a kind needs to know to be measured.
#[derive(Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) server: &'a Server,
    pub(crate) placement: Placement,
    pub(crate) load: Load,
    pub(crate) time: Duration,
}

impl<'a> Probe<'a> {
    /// Puts both ends where the workload wants them. To be called when they have spoken with each
    /// other: a program that counts its CPUs has then found them all.
    pub(crate) fn settle(&self) -> Result<()> {
        if let Some(cpu) = self.placement.server() {
            cpu::pin_process(self.server.pid(), cpu)?;
        }
        self.placement.client().map_or(Ok(()), cpu::pin_self)
    }

    /// Makes one call after the other, and times each.
    pub(crate) fn latencies(&self, mut call: impl FnMut(u64) -> Result<()>) -> Result<Outcome> {
        let running = self.start()?;
        let mut latencies = Vec::with_capacity(1 << 20);
        let mut before = Instant::now();
        let mut n = 0;
        while before < running.ends() {
            call(n)?;
            let now = Instant::now();
            latencies.push(now - before);
            before = now;
            n += 1;
        }
        Ok(running.finish(n)?.with_latencies(latencies))
    }

    /// Begins to measure; everything before is warming up.
    pub(crate) fn start(&self) -> Result<Running<'a>> {
        let server = self.server;
        let server_time = server.cpu_time()?;
        let client_time = cpu::own_time();
        let began = Instant::now();
        Ok(Running { server, server_time, client_time, began, ends: began + self.time })
    }
}

pub(crate) struct Running<'a> {
    server: &'a Server,
    server_time: Duration,
    client_time: Duration,
    began: Instant,
    ends: Instant,
}

impl Running<'_> {
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.ends
    }

    pub(crate) fn ends(&self) -> Instant {
        self.ends
    }

    pub(crate) fn finish(self, count: u64) -> Result<Outcome> {
        let elapsed = self.began.elapsed();
        let client = cpu::own_time().saturating_sub(self.client_time);
        let server = self.server.cpu_time()?.saturating_sub(self.server_time);
        if count == 0 {
            return Err("nothing was done in the time of a turn: give it more".into());
        }
        Ok(Outcome { count, elapsed, server, client, latencies: Vec::new() })
    }
}

/// What a turn of a kind has come to.
pub(crate) struct Outcome {
    /// Calls, or items.
    pub(crate) count: u64,
    elapsed: Duration,
    server: Duration,
    client: Duration,
    latencies: Vec<Duration>,
}

impl Outcome {
    pub(crate) fn with_latencies(mut self, mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        self.latencies = latencies;
        self
    }

    pub(crate) fn value(&self, metric: Metric, load: Load) -> f64 {
        let count = figure::float(self.count);
        match metric {
            Metric::P50 => micros(figure::percentile(&self.latencies, 50)),
            Metric::P99 => micros(figure::percentile(&self.latencies, 99)),
            Metric::Longest => micros(figure::percentile(&self.latencies, 100)),
            Metric::CpuOfBoth => micros(self.server + self.client) / count,
            Metric::CpuOfServer => micros(self.server) / count,
            Metric::CpuOfClient => micros(self.client) / count,
            Metric::Rate => per_second(count, self.elapsed),
            Metric::Throughput => {
                per_second(count * figure::float(load.bytes()), self.elapsed) / 1e6
            }
        }
    }
}
