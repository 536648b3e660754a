//! A counter that lives between commands.
//!
//! ```text
//! counter [--host HOST] [--sockfile PATH] [--autoclose SECONDS] add N | get | watch | close
//! ```
//!
//! With HOST, the counter of another machine, over ssh: `[USER@]HOST` or
//! `ssh://[USER@]HOST[:PORT][/PROGRAM]`. PATH and SECONDS then go for that machine.
//!
//! The result alone goes to standard output. Errors go to standard error with exit code 1, wrong
//! usage with 2. The daemon goes when it was closed, or has had no caller for SECONDS (60).

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{Stream, stream};
use tokio::sync::broadcast;

const USAGE: &str = "usage: counter [--host HOST] [--sockfile PATH] [--autoclose SECONDS] add N | get | watch | close";

/// A number that outlives the commands that change it.
#[autod::service]
pub trait Counter {
    /// Adds `n` and returns the new total. The total stays at the ends of its range.
    async fn add(&self, n: i64) -> i64;
    /// The total.
    async fn get(&self) -> i64;
    /// The total now, and after every change.
    fn watch(&self) -> impl Stream<Item = i64>;
    /// Ends the daemon. The next command begins at 0.
    async fn close(&self);
}

struct State {
    total: Mutex<i64>,
    changes: broadcast::Sender<i64>,
}

impl State {
    /// A watcher that falls further behind than this misses the oldest changes.
    const BEHIND: usize = 4096;

    fn new() -> Self {
        Self { total: Mutex::new(0), changes: broadcast::Sender::new(Self::BEHIND) }
    }

    fn change(&self, change: impl FnOnce(&mut i64)) -> i64 {
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut total);
        // Under the lock, so that watchers see the changes in order. Nobody may be watching.
        let _ = self.changes.send(*total);
        *total
    }

    fn follow(&self) -> (i64, broadcast::Receiver<i64>) {
        let total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        (*total, self.changes.subscribe())
    }
}

struct Total {
    state: Arc<State>,
    session: autod::Session,
}

impl Counter for Total {
    async fn add(&self, n: i64) -> i64 {
        self.state.change(|total| *total = total.saturating_add(n))
    }

    async fn get(&self) -> i64 {
        self.state.follow().0
    }

    fn watch(&self) -> impl Stream<Item = i64> {
        let (now, changes) = self.state.follow();
        stream::unfold((Some(now), changes), async |(now, mut changes)| {
            if let Some(now) = now {
                return Some((now, (None, changes)));
            }
            loop {
                match changes.recv().await {
                    Ok(total) => return Some((total, (None, changes))),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
    }

    async fn close(&self) {
        self.session.daemon().close();
    }
}

enum Command {
    Add(i64),
    Get,
    Watch,
    Close,
}

struct Options {
    host: Option<String>,
    sockfile: Option<PathBuf>,
    autoclose: Duration,
    command: Command,
}

impl Options {
    /// `None` asks for help.
    fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Option<Self>, String> {
        let mut host = None;
        let mut sockfile = None;
        let mut autoclose = Duration::from_secs(60);
        let command = loop {
            let word = match args.next() {
                Some(word) => word,
                // Run for a caller on another machine, who has said there what it wants.
                None if autod::is_bridge() => break Command::Get,
                None => return Err("a command is missing".to_owned()),
            };
            let word = word.to_str().ok_or("the command is not text")?;
            match word {
                "-h" | "--help" => return Ok(None),
                "--host" => host = Some(text(args.next(), "--host needs the name of a machine")?),
                "--sockfile" => {
                    sockfile = Some(args.next().ok_or("--sockfile needs a path")?.into());
                }
                "--autoclose" => {
                    let seconds = text(args.next(), "--autoclose needs a number of seconds")?;
                    autoclose = seconds
                        .parse()
                        .ok()
                        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                        .ok_or_else(|| format!("--autoclose cannot be {seconds:?}"))?;
                }
                "add" => {
                    let n = text(args.next(), "add needs a number")?;
                    let n = n.parse().map_err(|error| format!("cannot add {n:?}: {error}"))?;
                    break Command::Add(n);
                }
                "get" => break Command::Get,
                "watch" => break Command::Watch,
                "close" => break Command::Close,
                other => return Err(format!("unknown argument {other:?}")),
            }
        };
        match args.next() {
            None => Ok(Some(Self { host, sockfile, autoclose, command })),
            Some(more) => Err(format!("unexpected argument {}", more.display())),
        }
    }
}

fn text(word: Option<OsString>, missing: &str) -> Result<String, String> {
    word.ok_or(missing)?.into_string().map_err(|word| format!("{} is not text", word.display()))
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args_os().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("counter: {mistake}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("counter: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(Options { host, sockfile, autoclose, command }: Options) -> autod::Result<()> {
    let mut daemon = autod::Daemon::new("autod-counter").autoclose(autoclose);
    if let Some(host) = host {
        let mut there = autod::Ssh::new(host);
        there = there.arg("--autoclose").arg(autoclose.as_secs_f64().to_string());
        if let Some(path) = sockfile {
            there = there.arg("--sockfile").arg(path);
        }
        daemon = daemon.remote(there);
    } else if let Some(path) = sockfile {
        daemon = daemon.sockfile(path);
    }
    daemon
        .init(async |_start| Ok(State::new()))
        .serve(|state, session| Total { state, session })
        .run(async |counter: CounterClient| match command {
            Command::Add(n) => print(counter.add(n).await?),
            Command::Get => print(counter.get().await?),
            Command::Watch => {
                let mut totals = counter.watch();
                while let Some(total) = totals.next().await {
                    print(total?)?;
                }
                Ok(())
            }
            Command::Close => counter.close().await,
        })
}

/// Whoever reads the output may stop reading; that is no error.
fn print(total: i64) -> autod::Result<()> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{total}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        result => result.map_err(autod::Error::custom),
    }
}
