//! The `autod` command.

mod arguments;
mod call;
mod command;
mod complete;
mod describe;
mod doctor;
mod generate;
mod input;
mod log_level;
mod name;
mod probe;
mod ps;
mod report;
mod restart;
mod services;
mod signals;
#[cfg(test)]
#[path = "../tests/snapshot.rs"]
mod snapshot;
mod state;
mod stop;
mod supervise;
mod there;
mod top;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

pub(crate) use autod_console::{failure, question, reader, style, table, told};
use autod_console::{logs, status};
use clap::ArgMatches;

use crate::failure::{Done, Failure};
use crate::told::Told;

fn main() -> ExitCode {
    if let Some(code) = autod::control::relay() {
        return code;
    }
    complete::if_asked();
    let matches = match command::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return misused(&error),
    };
    let Some((name, matches)) = matches.subcommand() else { return ExitCode::from(2) };
    match run(name, matches) {
        Ok(done) => done.code(),
        Err(failure) => {
            failure.report(json(matches));
            failure.code()
        }
    }
}

/// Wrong usage, or a help that was asked for. Whoever writes `--json` reads no other mistakes.
fn misused(error: &clap::Error) -> ExitCode {
    let is_json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if !(is_json && error.use_stderr()) {
        error.exit();
    }
    let said = error.to_string();
    let said = said.trim_end();
    let said = said.strip_prefix("error: ").unwrap_or(said);
    // Behind an empty line it says how it is right.
    let told = match said.split_once("\n\n") {
        Some((text, help)) => Told { text: text.to_owned(), help: Some(help.trim().to_owned()) },
        None => said.into(),
    };
    let failure = Failure::coded(failure::USAGE, told);
    failure.report(true);
    failure.code()
}

/// Whether it is for a program. Some commands have no such option.
fn json(matches: &ArgMatches) -> bool {
    matches.try_get_one("json").ok().flatten().copied().unwrap_or(false)
}

fn run(name: &str, matches: &ArgMatches) -> Result<Done, Failure> {
    if let Ok(Some(host)) = matches.try_get_one::<String>("host") {
        let there = there::run(host, there::patience(matches));
        return block_on(async {
            match name {
                // It may print nothing for long, and does nothing else.
                "logs" => reader::while_read(there).await.unwrap_or(Ok(Done::Well)),
                _ => there.await,
            }
        });
    }
    match name {
        "up" => up::run(&up::Options {
            file: matches.get_one("config").cloned().unwrap_or_else(|| PathBuf::from("autod.toml")),
            check: matches.get_flag("check"),
            json: matches.get_flag("json"),
        })
        .map(|()| Done::Well),
        // The services of one supervisor, and nothing else.
        "ps" if file(matches).is_some() => {
            services::list(&of_services(matches)).map(|()| Done::Well)
        }
        "ps" => block_on(ps::run(&ps::Options {
            all: matches.get_flag("all"),
            reap: matches.get_flag("reap"),
            json: matches.get_flag("json"),
            patience: patience(matches),
        }))
        .and_then(|done| services::list(&of_services(matches)).map(|()| done)),
        "status" if file(matches).is_some() => {
            services::status(word(matches), &of_services(matches)).map(|()| Done::Well)
        }
        "status" if there::is_address(word(matches)) => {
            let json = matches.get_flag("json");
            block_on(there::status(word(matches), json, there::patience(matches)))
        }
        "status" => {
            let json = matches.get_flag("json");
            block_on(async {
                status::run(&name::find(word(matches)).await?, json, patience(matches)).await
            })
            .or_else(|failure| {
                if !failure.is_unknown() {
                    return Err(failure);
                }
                let service = services::status(word(matches), &of_services(matches));
                service.map(|()| Done::Well).map_err(|other| either(failure, other))
            })
        }
        "top" => {
            top::run(&top::Options { interval: interval(matches), patience: patience(matches) })
        }
        "start" => services::start(word(matches), &of_services(matches)).map(|()| Done::Well),
        "describe" => {
            block_on(describe::run(word(matches), matches.get_flag("json"), reach(matches)))
        }
        "call" => call::run(call::Options {
            name: word(matches),
            method: matches.get_one::<String>("method").map_or("", String::as_str),
            arguments: matches.get_many("arguments").into_iter().flatten().cloned().collect(),
            json: matches.get_flag("json"),
            patience: reach(matches),
        }),
        "logs" => {
            let options = logs::Options {
                follow: matches.get_flag("follow"),
                lines: matches.get_one("lines").copied(),
                previous: matches.get_flag("previous"),
                json: matches.get_flag("json"),
            };
            block_on(async { logs::run(&name::find_daemon(word(matches)).await?, &options).await })
        }
        "log-level" => {
            let level = matches.get_one::<String>("level").map_or("", String::as_str);
            block_on(log_level::run(word(matches), level, json(matches), patience(matches)))
        }
        "stop" => stop::run(
            &stop::Options {
                names: matches.get_many("name").into_iter().flatten().cloned().collect(),
                kill: matches.get_flag("kill"),
                json: matches.get_flag("json"),
                patience: patience(matches),
            },
            &of_services(matches),
        ),
        "restart" => {
            block_on(restart::run(word(matches), matches.get_flag("json"), patience(matches)))
        }
        "probe" => {
            let address = matches.get_one("address").cloned();
            block_on(probe::run(&probe::Options {
                address: address.unwrap_or(probe::Address::Name(String::new())),
                live: matches.get_flag("live"),
                json: json(matches),
                patience: patience(matches),
            }))
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

fn file(matches: &ArgMatches) -> Option<PathBuf> {
    matches.get_one("config").cloned()
}

fn of_services(matches: &ArgMatches) -> services::Options {
    services::Options { file: file(matches), json: json(matches) }
}

/// What to say of a name that no daemon has, and of which this became as a service.
fn either(daemon: Failure, service: Failure) -> Failure {
    if service.is_unknown() { daemon } else { service }
}

fn interval(matches: &ArgMatches) -> Duration {
    Duration::from_millis(matches.get_one("interval").copied().unwrap_or(1000))
}

fn patience(matches: &ArgMatches) -> Duration {
    Duration::from_millis(matches.get_one("timeout").copied().unwrap_or(1000))
}

/// How long reaching the daemon of this name may take.
fn reach(matches: &ArgMatches) -> Duration {
    if there::is_address(word(matches)) { there::patience(matches) } else { patience(matches) }
}

/// One thread is enough for whoever only asks.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?
        .block_on(work)
}
