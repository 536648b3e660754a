//! The kinds of commands that are compared, and their turns.

use std::path::PathBuf;
use std::process::Command;

use crate::Result;
use crate::home::Home;
use crate::options::Options;
use crate::reference::Server;
use crate::sample::Sample;

const TRUE: &str = if cfg!(target_os = "linux") { "/bin/true" } else { "/usr/bin/true" };
pub(crate) const BARE: &str = "bare, warm";
const TOKIO: &str = "tokio, warm";
const TARPC: &str = "tarpc, warm";
pub(crate) const WARM: &str = "counter get, warm";
pub(crate) const BLOCKING: &str = "blocking get, warm";
pub(crate) const COLD: &str = "counter add 1, cold";

/// The executables, as cargo has put them.
pub(crate) struct Programs {
    empty: PathBuf,
    bare: PathBuf,
    tokio: PathBuf,
    tarpc: PathBuf,
    counter: PathBuf,
    blocking: PathBuf,
}

impl Programs {
    pub(crate) fn beside_this_one() -> Result<Self> {
        let own = std::env::current_exe()?;
        let directory = own.parent().ok_or("this executable is nowhere")?;
        let find = |name: &str| -> Result<PathBuf> {
            let path = directory.join(name);
            if path.exists() {
                return Ok(path);
            }
            Err(format!("{} is missing: run scripts/bench-process", path.display()).into())
        };
        Ok(Self {
            empty: find("empty")?,
            bare: find("bare")?,
            tokio: find("command-tokio")?,
            tarpc: find("command-tarpc")?,
            counter: find("examples/plain-counter")?,
            blocking: find("examples/plain-blocking")?,
        })
    }
}

/// What was measured of one kind.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) samples: Vec<Sample>,
}

struct Kind<'a> {
    name: &'static str,
    runs: usize,
    run: Box<dyn Fn() -> Result<Sample> + 'a>,
}

/// Measures all kinds, in the order of the table.
pub(crate) fn measure(programs: &Programs, options: &Options) -> Result<Vec<Measured>> {
    let Programs { empty, bare, tokio, tarpc, counter, blocking } = programs;
    let (warm, cold) = (options.warm.get(), options.cold.get());
    let (server, tarpc_server) = (Server::start(bare)?, Server::start(tarpc)?);
    let (running, absent, other) = (Home::new()?, Home::new()?, Home::new()?);
    Sample::take(&mut running.counter(counter, &["add", "1"]), "1\n")?;
    Sample::take(&mut other.command(blocking, &["add", "1"]), "1\n")?;
    let kind = |name, runs, run| Kind { name, runs, run };
    take_turns(&[
        kind(TRUE, warm, Box::new(|| Sample::take(&mut Command::new(TRUE), ""))),
        kind("empty", warm, Box::new(|| Sample::take(&mut Command::new(empty), ""))),
        kind(BARE, warm, Box::new(|| Sample::take(Command::new(bare).arg(&server.sock), "1\n"))),
        kind(TOKIO, warm, Box::new(|| Sample::take(Command::new(tokio).arg(&server.sock), "1\n"))),
        kind(
            TARPC,
            warm,
            Box::new(|| Sample::take(Command::new(tarpc).arg(&tarpc_server.sock), "1\n")),
        ),
        kind(WARM, warm, Box::new(|| Sample::take(&mut running.counter(counter, &["get"]), "1\n"))),
        kind(
            BLOCKING,
            warm,
            Box::new(|| Sample::take(&mut other.command(blocking, &["get"]), "1\n")),
        ),
        kind(
            COLD,
            cold,
            Box::new(|| {
                // The total proves that nothing ran.
                let sample = Sample::take(&mut absent.counter(counter, &["add", "1"]), "1\n")?;
                absent.close(counter)?;
                Ok(sample)
            }),
        ),
    ])
}

/// Round after round, each kind once; those with fewer runs sit out rounds, evenly spread.
fn take_turns(kinds: &[Kind<'_>]) -> Result<Vec<Measured>> {
    let mut measured: Vec<_> =
        kinds.iter().map(|kind| Measured { name: kind.name, samples: Vec::new() }).collect();
    let rounds = kinds.iter().map(|kind| kind.runs).max().unwrap_or(0);
    for round in 1..=rounds {
        for (kind, Measured { samples, .. }) in kinds.iter().zip(&mut measured) {
            if samples.len() < kind.runs * round / rounds {
                samples.push((kind.run)()?);
            }
        }
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use super::*;

    #[test]
    fn turns_are_taken_round_after_round_and_the_rare_kind_is_spread() {
        let order = RefCell::new(String::new());
        let kind = |name: &'static str, runs| Kind {
            name,
            runs,
            run: Box::new(|| {
                order.borrow_mut().push_str(name);
                Ok(Sample { wall: Duration::ZERO, cpu: None })
            }),
        };
        let measured = take_turns(&[kind("a", 6), kind("b", 6), kind("c", 2)]).unwrap();
        assert_eq!(*order.borrow(), "abababcabababc");
        assert_eq!(measured[2].samples.len(), 2);
    }
}
