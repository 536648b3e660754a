//! The `autod` command.

mod failure;
mod report;
mod services;
mod signals;
mod supervise;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

fn main() -> ExitCode {
    let matches = command().get_matches();
    let result = match matches.subcommand() {
        Some(("up", matches)) => up::run(&up::Options {
            file: matches.get_one("config").cloned().unwrap_or_else(|| PathBuf::from("autod.toml")),
            check: matches.get_flag("check"),
            json: matches.get_flag("json"),
        }),
        Some(("ps", matches)) => services::list(&options(matches)),
        Some(("status", matches)) => match name(matches) {
            Some(name) => services::status(name, &options(matches)),
            None => services::list(&options(matches)),
        },
        Some(("start", matches)) => {
            services::start(name(matches).unwrap_or_default(), &options(matches))
        }
        Some(("stop", matches)) => {
            let force = matches.get_flag("force");
            services::stop(name(matches).unwrap_or_default(), force, &options(matches))
        }
        _ => return ExitCode::from(failure::USAGE),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What it is about may have been printed as the result.
            if !failure.text.is_empty() {
                eprintln!("{}", failure.text);
            }
            ExitCode::from(failure.code)
        }
    }
}

fn name(matches: &ArgMatches) -> Option<&str> {
    matches.get_one("name").map(String::as_str)
}

fn options(matches: &ArgMatches) -> services::Options {
    let json = matches.try_get_one("json").ok().flatten().copied().unwrap_or(false);
    services::Options { file: matches.get_one("config").cloned(), json }
}

/// An error with its causes.
fn in_full(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn command() -> Command {
    let up = Command::new("up")
        .about("Run the services of a file: each starts on its first connection")
        .arg(
            Arg::new("config")
                .short('c')
                .long("config")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .default_value("autod.toml")
                .help("The file that describes the services"),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Report everything that is wrong in the file, and end"),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("Print events as JSON, one object a line"),
        );
    let name = || Arg::new("name").value_name("NAME").help("The service");
    let json = || {
        Arg::new("json")
            .long("json")
            .action(ArgAction::SetTrue)
            .help("Print a JSON object for each service, one a line")
    };
    let config = || {
        Arg::new("config")
            .short('c')
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("The supervisor of this file only; without it, all of yours")
    };
    let ps = Command::new("ps")
        .about("List the services of the supervisors that run")
        .arg(config())
        .arg(json());
    let status = Command::new("status")
        .about("Show a service, or all")
        .arg(name())
        .arg(config())
        .arg(json());
    let start = Command::new("start")
        .about("Start a service, and wait until it is ready")
        .arg(name().required(true))
        .arg(config());
    let stop = Command::new("stop")
        .about("Stop a service, and wait until it is gone; the next connection starts it again")
        .arg(name().required(true))
        .arg(config())
        .arg(
            Arg::new("force")
                .long("force")
                .action(ArgAction::SetTrue)
                .help("Kill it now, and reset its connections"),
        );
    Command::new("autod")
        .about("Servers that run while somebody uses them")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(up)
        .subcommand(ps)
        .subcommand(status)
        .subcommand(start)
        .subcommand(stop)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_options_do_not_contradict_each_other() {
        super::command().debug_assert();
    }
}
