//! What a whole command costs, from its start to its end, beside references.
//!
//! ```text
//! process [--warm RUNS] [--cold RUNS] [--pin CPU]
//! ```
//!
//! The kinds take turns, so that whatever else the machine does meets all of them. Exits with 0
//! whatever the figures are, with 1 if something could not be measured, with 2 on wrong usage.

mod home;
mod kinds;
mod options;
mod pin;
mod reference;
mod sample;
mod table;

use std::error::Error;
use std::process::ExitCode;

use crate::kinds::Programs;
use crate::options::Options;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{}", options::USAGE);
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("process: {mistake}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("process: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let programs = Programs::beside_this_one()?;
    home::adopt_daemons()?;
    println!("not pinned");
    table::print(&kinds::measure(&programs, options)?)?;
    if let Some(cpu) = options.pin {
        pin::to(cpu)?;
        println!("\npinned to CPU {cpu}");
        table::print(&kinds::measure(&programs, options)?)?;
    }
    Ok(())
}
