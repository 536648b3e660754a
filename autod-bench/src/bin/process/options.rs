//! What the command line says.

use std::ffi::OsString;
use std::num::NonZero;
use std::str::FromStr;

pub(crate) const USAGE: &str = "usage: process [--warm RUNS] [--cold RUNS] [--pin CPU]
  --warm RUNS  runs of each kind that ends what it started (300)
  --cold RUNS  runs of the command that has to start its daemon (50)
  --pin CPU    measures again with all processes on this CPU";

pub(crate) struct Options {
    pub(crate) warm: NonZero<usize>,
    pub(crate) cold: NonZero<usize>,
    pub(crate) pin: Option<usize>,
}

impl Options {
    /// `None` asks for help.
    pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Self>, String> {
        let runs = |count| NonZero::new(count).expect("the literals are not zero");
        let mut options = Self { warm: runs(300), cold: runs(50), pin: None };
        while let Some(word) = args.next() {
            match word.to_str() {
                Some("-h" | "--help") => return Ok(None),
                Some("--warm") => options.warm = number("--warm", args.next())?,
                Some("--cold") => options.cold = number("--cold", args.next())?,
                Some("--pin") => options.pin = Some(number("--pin", args.next())?),
                _ => return Err(format!("unknown argument {}", word.display())),
            }
        }
        Ok(Some(options))
    }
}

fn number<N: FromStr>(name: &str, word: Option<OsString>) -> Result<N, String> {
    let word = word.ok_or_else(|| format!("{name} needs a number"))?;
    word.to_str()
        .and_then(|word| word.parse().ok())
        .ok_or_else(|| format!("{name} cannot be {}", word.display()))
}
