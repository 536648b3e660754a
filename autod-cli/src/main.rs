//! The `autod` command.

mod report;
mod signals;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, Command, value_parser};

fn main() -> ExitCode {
    let matches = command().get_matches();
    let result = match matches.subcommand() {
        Some(("up", matches)) => up::run(&up::Options {
            file: matches.get_one("config").cloned().unwrap_or_else(|| PathBuf::from("autod.toml")),
            check: matches.get_flag("check"),
            json: matches.get_flag("json"),
        }),
        _ => return ExitCode::from(2),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("{text}");
            ExitCode::FAILURE
        }
    }
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
    Command::new("autod")
        .about("Servers that run while somebody uses them")
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(up)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_options_do_not_contradict_each_other() {
        super::command().debug_assert();
    }
}
