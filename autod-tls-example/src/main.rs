//! The replica and its caller as one command.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use autod_tls_example::Result;
use autod_tls_example::caller::{Caller, Target};
use autod_tls_example::identity::Files;
use autod_tls_example::replica::{Options, Replica};
use clap::{Arg, ArgMatches, Command, value_parser};
use tokio::signal::unix::{SignalKind, signal};

/// Calls were cut off at the drain limit.
const CUT_OFF: u8 = 70;

/// How long a call is tried again that was not executed.
const PATIENCE: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let matches = command().get_matches();
    run(&matches).unwrap_or_else(|error| {
        eprintln!("journal: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            eprintln!("journal: because {error}");
            cause = error.source();
        }
        ExitCode::FAILURE
    })
}

fn run(matches: &ArgMatches) -> Result<ExitCode> {
    let runtime = tokio::runtime::Runtime::new()?;
    let result = runtime.block_on(async {
        match matches.subcommand() {
            Some(("serve", matches)) => serve(matches).await,
            Some(("append", matches)) => append(matches).await,
            Some(("follow", matches)) => follow(matches).await,
            _ => Ok(ExitCode::from(2)),
        }
    });
    // A thread that hangs in a write keeps nobody here beyond the drain limit.
    runtime.shutdown_background();
    result
}

async fn serve(matches: &ArgMatches) -> Result<ExitCode> {
    // Before anything is promised: from here on a signal means to leave in order.
    let (mut terminate, mut interrupt) =
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let replica = Replica::open(Options {
        listen: *matches.get_one("listen").ok_or("--listen is missing")?,
        probe: matches.get_one("probe").cloned(),
        files: files(matches)?,
        journal: path(matches, "journal")?,
        name: text(matches, "replica")?,
        drain_limit: Duration::from_secs(
            matches.get_one("drain-limit").copied().unwrap_or_default(),
        ),
    })
    .await?;
    eprintln!("journal: listening on {}", replica.address()?);
    let all = replica
        .serve_until(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(CUT_OFF) })
}

async fn append(matches: &ArgMatches) -> Result<ExitCode> {
    let mut caller = Caller::new(target(matches)?, PATIENCE);
    for entry in matches.get_many::<String>("entry").into_iter().flatten() {
        let receipt = caller.append(entry).await?;
        println!("{} wrote it down for {}", receipt.replica, receipt.caller);
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(matches: &ArgMatches) -> Result<ExitCode> {
    let mut lines = target(matches)?.connect().await?.follow();
    while let Some(line) = lines.next().await {
        println!("{}", line?);
    }
    Ok(ExitCode::SUCCESS)
}

fn target(matches: &ArgMatches) -> Result<Target> {
    let address = text(matches, "to")?;
    let host = address.rsplit_once(':').map_or(&*address, |(host, _)| host);
    let name = matches.get_one("name").cloned().unwrap_or_else(|| host.to_owned());
    Ok(Target { name: name.try_into()?, address, config: files(matches)?.client()? })
}

fn files(matches: &ArgMatches) -> Result<Files> {
    Ok(Files {
        certificate: path(matches, "certificate")?,
        key: path(matches, "key")?,
        authorities: path(matches, "authorities")?,
    })
}

fn path(matches: &ArgMatches, id: &str) -> Result<PathBuf> {
    matches.get_one(id).cloned().ok_or_else(|| format!("--{id} is missing").into())
}

fn text(matches: &ArgMatches, id: &str) -> Result<String> {
    matches.get_one(id).cloned().ok_or_else(|| format!("--{id} is missing").into())
}

fn command() -> Command {
    Command::new("journal")
        .about("A journal behind TCP with mutual TLS")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("serve")
                .about("Serve until SIGTERM, then answer what runs and end")
                .args(identity())
                .args([
                    option("listen", "ADDRESS", "Where to serve, such as 0.0.0.0:7443")
                        .required(true)
                        .value_parser(value_parser!(std::net::SocketAddr)),
                    file("probe", "Answer `autod probe` on a socket at this path"),
                    file("journal", "The file to append to").required(true),
                    option("replica", "NAME", "What this replica calls itself").required(true),
                    option("drain-limit", "SECONDS", "How long calls that run may take at the end")
                        .default_value("20")
                        .value_parser(value_parser!(u64)),
                ]),
        )
        .subcommand(
            Command::new("append")
                .about("Append lines")
                .args(identity())
                .args(replicas())
                .arg(Arg::new("entry").value_name("ENTRY").num_args(1..).required(true)),
        )
        .subcommand(
            Command::new("follow")
                .about("Print what a replica appends, until it leaves")
                .args(identity())
                .args(replicas()),
        )
}

fn identity() -> [Arg; 3] {
    [
        file("certificate", "Who this end is, in PEM").required(true),
        file("key", "The key of the certificate, in PEM").required(true),
        file("authorities", "Whose certificates the other end may show, in PEM").required(true),
    ]
}

fn replicas() -> [Arg; 2] {
    [
        option("to", "HOST:PORT", "Where the replicas are").required(true),
        option("name", "NAME", "The name in their certificates, if it is not the host"),
    ]
}

fn file(id: &'static str, help: &'static str) -> Arg {
    option(id, "FILE", help).value_parser(value_parser!(PathBuf))
}

fn option(id: &'static str, value: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(id).value_name(value).help(help)
}
