//! `autod ps`, `status`, `start` and `stop`, for the services of running supervisors.

use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::failure::{Failure, NOT_RUNNING};
use crate::supervise::{Overview, ServiceState, Supervisors};

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
            table(&rows);
        }
        if found.silent.is_empty() { Ok(()) } else { Err(found.silent.join("\n").into()) }
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
            details(&supervisor.overview, service);
        }
        if service.is_up() { Ok(()) } else { Err(Failure::coded(NOT_RUNNING, "")) }
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
        found.of_service(name)?.0.start(name).await
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

fn table(rows: &[(&Overview, &ServiceState)]) {
    let mut lines =
        vec![["SERVICE", "STATE", "PID", "CONNECTIONS", "LISTENS", "FILE"].map(str::to_owned)];
    for (owner, service) in rows {
        lines.push([
            service.name.clone(),
            service.phase.clone(),
            service.pid.map_or("-".to_owned(), |pid| pid.to_string()),
            (service.connections + service.waiting).to_string(),
            service.listens.join(" "),
            owner.file.clone(),
        ]);
    }
    let widths: [usize; 6] = std::array::from_fn(|column| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0)
    });
    for line in lines {
        let cells: Vec<String> =
            line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        say(cells.join("  ").trim_end());
    }
}

fn details(owner: &Overview, service: &ServiceState) {
    let since = service.since.elapsed().unwrap_or_default();
    say(&format!("{}: {} for {} s", service.name, service.phase, since.as_secs()));
    let optional = |value: Option<String>| value.into_iter().collect::<Vec<_>>();
    let counts = (service.connections + service.waiting > 0)
        .then(|| format!("{}, and {} that wait", service.connections, service.waiting));
    for (label, values) in [
        ("pid", optional(service.pid.map(|pid| pid.to_string()))),
        ("starts", vec![service.generation.to_string()]),
        ("connections", optional(counts)),
        ("says", optional(service.says.clone())),
        ("held by", service.holds.clone()),
        ("let go in", optional(service.idle_in.map(|time| format!("{} s", time.as_secs())))),
        ("failed", optional(service.failure.clone())),
        ("listens at", service.listens.clone()),
        ("file", vec![owner.file.clone()]),
        ("supervisor", vec![owner.pid.to_string()]),
    ] {
        for value in values {
            say(&format!("  {label}: {value}"));
        }
    }
}
