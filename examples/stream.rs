//! A build whose log several terminals follow live.
//!
//! ```text
//! stream build COMMAND [ARGUMENT]... | follow
//! ```
//!
//! `build` runs a command in the daemon, in the directory and with the PATH of whoever asks, and
//! prints its log until it ends, as does `follow` in any other terminal: the whole log of the build
//! that runs, or of the last one. A build goes on when the terminal that asked for it is closed.
//! The exit code is that of the build; 1 for an error of our own, 2 for wrong usage.

use std::io::{BufRead as _, BufReader, ErrorKind, Read, Write as _};
use std::process::{Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

const USAGE: &str = "usage: stream build COMMAND [ARGUMENT]... | follow";

/// What a build says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Event {
    /// A line of its output.
    Line(String),
    /// The last one: its exit code, if it exited.
    Ended(Option<i32>),
}

/// One build at a time, and its log for everybody.
#[autod::service]
pub trait Builder {
    /// Starts a build.
    async fn start(&self, command: Vec<String>) -> Result<(), String>;
    /// The log of the last build from its beginning, live, to its end.
    fn follow(&self) -> impl Stream<Item = Event>;
}

/// The log of one build, and the news that there is more of it.
struct Log {
    events: Mutex<Vec<Event>>,
    length: watch::Sender<usize>,
}

impl Log {
    fn new() -> Self {
        Self { events: Mutex::default(), length: watch::Sender::new(0) }
    }

    fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: Event) {
        let mut events = self.events();
        events.push(event);
        self.length.send_replace(events.len());
    }

    fn is_over(&self) -> bool {
        matches!(self.events().last(), Some(Event::Ended(_)))
    }

    /// Every event once, in order, also those that come while it is read.
    fn follow(self: Arc<Self>) -> impl Stream<Item = Event> {
        let length = self.length.subscribe();
        stream::unfold((self, length, 0), async |(log, mut length, at)| {
            if at > 0 && matches!(log.events().get(at - 1), Some(Event::Ended(_))) {
                return None;
            }
            length.wait_for(|&length| length > at).await.ok()?;
            let event = log.events()[at].clone();
            Some((event, (log, length, at + 1)))
        })
    }
}

type Last = Mutex<Option<Arc<Log>>>;

struct Builds {
    last: Arc<Last>,
    session: autod::Session,
}

impl Builds {
    fn last(&self) -> MutexGuard<'_, Option<Arc<Log>>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Builder for Builds {
    async fn start(&self, command: Vec<String>) -> Result<(), String> {
        let mut last = self.last();
        if last.as_ref().is_some_and(|log| !log.is_over()) {
            return Err("a build runs already; follow it".to_owned());
        }
        let [program, arguments @ ..] = &command[..] else {
            return Err("there is no command to run".to_owned());
        };
        let caller = self.session.caller();
        let mut process = Command::new(program);
        process.args(arguments).current_dir(caller.cwd());
        if let Some(path) = caller.env("PATH") {
            process.env("PATH", path);
        }
        let (output, input) = std::io::pipe().map_err(|error| format!("no pipe: {error}"))?;
        let errors = input.try_clone().map_err(|error| format!("no pipe: {error}"))?;
        process.stdin(Stdio::null()).stdout(input).stderr(errors);
        let mut child =
            process.spawn().map_err(|error| format!("cannot run {program}: {error}"))?;
        drop(process);
        let log = Arc::new(Log::new());
        *last = Some(Arc::clone(&log));
        // The build is a reason to stay, whoever hangs up.
        let hold = self.session.daemon().hold(format!("building: {}", command.join(" ")));
        std::thread::spawn(move || {
            read(output, &log);
            let code = child.wait().ok().and_then(|status| status.code());
            log.push(Event::Ended(code));
            drop(hold);
        });
        Ok(())
    }

    fn follow(&self) -> impl Stream<Item = Event> {
        let log = self.last().clone();
        let nothing = || stream::iter([Event::Line("there has been no build".to_owned())]);
        match log {
            Some(log) => log.follow().left_stream(),
            None => nothing().right_stream(),
        }
    }
}

fn read(output: impl Read, log: &Log) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        log.push(Event::Line(String::from_utf8_lossy(&line).into_owned()));
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let command = match words.split_first() {
        Some((verb, [])) if verb == "follow" => None,
        Some((verb, command)) if verb == "build" && !command.is_empty() => Some(command.to_vec()),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let code = autod::Daemon::new("autod-stream")
        .autoclose(Duration::from_secs(60))
        .caller_env(["PATH"])
        .init(async |_start| Ok(Mutex::new(None)))
        .serve(|last, session| Builds { last, session })
        .run(async |builder: BuilderClient| print(builder, command).await);
    match code {
        Ok(code) => code,
        Err(error) => {
            eprintln!("stream: {error:?}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the log until the build ends; gives its exit code.
async fn print(builder: BuilderClient, command: Option<Vec<String>>) -> autod::Result<ExitCode> {
    if let Some(command) = command {
        builder.start(command).await?;
    }
    let mut events = builder.follow();
    let mut out = std::io::stdout().lock();
    while let Some(event) = events.next().await {
        match event? {
            Event::Line(line) => match writeln!(out, "{line}") {
                // Whoever reads the log may stop reading; the build goes on.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => break,
                result => result.map_err(autod::Error::custom)?,
            },
            Event::Ended(code) => {
                let code = code.and_then(|code| u8::try_from(code).ok());
                return Ok(code.map_or(ExitCode::FAILURE, ExitCode::from));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
