//! What is measured.

use crate::cpu::Placement;

/// What a client does during a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// One call after the other on one connection.
    Lone,
    /// So many callers on one connection, each with one call after the other.
    Callers(usize),
    /// So many connections, each with one call after the other.
    Connections(usize),
    /// So many callers on one connection who send bytes and get them back.
    Echo { size: usize, callers: usize },
    /// A stream of numbers that never waits for the server's program.
    Items,
    /// A stream of [`CHUNK`]s.
    Chunks,
}

/// The bytes of an item of [`Load::Chunks`].
pub(crate) const CHUNK: usize = 64 << 10;

impl Load {
    /// The payload of a call, one way, or of an item.
    pub(crate) fn bytes(self) -> u64 {
        match self {
            Self::Echo { size, .. } => size as u64,
            Self::Chunks => CHUNK as u64,
            Self::Lone | Self::Callers(_) | Self::Connections(_) | Self::Items => 8,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    P50,
    P99,
    Longest,
    CpuOfBoth,
    CpuOfServer,
    CpuOfClient,
    Rate,
    Throughput,
}

impl Metric {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::P50 => "p50 us",
            Self::P99 => "p99 us",
            Self::Longest => "longest us",
            Self::CpuOfBoth => "CPU of both ends, us per call",
            Self::CpuOfServer => "CPU of the server, us per call",
            Self::CpuOfClient => "CPU of the client, us per call",
            Self::Rate => "per second",
            Self::Throughput => "MB/s",
        }
    }

    /// Whether less is better.
    pub(crate) fn is_cost(self) -> bool {
        !matches!(self, Self::Rate | Self::Throughput)
    }
}

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) text: &'static str,
    pub(crate) placement: Placement,
    pub(crate) load: Load,
    pub(crate) metrics: &'static [Metric],
}

const fn workload(
    name: &'static str,
    text: &'static str,
    placement: Placement,
    load: Load,
    metrics: &'static [Metric],
) -> Workload {
    Workload { name, text, placement, load, metrics }
}

const LONE: &[Metric] = &[Metric::P50, Metric::P99, Metric::CpuOfBoth];
const CALLS: &[Metric] = &[Metric::Rate, Metric::CpuOfServer, Metric::CpuOfClient];
const BYTES: &[Metric] = &[Metric::Throughput];

pub(crate) const ALL: &[Workload] = &[
    workload("lone-one", "one call in flight, one CPU", Placement::One, Load::Lone, LONE),
    workload("lone-two", "one call in flight, two CPUs", Placement::Two, Load::Lone, LONE),
    workload("lone-free", "one call in flight, not pinned", Placement::Free, Load::Lone, LONE),
    workload("callers-64", "64 callers, one connection", Placement::Free, Load::Callers(64), CALLS),
    workload(
        "callers-512",
        "512 callers, one connection",
        Placement::Free,
        Load::Callers(512),
        CALLS,
    ),
    workload("connections-64", "64 connections", Placement::Free, Load::Connections(64), CALLS),
    workload("echo-64k-1", "echo 64 KiB, 1 in flight", Placement::Free, echo(64, 1), BYTES),
    workload("echo-64k-8", "echo 64 KiB, 8 in flight", Placement::Free, echo(64, 8), BYTES),
    workload("echo-1m-1", "echo 1 MiB, 1 in flight", Placement::Free, echo(1024, 1), BYTES),
    workload("echo-1m-8", "echo 1 MiB, 8 in flight", Placement::Free, echo(1024, 8), BYTES),
    workload("stream-u64", "stream of u64", Placement::Free, Load::Items, &[Metric::Rate]),
    workload("stream-64k", "stream of 64 KiB chunks", Placement::Free, Load::Chunks, BYTES),
];

/// Measured by a module of its own each.
pub(crate) const OTHERS: &[(&str, &str)] = &[
    ("memory", "resident memory of an idle server and of an idle connection"),
    ("tail", "p99 of small calls beside a stalled stream and 64 MiB messages (autod)"),
    ("hostile", "p99 of small calls beside peers that do what no client does (autod)"),
    ("growth", "cost of a call with 1 and 10,000 connections and streams (autod)"),
];

const fn echo(kib: usize, callers: usize) -> Load {
    Load::Echo { size: kib << 10, callers }
}
