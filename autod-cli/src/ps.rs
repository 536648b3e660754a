//! `autod ps`: all daemons of this user.

use std::io::Write as _;
use std::time::Duration;

use autod::control::{self, Target};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::timeout;

use crate::failure::{Done, Failure};
use crate::question::number;
use crate::state::{DEAD, ENDED, Seen, look, name_of};
use crate::style::{Style, bytes, time};
use crate::table::{Cell, Table};
use crate::told::{Told, warn};

pub(crate) struct Options {
    pub(crate) all: bool,
    pub(crate) reap: bool,
    pub(crate) json: bool,
    pub(crate) patience: Duration,
}

/// This part of the time that a daemon has to answer, those that do wait for each other, so that they
/// are in order. Then they are shown, and the others behind them when their time is over.
const TOGETHER: u32 = 4;

pub(crate) async fn run(options: &Options) -> Result<Done, Failure> {
    let (mut targets, obstacles) = control::find();
    targets.sort_by_cached_key(name_of);
    for control::Obstacle { text, help, .. } in obstacles {
        warn(&Told::new(text, help), options.json);
    }
    if options.reap {
        control::forget_lost();
    }
    let looks = targets.iter().enumerate();
    let looks = looks.map(async |(at, target)| (at, look(target, options.patience).await));
    let mut looks: FuturesUnordered<_> = looks.collect();
    let mut found = Vec::new();
    let in_time = async {
        while let Some(seen) = looks.next().await {
            found.push(seen);
        }
    };
    let is_all = timeout(options.patience / TOGETHER, in_time).await.is_ok();
    let silent: Vec<Seen> = (targets.iter().enumerate())
        .filter(|(at, _)| !found.iter().any(|(other, _)| at == other))
        .map(|(_, target)| Seen::silent(target, target.life().ok().flatten(), options.patience))
        .collect();
    let mut list = List { options, targets: &targets, shown: Vec::new(), failed: None };
    list.show(found, &silent)?;
    if !is_all {
        list.show(looks.collect().await, &[])?;
    }
    if !options.json && list.shown.is_empty() {
        writeln!(std::io::stdout(), "no daemon runs")?;
    }
    list.failed.map_or(Ok(Done::Well), Err)
}

/// What is printed, part by part.
struct List<'a> {
    options: &'a Options,
    targets: &'a [Target],
    shown: Vec<Seen>,
    failed: Option<Failure>,
}

impl List<'_> {
    /// Prints those that were found, in columns that have room for those that are expected.
    fn show(&mut self, mut found: Vec<(usize, Seen)>, expected: &[Seen]) -> Result<(), Failure> {
        found.sort_by_key(|(at, _)| *at);
        let first = self.shown.len();
        for (at, mut seen) in found {
            if self.options.reap
                && let Err(failure) = reap(&self.targets[at], &mut seen)
            {
                self.failed = Some(match self.failed.take() {
                    Some(first) => first.and(&failure),
                    None => failure,
                });
            }
            if self.options.all || seen.reaped || seen.state != ENDED {
                self.shown.push(seen);
            }
        }
        let end = self.shown.len();
        if self.options.json {
            return print_json(&self.shown[first..]);
        }
        if end == first {
            return Ok(());
        }
        let table = table(self.shown.iter().chain(expected));
        table.print_some(&mut std::io::stdout().lock(), Style::of_stdout(), first..end)?;
        Ok(())
    }
}

/// Under the locks, so that a daemon which starts meanwhile is left alone.
fn reap(target: &Target, seen: &mut Seen) -> Result<(), Failure> {
    if seen.state != DEAD && seen.state != ENDED {
        return Ok(());
    }
    let failed = |error: autod::Error| {
        Failure::new(&error).about(format!("the {} daemon was not reaped", target.name()))
    };
    seen.reaped = target.reap().map_err(failed)?;
    Ok(())
}

fn print_json(seen: &[Seen]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    for seen in seen {
        writeln!(out, "{}", seen.to_json())?;
    }
    Ok(())
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

fn table<'a>(seen: impl Iterator<Item = &'a Seen>) -> Table {
    let mut table =
        Table::new(&["NAME", "PID", "STATE", "VERSION", "UP", "USERS", "CALLS", "MEMORY", "WHY"])
            // The last column has the users too, and `status` has them all.
            .sparing(&["VERSION", "CALLS", "USERS"]);
    for seen in seen {
        let count = |key| seen.status.as_ref().and_then(|status| number(status, key));
        let memory =
            seen.status.as_ref().and_then(|status| number(&status["memory"], "resident_bytes"));
        let version = seen.version();
        table.row([
            Cell::path(&seen.name),
            Cell::number(seen.pid()),
            Cell::new(seen.state).colour(seen.colour()),
            Cell::new(or_dash(&version)),
            Cell::number(seen.age().filter(|_| seen.lives()).map(time)),
            Cell::number(count("connections")),
            Cell::number(count("calls_open")),
            Cell::number(memory.map(bytes)),
            Cell::new(seen.why()),
        ]);
    }
    table
}
