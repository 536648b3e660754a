//! What autod is to reach. Figures without a reference belong to the machine on which they were
//! set, two cores of a virtual one; ratios hold anywhere.

use crate::figure::short;
use crate::kinds::Kind;
use crate::table::{Row, Table};
use crate::workload::Metric;

pub(crate) const OWN: &str = "autod";

/// What a value is compared with.
#[derive(Clone, Copy)]
enum Reference {
    One,
    Kind(&'static str),
    /// The best of those that somebody could use instead.
    BestPeer,
    /// The same figure of another workload.
    Workload(&'static str),
}

struct Goal {
    workload: &'static str,
    label: &'static str,
    factor: f64,
    reference: Reference,
}

const fn goal(
    workload: &'static str,
    label: &'static str,
    factor: f64,
    reference: Reference,
) -> Goal {
    Goal { workload, label, factor, reference }
}

const BLOCKING: Reference = Reference::Kind("raw-blocking");
const TARPC: Reference = Reference::Kind("tarpc");
const P50: &str = Metric::P50.label();
const P99: &str = Metric::P99.label();
const BOTH: &str = Metric::CpuOfBoth.label();
const SERVER: &str = Metric::CpuOfServer.label();
const RATE: &str = Metric::Rate.label();
const THROUGHPUT: &str = Metric::Throughput.label();

const GOALS: &[Goal] = &[
    goal("lone-one", P50, 1.75, BLOCKING),
    goal("lone-two", P50, 0.15, BLOCKING),
    goal("lone-two", P50, 1.0 / 6.0, TARPC),
    goal("lone-two", P99, 12.0, Reference::One),
    goal("lone-two", BOTH, 1.0, Reference::BestPeer),
    goal("callers-64", RATE, 1e6, Reference::One),
    goal("callers-64", RATE, 3.5, TARPC),
    goal("callers-64", SERVER, 0.35, Reference::One),
    goal("callers-512", RATE, 3.6e6, Reference::One),
    goal("callers-512", RATE, 5.0, TARPC),
    goal("connections-64", RATE, 320e3, Reference::One),
    goal("connections-64", RATE, 1.6, TARPC),
    goal("echo-64k-1", THROUGHPUT, 0.85, BLOCKING),
    goal("echo-64k-8", THROUGHPUT, 0.8, BLOCKING),
    goal("echo-1m-1", THROUGHPUT, 1.5, BLOCKING),
    goal("echo-1m-8", THROUGHPUT, 1.4, BLOCKING),
    goal("stream-u64", RATE, 80e6, Reference::One),
    goal("stream-u64", RATE, 2.0, Reference::Kind("tonic")),
    goal("stream-64k", THROUGHPUT, 0.85, BLOCKING),
    goal("memory", crate::memory::SERVER, 3584.0, Reference::One),
    goal("memory", crate::memory::CONNECTION, 3.0, Reference::One),
    goal("tail-stalled", P99, 3.0, Reference::Workload("tail-alone")),
    goal("tail-large", P99, 3.0, Reference::Workload("tail-alone")),
    goal("connections-10k", P50, 2.0, Reference::Workload("connections-1")),
    goal("connections-10k", BOTH, 2.0, Reference::Workload("connections-1")),
    goal("streams-10k", P50, 2.0, Reference::Workload("streams-1")),
    goal("streams-10k", BOTH, 2.0, Reference::Workload("streams-1")),
    goal("syscalls-lone", crate::syscalls::SERVER, 3.0, Reference::One),
    goal("syscalls-lone", crate::syscalls::CLIENT, 3.0, Reference::One),
    goal("syscalls-64", crate::syscalls::SERVER, 0.07, Reference::One),
    goal("syscalls-64", crate::syscalls::CLIENT, 0.07, Reference::One),
];

impl Goal {
    /// What the reference has come to; `None` if it was not measured.
    fn reference(&self, row: &Row, table: &Table) -> Option<f64> {
        match self.reference {
            Reference::One => Some(1.0),
            Reference::Kind(name) => row.of(name),
            Reference::BestPeer => {
                let peers =
                    Kind::all().filter(|kind| kind.is_peer).filter_map(|kind| row.of(kind.name));
                if row.is_cost { peers.reduce(f64::min) } else { peers.reduce(f64::max) }
            }
            Reference::Workload(name) => table.find(name, self.label)?.of(OWN),
        }
    }

    fn text(&self, is_cost: bool) -> String {
        let sign = if is_cost { "<=" } else { ">=" };
        let factor = self.factor;
        match self.reference {
            Reference::One => format!("{sign} {}", short(factor)),
            Reference::Kind(name) | Reference::Workload(name) => {
                format!("{sign} {factor:.2} x {name}")
            }
            Reference::BestPeer => format!("{sign} {factor:.2} x the best peer"),
        }
    }
}

pub(crate) fn print(table: &Table) {
    println!("\n{:<76} {:>10} {:>28} {:>10}", "goals of autod", "autod", "goal", "");
    for goal in GOALS {
        let Some(row) = table.find(goal.workload, goal.label) else { continue };
        let (Some(own), Some(reference)) = (row.of(OWN), goal.reference(row, table)) else {
            continue;
        };
        let limit = goal.factor * reference;
        let met = is_met(own, limit, row.is_cost);
        println!(
            "{:<76} {:>10} {:>28} {:>10}  {}",
            format!("{}: {}", row.text, row.label),
            short(own),
            goal.text(row.is_cost),
            short(limit),
            if met { "met".to_owned() } else { format!("missed by {}", gap(own, limit)) },
        );
    }
}

fn is_met(own: f64, limit: f64, is_cost: bool) -> bool {
    if is_cost { own <= limit } else { own >= limit }
}

/// How far two values are apart, as a factor.
fn gap(own: f64, limit: f64) -> String {
    format!("{:.2} x", (own / limit).max(limit / own))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::ALL;

    #[test]
    fn a_goal_is_about_a_figure_that_is_measured() {
        for workload in ALL {
            for goal in GOALS.iter().filter(|goal| goal.workload == workload.name) {
                let measured = workload.metrics.iter().any(|metric| metric.label() == goal.label);
                assert!(measured, "{} {}", goal.workload, goal.label);
            }
        }
    }

    #[test]
    fn a_goal_is_met_on_its_better_side() {
        let mut table = Table::default();
        let row = table.row("lone-one", "", P50, true);
        row.add(OWN, 17.0);
        row.add("raw-blocking", 10.0);
        let row = table.find("lone-one", P50).unwrap();
        let goal = &GOALS[0];
        assert_eq!(goal.reference(row, &table), Some(10.0));
        assert!(is_met(17.0, 17.5, row.is_cost));
        assert!(!is_met(17.0, 16.5, row.is_cost));
        assert!(is_met(17.0, 16.5, false));
    }
}
