//! The figures for people: values, their ratios to autod, and the goals.

use crate::figure::{median, short};
use crate::goals;
use crate::kinds::Kind;
use crate::workload;

/// A figure of each kind.
pub(crate) struct Row {
    pub(crate) workload: &'static str,
    pub(crate) text: &'static str,
    pub(crate) label: &'static str,
    /// Whether less is better.
    pub(crate) is_cost: bool,
    /// One value for each round.
    pub(crate) values: Vec<(&'static str, Vec<f64>)>,
}

impl Row {
    pub(crate) fn add(&mut self, kind: &'static str, value: f64) {
        match self.values.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, values)) => values.push(value),
            None => self.values.push((kind, vec![value])),
        }
    }

    /// The median of a kind's rounds.
    pub(crate) fn of(&self, kind: &str) -> Option<f64> {
        median(&self.values.iter().find(|(name, _)| *name == kind)?.1)
    }
}

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) rows: Vec<Row>,
}

impl Table {
    /// The row, made if it is not there.
    pub(crate) fn row(
        &mut self,
        workload: &'static str,
        text: &'static str,
        label: &'static str,
        is_cost: bool,
    ) -> &mut Row {
        let found = self.rows.iter().position(|row| row.workload == workload && row.label == label);
        let at = found.unwrap_or_else(|| {
            self.rows.push(Row { workload, text, label, is_cost, values: Vec::new() });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    pub(crate) fn find(&self, workload: &str, label: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.workload == workload && row.label == label)
    }

    pub(crate) fn print(&self) {
        let kinds: Vec<_> = Kind::all()
            .map(|kind| kind.name)
            .filter(|name| self.rows.iter().any(|row| row.of(name).is_some()))
            .collect();
        println!("medians");
        self.print_with(&kinds, |_| true, |row, kind| row.of(kind).map(short));
        println!("\nhow much better than autod (above 1) or worse (below 1)");
        // A figure of autod alone has nothing to be compared with here.
        let compared = |row: &Row| row.values.len() > 1;
        self.print_with(&kinds, compared, |row, kind| {
            let (own, other) = (row.of(goals::OWN)?, row.of(kind)?);
            Some(format!("{:.2}", if row.is_cost { own / other } else { other / own }))
        });
        goals::print(self);
    }

    fn print_with(
        &self,
        kinds: &[&str],
        shown: impl Fn(&Row) -> bool,
        cell: impl Fn(&Row, &str) -> Option<String>,
    ) {
        print!("{:<76}", "");
        for kind in kinds {
            print!(" {kind:>12}");
        }
        println!();
        for row in self.rows.iter().filter(|row| shown(row)) {
            print!("{:<76}", format!("{}: {}", row.text, row.label));
            for kind in kinds {
                print!(" {:>12}", cell(row, kind).unwrap_or_default());
            }
            println!();
        }
    }
}

pub(crate) fn list() {
    println!("workloads");
    for (name, text) in workload::ALL
        .iter()
        .map(|workload| (workload.name, workload.text))
        .chain(workload::OTHERS.iter().copied())
    {
        println!("  {name:<16} {text}");
    }
    println!("kinds");
    for kind in Kind::all() {
        println!("  {:<16} {}", kind.name, kind.text);
    }
}
