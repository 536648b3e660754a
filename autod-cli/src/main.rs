//! The `autod` command.

mod command;
mod describe;
mod doctor;
mod failure;
mod generate;
mod log_level;
mod logs;
mod name;
mod ps;
mod question;
mod report;
mod restart;
mod signals;
mod state;
mod status;
mod stop;
mod style;
mod table;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::ArgMatches;

use crate::failure::{Done, Failure};

fn main() -> ExitCode {
    let matches = command::command().get_matches();
    let Some((name, matches)) = matches.subcommand() else { return ExitCode::from(2) };
    match run(name, matches) {
        Ok(done) => done.code(),
        Err(failure) => {
            if !failure.text.is_empty() {
                eprintln!("{failure}");
            }
            failure.code()
        }
    }
}

fn run(name: &str, matches: &ArgMatches) -> Result<Done, Failure> {
    match name {
        "up" => up::run(&up::Options {
            file: matches.get_one("config").cloned().unwrap_or_else(|| PathBuf::from("autod.toml")),
            check: matches.get_flag("check"),
            json: matches.get_flag("json"),
        })
        .map(|()| Done::Well)
        .map_err(Failure::plain),
        "ps" => block_on(ps::run(&ps::Options {
            all: matches.get_flag("all"),
            reap: matches.get_flag("reap"),
            json: matches.get_flag("json"),
            patience: patience(matches),
        })),
        "status" => {
            block_on(status::run(word(matches), matches.get_flag("json"), patience(matches)))
        }
        "describe" => {
            block_on(describe::run(word(matches), matches.get_flag("json"), patience(matches)))
        }
        "logs" => block_on(logs::run(&logs::Options {
            name: word(matches),
            follow: matches.get_flag("follow"),
            lines: matches.get_one("lines").copied(),
            previous: matches.get_flag("previous"),
            json: matches.get_flag("json"),
        })),
        "log-level" => {
            let level = matches.get_one::<String>("level").map_or("", String::as_str);
            block_on(log_level::run(word(matches), level, patience(matches)))
        }
        "stop" => block_on(stop::run(&stop::Options {
            names: matches.get_many("name").into_iter().flatten().cloned().collect(),
            kill: matches.get_flag("kill"),
            json: matches.get_flag("json"),
            patience: patience(matches),
        })),
        "restart" => {
            block_on(restart::run(word(matches), matches.get_flag("json"), patience(matches)))
        }
        "doctor" => block_on(doctor::run(matches.get_flag("json"), patience(matches))),
        "completions" => generate::completions(matches.get_one("shell").copied()),
        "man" => generate::manuals(matches.get_one("directory").map(PathBuf::as_path)),
        _ => Err(Failure::new("this command is not known here; it is a mistake of autod's")),
    }
}

fn word(matches: &ArgMatches) -> &str {
    matches.get_one::<String>("name").map_or("", String::as_str)
}

fn patience(matches: &ArgMatches) -> Duration {
    Duration::from_millis(matches.get_one("timeout").copied().unwrap_or(1000))
}

/// One thread is enough for whoever only asks.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?
        .block_on(work)
}
