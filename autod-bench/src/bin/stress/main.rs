//! The loads and faults that a daemon's life has to bear, with real processes.
//!
//! ```text
//! stress [--quick] [--only NAME]... [--seed N] [--rounds N] [--list]
//! ```
//!
//! Prints a line for each row. Exits with 0 if all rows hold, with 1 if one does not, with 2 on
//! wrong usage. What must hold is written at each row, in `rows`.

mod barrier;
mod call;
mod caller;
mod guard;
mod home;
mod ledger;
mod options;
mod orders;
mod process;
mod random;
mod rows;
mod setting;
mod stranger;
mod survey;
mod table;
mod tally;
mod terminal;

use std::error::Error;
use std::process::ExitCode;
use std::time::Instant;

use crate::guard::Guard;
use crate::home::Home;
use crate::options::{Options, Order};
use crate::random::Random;
use crate::rows::ROWS;
use crate::setting::Setting;
use crate::tally::Tally;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> ExitCode {
    let order = match Order::parse(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(mistake) => {
            eprintln!("stress: {mistake}\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = match order {
        Order::Help => {
            println!("{}", options::USAGE);
            Ok(true)
        }
        Order::List => {
            for row in ROWS {
                println!("{:<16} {}", row.name, row.what);
            }
            Ok(true)
        }
        Order::Guard(directory) => guard::stand_by(&directory).map(|()| true),
        Order::Lead(program, args) => terminal::lead(&program, &args).map(|()| true),
        Order::Run(options) => run(&options),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("stress: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all rows hold.
fn run(options: &Options) -> Result<bool> {
    let fixture = std::env::current_exe()?.with_file_name("examples").join("fixture");
    if !fixture.exists() {
        return Err(format!("{} is missing: run scripts/stress", fixture.display()).into());
    }
    let guard = Guard::post()?;
    println!("seed {}", options.seed);
    table::print_head()?;
    let mut all_hold = true;
    for row in ROWS.iter().filter(|row| options.wants(row.name)) {
        let began = Instant::now();
        let home = Home::new(guard.directory().join(row.name), &fixture)?;
        let setting = Setting::new(home, Random::for_row(options.seed, row.name), options);
        let tally = (row.run)(&setting).unwrap_or_else(|error| Tally::broken(&error.to_string()));
        all_hold &= tally.holds();
        table::print_row(row.name, &tally, began.elapsed())?;
        if !tally.holds() {
            setting.home.keep_evidence(row.name);
        }
        process::sweep(&setting.home.join(""));
    }
    Ok(all_hold)
}
