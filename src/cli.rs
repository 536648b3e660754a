//! A subcommand by which the users of a tool look after its daemon, for tools whose command line is
//! made with clap. It prints what the `autod` command does.
//!
//! ```no_run
//! # #[autod::service]
//! # trait Hello { async fn greet(&self) -> String; }
//! # struct Polite;
//! # impl Hello for Polite { async fn greet(&self) -> String { String::new() } }
//! # fn main() -> std::process::ExitCode {
//! let daemon = autod::Daemon::new("hello").serve(|_, _| Polite);
//! let matches = clap::Command::new("hello").subcommand(autod::cli::command()).get_matches();
//! if let Some(("daemon", matches)) = matches.subcommand() {
//!     return autod::cli::run::<HelloClient, _, _>(daemon, matches);
//! }
//! # std::process::ExitCode::SUCCESS
//! # }
//! ```

use std::process::ExitCode;
use std::time::Duration;

use autod_console::failure::{Done, Failure};
use autod_console::question::ask;
use autod_console::{logs, status, stop};
use autod_core::control::Target;
use autod_core::service::Serves;
use autod_core::{Client, Daemon};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

/// How long a daemon may take to answer.
const ANSWER: Duration = Duration::from_secs(1);

/// How long a daemon may take to end.
const END: Duration = Duration::from_secs(30);

/// The subcommand `daemon`, which has `status`, `stop`, `restart`, `logs` and `foreground`.
pub fn command() -> Command {
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let json = || flag("json", "Print JSON");
    Command::new("daemon")
        .about("Look after the daemon behind this command")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("status").about("Show how it is, and why it is still there").arg(json()),
            Command::new("stop")
                .about("End it, and wait until it is gone")
                .args([flag("kill", "Kill it if it does not end in time"), json()]),
            Command::new("restart").about("Put a new one in its place, or start it").arg(json()),
            Command::new("logs").about("Show its log, also if it has ended").args([
                flag("follow", "Go on with what is appended, until interrupted").short('f'),
                Arg::new("lines")
                    .short('n')
                    .long("lines")
                    .value_name("COUNT")
                    .value_parser(value_parser!(usize))
                    .help("Only so many of the last lines"),
                flag("previous", "The log of the life before this one").conflicts_with("follow"),
                json(),
            ]),
            Command::new("foreground").about("Be the daemon, in this terminal, until interrupted"),
        ])
}

/// Does what [`command`] has matched, and gives the exit code of the process: those of the `autod`
/// command, with what is wrong on standard error. A daemon that this starts comes to this function by
/// the same arguments, and never returns from it.
///
/// # Panics
///
/// In an asynchronous task.
pub fn run<C, S, T>(daemon: Daemon<S, T>, matches: &ArgMatches) -> ExitCode
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    match done::<C, S, T>(daemon, matches) {
        Ok(done) => done.code(),
        Err(failure) => {
            failure.report(matches.subcommand().is_some_and(|(_, matches)| is_json(matches)));
            failure.code()
        }
    }
}

/// `foreground` has no such option.
fn is_json(matches: &ArgMatches) -> bool {
    matches.try_get_one("json").ok().flatten().copied().unwrap_or(false)
}

fn done<C, S, T>(daemon: Daemon<S, T>, matches: &ArgMatches) -> Result<Done, Failure>
where
    C: Client + Serves<T>,
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let daemon = daemon.serve_if_spawned::<C>()?;
    let Some((name, matches)) = matches.subcommand() else { return Ok(Done::Well) };
    if name == "foreground" {
        daemon.foreground::<C>()?;
        return Ok(Done::Well);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?;
    runtime.block_on(async {
        match name {
            "status" => status::run(&Target::of(&daemon)?, matches.get_flag("json"), ANSWER).await,
            "stop" => {
                let target = Target::of(&daemon)?;
                let how = stop::end(&target, matches.get_flag("kill"), END).await?;
                if is_json(matches) {
                    stop::print(&target, how)?;
                }
                Ok(Done::Well)
            }
            "restart" => {
                let target = Target::of(&daemon)?;
                let before = target.life()?.map(|life| life.pid.into());
                daemon.restart::<C>().await?;
                if is_json(matches) {
                    let status = ask(&target, "status", &[], ANSWER).await?;
                    status::print_restarted(&target, before, &status)?;
                }
                Ok(Done::Well)
            }
            "logs" => {
                let options = logs::Options {
                    follow: matches.get_flag("follow"),
                    lines: matches.get_one("lines").copied(),
                    previous: matches.get_flag("previous"),
                    json: matches.get_flag("json"),
                };
                logs::run(&Target::of(&daemon)?, &options).await
            }
            other => Err(Failure::new(format!("there is no command {other}"))),
        }
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_options_do_not_contradict_each_other() {
        super::command().debug_assert();
    }
}
