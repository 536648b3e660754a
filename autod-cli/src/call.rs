//! `autod call`: a method by its name.

use std::io::{self, Write};
use std::pin::pin;
use std::time::Duration;

use autod::json::Client;
use autod::{CallError, Incoming, Pipe};
use futures::future::{Either, select};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;

use crate::failure::{Done, Failure, NO_ANSWER, NOT_RUNNING, UNFINISHED, USAGE};
use crate::input::Mistake;
use crate::question::{list, text};
use crate::reader::while_read;
use crate::signals::Signals;
use crate::there::Place;
use crate::told::{Told, in_full};
use crate::{arguments, input};

/// How long what is being printed may take after an interrupt.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What shells give a command that was interrupted.
const INTERRUPTED: u8 = 130;

pub(crate) struct Options<'a> {
    pub(crate) name: &'a str,
    pub(crate) method: &'a str,
    pub(crate) arguments: Vec<String>,
    pub(crate) json: bool,
    pub(crate) patience: Duration,
}

/// This thread may wait for whoever reads the output; the connection goes on meanwhile on another.
pub(crate) fn run(options: Options<'_>) -> Result<Done, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start a runtime: {error}")))?
        .block_on(call(options))
}

async fn call(options: Options<'_>) -> Result<Done, Failure> {
    let mut place = Place::find(options.name, true, options.patience).await?;
    let description = place.ask("describe").await?;
    let method = method(&place, &description, options.method)?;
    let kind = text(method, "kind").unwrap_or("");
    let arguments = arguments::read(&options.arguments, method).map_err(|mistake| {
        let name = options.method;
        Failure::coded(USAGE, format!("cannot call {name}: {mistake}")).with_help(format!(
            "`autod describe {}` shows its arguments; write KEY=VALUE for each, or one JSON object",
            options.name
        ))
    })?;
    let is_stream = matches!(kind, "stream" | "both-ways");
    let interrupted = interruption(if is_stream { 0 } else { INTERRUPTED })?;
    let client = place.connect_untyped().await?;
    let outcome = Outcome { json: options.json, prints_unit: output(method) != "()" };
    let work = perform(&client, options.method, kind, &arguments, &outcome);
    let work = pin!(async {
        // What is worth nothing unread is given up when nobody reads it.
        match kind {
            "stream" | "both-ways" | "bytes" => while_read(work).await.unwrap_or(Ok(Done::Well)),
            _ => work.await,
        }
    });
    match select(work, interrupted).await {
        Either::Left((done, _)) => done,
        // The call is dropped, which cancels it.
        Either::Right(_) if is_stream => Ok(Done::Well),
        Either::Right(_) => Err(Failure::silent(INTERRUPTED)),
    }
}

fn method<'a>(place: &Place, description: &'a Value, name: &str) -> Result<&'a Value, Failure> {
    let methods = list(description, "methods");
    methods.iter().find(|method| text(method, "name") == Some(name)).ok_or_else(|| {
        let names: Vec<&str> = methods.iter().filter_map(|method| text(method, "name")).collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let owner = place.name();
        Failure::coded(USAGE, format!("the {owner} daemon has no method {name}; it has {names}"))
            .with_help(format!("`autod describe {owner}` shows what each does"))
    })
}

fn output(method: &Value) -> &str {
    text(method, "output").unwrap_or("")
}

/// Comes when the process is interrupted, or its terminal goes. If it has not ended soon after, because nobody reads what
/// it prints, it ends with this code.
fn interruption(code: u8) -> Result<oneshot::Receiver<()>, Failure> {
    let failed = |error: io::Error| Failure::new(format!("cannot hear signals: {error}"));
    let signals = Signals::listen().map_err(failed)?;
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        if signals.any().await.is_ok() {
            let _ = tell.send(());
            tokio::time::sleep(LAST_WORDS).await;
            std::process::exit(code.into());
        }
        // Otherwise nothing is heard, and nothing is told.
        std::future::pending::<()>().await;
    });
    Ok(told)
}

async fn perform(
    client: &Client,
    method: &str,
    kind: &str,
    arguments: &Value,
    outcome: &Outcome,
) -> Result<Done, Failure> {
    match kind {
        "stream" => print_items(client.open(method, arguments), outcome).await,
        "bytes" => filter(client.pipe(method, arguments), outcome).await,
        "client-stream" => {
            let (items, mistake) = input::values();
            let work = async { outcome.print(client.send(method, arguments, items).await) };
            unless_mistaken(work, mistake).await
        }
        "both-ways" => {
            let (items, mistake) = input::values();
            let work = print_items(client.exchange(method, arguments, items), outcome);
            unless_mistaken(work, mistake).await
        }
        "unary" => outcome.print(client.call(method, arguments).await),
        other => Err(Failure::new(format!("the method {method} is of a newer autod: {other}"))),
    }
}

/// Gives the call up when what is to be sent is wrong.
async fn unless_mistaken(
    work: impl Future<Output = Result<Done, Failure>>,
    mistake: oneshot::Receiver<Mistake>,
) -> Result<Done, Failure> {
    match select(pin!(work), mistake).await {
        Either::Left((done, _)) => done,
        Either::Right((Ok(mistake), _)) => Err(Failure::coded(USAGE, mistake.text)),
        // All of the input was good.
        Either::Right((Err(_), work)) => work.await,
    }
}

async fn print_items(
    mut items: Incoming<Value, CallError<Value>>,
    outcome: &Outcome,
) -> Result<Done, Failure> {
    while let Some(item) = items.next().await {
        match item {
            Ok(item) => outcome.value(&mut io::stdout().lock(), &item)?,
            Err(error) => return outcome.print(Err(error)),
        }
    }
    Ok(Done::Well)
}

/// The bytes go through; the answer goes where it is not among them.
async fn filter(
    mut pipe: Pipe<Value, CallError<Value>>,
    outcome: &Outcome,
) -> Result<Done, Failure> {
    let mut parts = input::parts();
    let (mut from, mut to) = tokio::io::split(&mut pipe);
    let there = async {
        while let Some(part) = parts.recv().await {
            let part =
                part.map_err(|error| Failure::new(format!("cannot read standard input: {error}")))?;
            // The daemon may take no more; the end of the call tells why.
            if to.write_all(&part).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
        Ok::<(), Failure>(())
    };
    let back = async {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let mut out = io::stdout().lock();
            out.write_all(&buffer[..length]).and_then(|()| out.flush())?;
        }
        Ok::<(), Failure>(())
    };
    // Reading ends when the method has answered or failed, also if nobody types any more.
    match select(pin!(there), pin!(back)).await {
        Either::Left((sent, back)) => sent.and(back.await)?,
        Either::Right((received, _)) => received?,
    }
    match pipe.finish().await {
        Ok(answer) => outcome.value(&mut io::stderr().lock(), &answer).map(|()| Done::Well),
        Err(error) => outcome.print(Err(error)),
    }
}

/// How answers are printed.
struct Outcome {
    json: bool,
    /// `null` is a value of the method's, and not only the lack of one.
    prints_unit: bool,
}

impl Outcome {
    fn print(&self, answer: Result<Value, CallError<Value>>) -> Result<Done, Failure> {
        match answer {
            Ok(value) => {
                let printed = self.value(&mut io::stdout().lock(), &value);
                printed.map_err(|failure| failure.about("the call was executed"))?;
                Ok(Done::Well)
            }
            Err(CallError::Service(error)) if self.json => {
                writeln!(io::stdout().lock(), "{}", json!({"error": error}))?;
                Ok(Done::WithFindings)
            }
            Err(CallError::Service(error)) => Err(Failure::plain(1, error.to_string())),
            Err(CallError::Autod(error)) => Err(unfinished(&error)),
        }
    }

    fn value(&self, out: &mut impl Write, value: &Value) -> Result<(), Failure> {
        if self.json {
            writeln!(out, "{}", json!({"ok": value}))?;
        } else if self.prints_unit {
            writeln!(out, "{value}")?;
        }
        Ok(out.flush()?)
    }
}

fn unfinished(error: &autod::Error) -> Failure {
    let code = match () {
        () if error.is_timeout() => NO_ANSWER,
        () if error.is_not_running() => NOT_RUNNING,
        () => UNFINISHED,
    };
    let executed = if error.may_have_executed() { "" } else { "; it was not executed" };
    Failure::coded(code, Told::new(in_full(error) + executed, error.help()))
}
