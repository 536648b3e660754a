//! Round after round, each kind once.

use crate::Result;
use crate::client;
use crate::cpu::Placement;
use crate::kinds::Kind;
use crate::options::Options;
use crate::probe::Probe;
use crate::server::Server;
use crate::table::Table;
use crate::workload::{ALL, Workload};

/// Measures all workloads that are wanted.
pub(crate) fn measure(options: &Options) -> Result<Table> {
    let mut table = Table::default();
    let mut servers = Servers::default();
    for workload in ALL.iter().filter(|workload| options.wants(workload.name)) {
        measure_one(options, workload, servers.of(workload.placement, options)?, &mut table)
            .map_err(|error| format!("{}: {error}", workload.name))?;
    }
    Ok(table)
}

fn measure_one(
    options: &Options,
    workload: &Workload,
    servers: &[(&'static Kind, Server)],
    table: &mut Table,
) -> Result<()> {
    let load = workload.load;
    for _ in 0..options.rounds() {
        for (kind, server) in servers.iter().filter(|(kind, _)| (kind.can)(load)) {
            let probe = Probe { server, placement: workload.placement, load, time: options.slice };
            let outcome = client::run(|| (kind.run)(&probe))
                .map_err(|error| format!("{}: {error}", kind.name))?;
            for metric in workload.metrics {
                let row = table.row(workload.name, workload.text, metric.label(), metric.is_cost());
                row.add(kind.name, outcome.value(*metric, load));
            }
        }
    }
    eprintln!("rpc: {} is done", workload.name);
    Ok(())
}

/// The servers of the last placement; they stay while workloads want the same.
#[derive(Default)]
struct Servers {
    placement: Option<Placement>,
    running: Vec<(&'static Kind, Server)>,
}

impl Servers {
    fn of(
        &mut self,
        placement: Placement,
        options: &Options,
    ) -> Result<&[(&'static Kind, Server)]> {
        if self.placement != Some(placement) {
            self.running.clear();
            self.placement = Some(placement);
            for kind in options.kinds() {
                self.running.push((kind, Server::start(kind)?));
            }
        }
        Ok(&self.running)
    }
}
