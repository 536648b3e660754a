//! `autod ps`: all daemons of this user.

use std::io::Write as _;
use std::time::Duration;

use autod::control::{self, Target};
use futures::future::join_all;
use serde_json::json;

use crate::failure::{Done, Failure, in_full};
use crate::question::number;
use crate::state::{DEAD, ENDED, Seen, look};
use crate::style::{Style, bytes, time};
use crate::table::{Cell, Table};

pub(crate) struct Options {
    pub(crate) all: bool,
    pub(crate) reap: bool,
    pub(crate) json: bool,
    pub(crate) patience: Duration,
}

pub(crate) async fn run(options: &Options) -> Result<Done, Failure> {
    let (targets, notes) = control::find();
    // All at once: one that hangs holds up nobody but itself.
    let mut seen = join_all(targets.iter().map(|target| look(target, options.patience))).await;
    let mut failed: Option<Failure> = None;
    if options.reap {
        control::forget_lost();
        for (target, seen) in targets.iter().zip(&mut seen) {
            if let Err(failure) = reap(target, seen) {
                failed = Some(match failed {
                    Some(first) => first.and(&failure),
                    None => failure,
                });
            }
        }
    }
    seen.retain(|seen| options.all || seen.reaped || seen.state != ENDED);
    for note in notes {
        if options.json {
            eprintln!("{}", json!({"warning": {"text": note}}));
        } else {
            eprintln!("autod: {note}");
        }
    }
    if options.json { print_json(&seen) } else { print(&seen) }?;
    failed.map_or(Ok(Done::Well), Err)
}

/// Under the locks, so that a daemon which starts meanwhile is left alone.
fn reap(target: &Target, seen: &mut Seen) -> Result<(), Failure> {
    if seen.state != DEAD && seen.state != ENDED {
        return Ok(());
    }
    let text = |error: autod::Error| {
        Failure::new(format!("the {} daemon was not reaped: {}", target.name(), in_full(&error)))
    };
    seen.reaped = target.reap().map_err(text)?;
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

fn print(seen: &[Seen]) -> Result<(), Failure> {
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
    let mut out = std::io::stdout().lock();
    if seen.is_empty() {
        writeln!(out, "no daemon runs")?;
        return Ok(());
    }
    table.print(&mut out, Style::of_stdout())?;
    Ok(())
}
