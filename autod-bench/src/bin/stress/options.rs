//! What the command line says.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::rows::ROWS;

pub(crate) const USAGE: &str =
    "usage: stress [--quick] [--only NAME]... [--seed N] [--rounds N] [--list]
  --quick      every row at a small size
  --only NAME  this row, and others that are named the same way
  --seed N     where all randomness comes from (the time)
  --rounds N   so many rounds in rows that have rounds
  --list       names the rows";

pub(crate) enum Order {
    Run(Options),
    List,
    Help,
    /// Stay behind, and clean up there when the one that gave the order is gone.
    Guard(PathBuf),
    /// Become this program, in a session whose terminal is on standard input.
    Lead(PathBuf, Vec<String>),
}

pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) seed: u64,
    pub(crate) rounds: Option<usize>,
    only: Vec<String>,
}

impl Order {
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Result<Self, String> {
        let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |now| now.as_secs());
        let mut options = Options { quick: false, seed, rounds: None, only: Vec::new() };
        while let Some(word) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "-h" | "--help" => return Ok(Self::Help),
                "--list" => return Ok(Self::List),
                "--guard" => return Ok(Self::Guard(value()?.into())),
                "--lead" => return Ok(Self::Lead(value()?.into(), args.collect())),
                "--quick" => options.quick = true,
                "--seed" => options.seed = number(&value()?)?,
                "--rounds" => options.rounds = Some(number(&value()?)?),
                "--only" => {
                    let name = value()?;
                    if !ROWS.iter().any(|row| row.name == name) {
                        return Err(format!("there is no row {name}"));
                    }
                    options.only.push(name);
                }
                _ => return Err(format!("unknown argument {word}")),
            }
        }
        Ok(Self::Run(options))
    }
}

impl Options {
    pub(crate) fn wants(&self, row: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == row)
    }
}

fn number<N: std::str::FromStr>(word: &str) -> Result<N, String> {
    word.parse().map_err(|_| format!("{word} is not a number"))
}
