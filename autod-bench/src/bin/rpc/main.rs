//! What calls and streams cost over one Unix socket, beside references and peers.
//!
//! Server and client are separate processes: this program runs itself again as the server of a
//! kind. The kinds take turns, so that whatever else the machine does meets all of them; a figure is
//! the median over the rounds. Exits with 0 whatever the figures are, with 1 if something could not
//! be measured, with 2 on wrong usage.

mod client;
mod cpu;
mod figure;
mod goals;
mod growth;
mod hostile;
mod json;
mod kinds;
mod load;
mod memory;
mod options;
mod peer;
mod probe;
mod server;
mod syscalls;
mod table;
mod tail;
mod turns;
mod workload;

use std::error::Error;
use std::process::ExitCode;

use crate::options::{Options, Task};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> ExitCode {
    let task = match Options::parse(std::env::args_os().skip(1)) {
        Ok(task) => task,
        Err(mistake) => {
            eprintln!("rpc: {mistake}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = match task {
        Task::Help => {
            println!("{}", options::USAGE);
            Ok(())
        }
        Task::List => {
            table::list();
            Ok(())
        }
        Task::Serve { kind, socket } => server::serve(&kind, &socket),
        Task::Measure(options) => measure(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rpc: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(options: &Options) -> Result<()> {
    server::raise_descriptor_limit()?;
    let mut table = turns::measure(options)?;
    if options.wants("memory") {
        memory::measure(options, &mut table)?;
    }
    if options.wants("tail") {
        tail::measure(options, &mut table)?;
    }
    if options.wants("hostile") {
        hostile::measure(options, &mut table)?;
    }
    if options.wants("growth") {
        growth::measure(options, &mut table)?;
    }
    if options.syscalls {
        syscalls::measure(options, &mut table)?;
    }
    table.print();
    if let Some(path) = &options.json {
        json::write(path, &table)?;
    }
    Ok(())
}
