//! `autod ps`, `status`, `start` and `stop`, for the services of running supervisors.

use std::io::{self, Write};
use std::path::PathBuf;

use autod_console::status::line;
use serde_json::json;

use crate::failure::{Failure, NOT_RUNNING};
use crate::state::colour;
use crate::style::{Style, time};
use crate::supervise::{Overview, ServiceState, Supervisors};
use crate::table::{Cell, Table};

/// Which supervisor is meant, and how is printed what it says.
pub(crate) struct Options {
    /// Its file; without one all of this user are meant.
    pub(crate) file: Option<PathBuf>,
    pub(crate) json: bool,
}

/// Prints a line for each service.
///
/// # Errors
///
/// A supervisor does not answer; what the others say was printed.
pub(crate) fn list(options: &Options) -> Result<(), Failure> {
    block_on(async {
        let found = Supervisors::find(options.file.as_deref()).await?;
        let rows: Vec<_> = found.services().collect();
        if options.json {
            for (owner, service) in rows {
                say(&service.to_json(owner).to_string());
            }
        } else if !rows.is_empty() {
            table(&mut io::stdout().lock(), &rows, Style::of_stdout())?;
        }
        if found.silent.is_empty() { Ok(()) } else { Err(Failure::several(found.silent)) }
    })
}

/// Prints everything about one service.
///
/// # Errors
///
/// [`NOT_RUNNING`] if it does not run and is not being started, which was printed; else there was
/// nothing to print.
pub(crate) fn status(name: &str, options: &Options) -> Result<(), Failure> {
    block_on(async {
        let found = Supervisors::find(options.file.as_deref()).await?;
        let (supervisor, service) = found.of_service(name)?;
        if options.json {
            say(&service.to_json(&supervisor.overview).to_string());
        } else {
            let mut out = io::stdout().lock();
            details(&mut out, &supervisor.overview, service, Style::of_stdout())?;
        }
        if service.is_up() { Ok(()) } else { Err(Failure::silent(NOT_RUNNING)) }
    })
}

/// Starts a service; returns when it is ready.
///
/// # Errors
///
/// It did not start.
pub(crate) fn start(name: &str, options: &Options) -> Result<(), Failure> {
    block_on(async {
        let found = Supervisors::find(options.file.as_deref()).await?;
        found.of_service(name)?.0.start(name).await?;
        if options.json {
            say(&json!({"name": name, "started": true}).to_string());
        }
        Ok(())
    })
}

/// Stops a service; returns when it is gone.
///
/// # Errors
///
/// There is none, or its supervisor ended meanwhile.
pub(crate) fn stop(name: &str, force: bool, options: &Options) -> Result<(), Failure> {
    block_on(async {
        let found = Supervisors::find(options.file.as_deref()).await?;
        found.of_service(name)?.0.stop(name, force).await
    })
}

fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?
        .block_on(work)
}

/// Whether anybody reads it changes nothing.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

fn table(
    out: &mut impl Write,
    rows: &[(&Overview, &ServiceState)],
    style: Style,
) -> io::Result<()> {
    let heads = ["SERVICE", "PID", "STATE", "FOR", "CONNECTIONS", "LISTENS", "FILE"];
    let mut table = Table::new(&heads).sparing(&["FOR", "CONNECTIONS"]);
    for (owner, service) in rows {
        table.row([
            Cell::new(&service.name),
            Cell::number(service.pid),
            Cell::new(&service.phase).colour(colour(&service.phase)),
            Cell::number(Some(time(service.age()))),
            Cell::number(Some(service.connections + service.waiting)),
            Cell::new(service.listens.join(" ")),
            Cell::path(&owner.file),
        ]);
    }
    table.print(out, style)
}

fn details(
    out: &mut impl Write,
    owner: &Overview,
    service: &ServiceState,
    style: Style,
) -> io::Result<()> {
    let mut facts = vec![
        ("service", service.name.clone()),
        ("state", format!("{} for {}", service.phase, time(service.age()))),
    ];
    facts.extend(service.pid.map(|pid| ("pid", pid.to_string())));
    facts.push(("starts", service.generation.to_string()));
    if service.connections + service.waiting > 0 {
        let counts = format!("{} open, {} waiting", service.connections, service.waiting);
        facts.push(("callers", counts));
    }
    facts.extend(service.says.iter().map(|text| ("says", text.clone())));
    facts.extend(service.holds.iter().map(|reason| ("held by", reason.clone())));
    facts.extend(service.idle_in.map(|left| ("goes", format!("in {}", time(left)))));
    facts.extend(service.failure.iter().map(|text| ("failed", text.clone())));
    facts.extend(service.listens.iter().map(|address| ("listens", address.clone())));
    facts.push(("file", owner.file.clone()));
    facts.push(("by", format!("supervisor, pid {}", owner.pid)));
    for (key, value) in facts {
        line(out, style, key, &value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::snapshot::{assert_snapshot, visible};

    fn overview() -> Overview {
        let stopped = ServiceState {
            name: "web".to_owned(),
            phase: "stopped".to_owned(),
            since: SystemTime::now() - Duration::from_secs(3 * 3600),
            pid: None,
            generation: 1,
            connections: 0,
            waiting: 0,
            holds: Vec::new(),
            says: None,
            failure: None,
            listens: vec!["127.0.0.1:8080".to_owned()],
            idle_in: None,
        };
        let busy = ServiceState {
            name: "database".to_owned(),
            phase: "running".to_owned(),
            pid: Some(4711),
            connections: 12,
            waiting: 3,
            holds: vec!["a backup".to_owned()],
            says: Some("moving tables".to_owned()),
            listens: vec!["/run/user/1000/database/socket".to_owned(), "[::1]:5432".to_owned()],
            ..stopped.clone()
        };
        let failing = ServiceState {
            name: "broken".to_owned(),
            phase: "backoff".to_owned(),
            generation: 7,
            failure: Some("exit code 1".to_owned()),
            idle_in: Some(Duration::from_secs(240)),
            ..stopped.clone()
        };
        let file = "/home/somebody/projects/shop/autod.toml".to_owned();
        Overview { pid: 812, file, services: vec![busy, failing, stopped] }
    }

    #[test]
    fn services_follow_the_terminal() {
        let overview = overview();
        let rows: Vec<_> = overview.services.iter().map(|service| (&overview, service)).collect();
        let mut text = String::new();
        for (way, style) in [
            ("a pipe", Style::of(false, None)),
            ("80 columns", Style::of(true, Some(80))),
            ("80 columns, NO_COLOR=1", Style::of(false, Some(80))),
            ("120 columns, NO_COLOR=1", Style::of(false, Some(120))),
        ] {
            let mut out = format!("--- {way}\n").into_bytes();
            table(&mut out, &rows, style).unwrap();
            for (owner, service) in &rows {
                writeln!(out).unwrap();
                details(&mut out, owner, service, style).unwrap();
            }
            writeln!(out).unwrap();
            text += &visible(&String::from_utf8(out).unwrap());
        }
        assert_snapshot("services.txt", &text);
    }
}
