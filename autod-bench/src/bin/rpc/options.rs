//! What the command line says.

use std::ffi::OsString;
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::kinds::Kind;

pub(crate) const USAGE: &str = "usage: rpc [OPTION]...
  --only NAME[,NAME]   only the workloads whose names contain one of these; --list shows them
  --kinds NAME[,NAME]  only these kinds; autod and raw-blocking are what the ratios refer to
  --rounds COUNT       turns of each kind (7)
  --slice MS           how long a kind is measured in a turn (250)
  --quick              3 rounds of 60 ms, to see that all works
  --syscalls           counts system calls with strace as well
  --json PATH          writes the figures there too
  --list               lists workloads and kinds
figures of a machine that does something else are worth little; the ratios are worth more";

pub(crate) struct Options {
    only: Vec<String>,
    kinds: Vec<String>,
    rounds: NonZero<usize>,
    pub(crate) slice: Duration,
    pub(crate) syscalls: bool,
    pub(crate) json: Option<PathBuf>,
}

/// What to do.
pub(crate) enum Task {
    Help,
    List,
    Measure(Options),
    /// The other role of this program, which `server` asks for.
    Serve {
        kind: String,
        socket: PathBuf,
    },
}

impl Options {
    pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Task, String> {
        let mut options = Self {
            only: Vec::new(),
            kinds: Vec::new(),
            rounds: const { NonZero::new(7).unwrap() },
            slice: Duration::from_millis(250),
            syscalls: false,
            json: None,
        };
        while let Some(word) = args.next() {
            match word.to_str() {
                Some("-h" | "--help") => return Ok(Task::Help),
                Some("--list") => return Ok(Task::List),
                Some("serve") => {
                    return Ok(Task::Serve {
                        kind: text("serve", args.next())?,
                        socket: args.next().ok_or("serve needs a socket")?.into(),
                    });
                }
                Some("--only") => options.only = list("--only", args.next())?,
                Some("--kinds") => {
                    options.kinds = list("--kinds", args.next())?;
                    for name in &options.kinds {
                        if Kind::named(name).is_none() {
                            return Err(format!("there is no kind {name}; --list shows them"));
                        }
                    }
                }
                Some("--rounds") => options.rounds = number("--rounds", args.next())?,
                Some("--slice") => {
                    let millis: NonZero<u64> = number("--slice", args.next())?;
                    options.slice = Duration::from_millis(millis.get());
                }
                Some("--quick") => {
                    options.rounds = const { NonZero::new(3).unwrap() };
                    options.slice = Duration::from_millis(60);
                }
                Some("--syscalls") => options.syscalls = true,
                Some("--json") => {
                    options.json = Some(args.next().ok_or("--json needs a path")?.into());
                }
                _ => return Err(format!("unknown argument {}", word.display())),
            }
        }
        Ok(Task::Measure(options))
    }

    /// Whether a workload of this name is to be measured.
    pub(crate) fn wants(&self, workload: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| workload.contains(part.as_str()))
    }

    /// The kinds that take part, in the order of the table.
    pub(crate) fn kinds(&self) -> impl Iterator<Item = &'static Kind> {
        let all = self.kinds.is_empty();
        Kind::all().filter(move |kind| all || self.kinds.iter().any(|name| name == kind.name))
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds.get()
    }
}

fn text(name: &str, word: Option<OsString>) -> Result<String, String> {
    let word = word.ok_or_else(|| format!("{name} needs a word"))?;
    word.into_string().map_err(|word| format!("{name} cannot be {}", word.display()))
}

fn list(name: &str, word: Option<OsString>) -> Result<Vec<String>, String> {
    Ok(text(name, word)?.split(',').map(str::to_owned).collect())
}

fn number<N: FromStr>(name: &str, word: Option<OsString>) -> Result<N, String> {
    let word = text(name, word)?;
    word.parse().map_err(|_| format!("{name} cannot be {word}"))
}
