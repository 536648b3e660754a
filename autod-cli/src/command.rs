//! The words that the command understands.

use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Arg, ArgAction, Command, value_parser};
use clap_complete::engine::ArgValueCompleter;

use crate::complete::{self, Names};
use crate::probe::Address;

/// What people read about the exit codes; docs/command.md has the same.
const EXIT_CODES: &str = "Exit codes:
    0  it was done
    1  it was not; standard error says why
    2  the command line is wrong
    3  the daemon or service does not run
    4  there is no such daemon or service
    5  the file has a supervisor already
    6  the daemon does not answer, or does not end, in time
    7  a call did not come to its end
  130  a call was interrupted

NAME is the name of a daemon as `autod ps` shows it, its process id, or the path of its socket;
of a supervisor (`autod up`) also the path of its file.
`call`, `describe` and `status` also take ssh://[USER@]HOST[:PORT]/PROGRAM.
Colours follow the terminal; NO_COLOR turns them off.";

pub(crate) fn command() -> Command {
    Command::new("autod")
        .about("Daemons and servers that run while somebody uses them")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(EXIT_CODES)
        .subcommands([
            ps(),
            top(),
            with_name("status", Names::BOTH, "Show how a daemon is, and why it is still there")
                .args([config(), host(), json(), timeout("1000")]),
            with_name(
                "start",
                Names::SERVICES,
                "Start a service of a supervisor, and wait until it is ready",
            )
            .args([config(), json()]),
            with_name("describe", Names::DAEMONS, "Show the methods of a daemon, with their types")
                .args([host(), json(), timeout("1000")]),
            call(),
            logs(),
            with_name("log-level", Names::DAEMONS, "Set how much a daemon writes into its log")
                .arg(
                    Arg::new("level").required(true).value_name("LEVEL").help(
                        "What the daemon's program understands, such as info, debug or a filter",
                    ),
                )
                .args([host(), json(), timeout("1000")]),
            stop(),
            with_name("restart", Names::DAEMONS, "Put a new daemon in the place of one that runs")
                .long_about(
                    "Put a new daemon in the place of one that runs. Its program is run again with \
                     the same arguments in the same directory, and the build that stands there now \
                     takes over: calls are answered, and a snapshot hands the state on.",
                )
                .args([host(), json(), timeout("30000")]),
            probe(),
            Command::new("doctor")
                .about("Look for what keeps daemons from running well, and say how to mend it")
                .args([host(), json(), timeout("1000")]),
            up(),
            Command::new("completions").about("Print completions for a shell").hide(true).arg(
                Arg::new("shell")
                    .required(true)
                    .value_name("SHELL")
                    .value_parser(value_parser!(clap_complete::Shell)),
            ),
            Command::new("man").about("Write the manual pages into a directory").hide(true).arg(
                Arg::new("directory")
                    .required(true)
                    .value_name("DIR")
                    .value_parser(value_parser!(PathBuf)),
            ),
        ])
}

fn ps() -> Command {
    Command::new("ps")
        .about("List the daemons of this user, and the services of its supervisors")
        .args([
            flag("all", "all", "Show those too that have ended in order").short('a'),
            flag("reap", "reap", "Remove the sockets that killed daemons have left behind"),
            config().conflicts_with_all(["all", "reap"]),
            host(),
            json(),
            timeout("1000"),
        ])
}

fn top() -> Command {
    Command::new("top").about("Watch the daemons, stop them, and read their logs").args([
        Arg::new("interval")
            .long("interval")
            .value_name("MS")
            .value_parser(value_parser!(u64).range(100..=3_600_000))
            .default_value("1000")
            .help("How often daemons are asked, in milliseconds"),
        timeout("1000"),
    ])
}

/// For the services of supervisors.
fn config() -> Arg {
    Arg::new("config")
        .short('c')
        .long("config")
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Only services of the supervisor of this file")
}

fn host() -> Arg {
    Arg::new("host")
        .long("host")
        .value_name("HOST")
        .help("Do this on another machine, by ssh and the autod there: [USER@]HOST or ssh://..")
}

fn call() -> Command {
    with_name("call", Names::DAEMONS, "Call a method of a daemon by its name")
        .long_about(
            "Call a method of a daemon by its name. An answer is printed as JSON, that of a stream in \
             a line for each item. A method that takes a stream reads a JSON value from each line of \
             standard input; one with a byte stream reads standard input and writes standard output.",
        )
        .args([
            Arg::new("method")
                .required(true)
                .value_name("METHOD")
                .add(ArgValueCompleter::new(complete::methods))
                .help("One of those that `autod describe` shows"),
            Arg::new("arguments")
                .num_args(0..)
                .value_name("ARGUMENT")
                .help(
                    "All arguments as one JSON object or list; or KEY=VALUE for each, where VALUE is \
                     JSON, or the text itself for an argument of type String",
                ),
            flag("json", "json", "Print {\"ok\": ..} for a value, {\"error\": ..} for the method's error"),
            timeout("1000").help(
                "How long reaching the daemon may take, in milliseconds; the call takes what it takes",
            ),
        ])
}

fn logs() -> Command {
    with_name("logs", Names::LOGS, "Show the log of a daemon, also of one that has ended").args([
        flag("follow", "follow", "Go on with what is appended, until interrupted").short('f'),
        Arg::new("lines")
            .short('n')
            .long("lines")
            .value_name("COUNT")
            .value_parser(value_parser!(usize))
            .help("Only so many of the last lines"),
        flag("previous", "previous", "The log of the life before this one")
            .conflicts_with("follow"),
        host(),
        json(),
    ])
}

fn stop() -> Command {
    Command::new("stop").about("End daemons, and wait until they are gone").args([
        Arg::new("name")
            .required(true)
            .num_args(1..)
            .value_name("NAME")
            .value_parser(NonEmptyStringValueParser::new())
            .add(ArgValueCompleter::new(Names::BOTH))
            .help("Names of daemons or services, process ids, or paths of sockets"),
        flag("kill", "kill", "Kill one that does not end in time, and a service at once")
            .alias("force"),
        config(),
        host(),
        json(),
        timeout("30000"),
    ])
}

fn probe() -> Command {
    Command::new("probe")
        .about("Ask a service whether it is ready, for scripts, balancers and orchestrators")
        .long_about(
            "Ask a service whether it is ready. Exits with 0 if it would take a caller now, with 1 \
             if it starts or closes, with 3 if nobody listens, with 6 if nobody answers in time. It \
             is no user of the service, and starts nothing.",
        )
        .args([
            Arg::new("address")
                .required(true)
                .value_name("ADDRESS")
                .value_parser(Address::parse)
                .add(ArgValueCompleter::new(Names::DAEMONS))
                .help("The path of a socket, tcp:HOST:PORT, or the name of a daemon"),
            flag("live", "live", "Exit with 0 also if it starts or closes: it lives"),
            json(),
            timeout("1000"),
        ])
}

fn up() -> Command {
    Command::new("up")
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
        .arg(flag("check", "check", "Report everything that is wrong in the file, and end"))
        .arg(flag("json", "json", "Print events as JSON, one object a line"))
}

fn with_name(command: &'static str, names: Names, about: &'static str) -> Command {
    let help = match (names.daemons, names.services, command) {
        (false, _, _) => "Its name in the file",
        (true, true, _) => "The name of a daemon or service, a process id, or the path of a socket",
        (true, false, "call" | "describe") => {
            "Its name, process id or socket path; ssh://HOST/PROGRAM on another machine"
        }
        (true, false, _) => "Its name, process id or socket path",
    };
    let name = Arg::new("name")
        .required(true)
        .value_name("NAME")
        .value_parser(NonEmptyStringValueParser::new())
        .add(ArgValueCompleter::new(names));
    Command::new(command).about(about).arg(name.help(help))
}

fn flag(id: &'static str, long: &'static str, help: &'static str) -> Arg {
    Arg::new(id).long(long).action(ArgAction::SetTrue).help(help)
}

fn json() -> Arg {
    flag("json", "json", "Print JSON")
}

fn timeout(default: &'static str) -> Arg {
    Arg::new("timeout")
        .long("timeout")
        .value_name("MS")
        .value_parser(value_parser!(u64).range(1..=3_600_000))
        .default_value(default)
        .help("How long to wait for a daemon, in milliseconds")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_options_do_not_contradict_each_other() {
        super::command().debug_assert();
    }

    /// What a user reads first is no longer than a screen is wide.
    #[test]
    fn help_fits_into_a_terminal() {
        let help = super::command().render_help().to_string();
        for line in help.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
}
