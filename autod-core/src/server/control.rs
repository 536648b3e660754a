//! What a daemon is asked about itself, and what it answers: PROTOCOL.md, "Control".
//!
//! The desk answers, so it answers while handlers block all other threads. A question is a flat JSON
//! object, an answer a nested one; fields are only ever added, so that the command of one build
//! understands the daemon of another.

use std::path::Path;
use std::time::Duration;

use tokio::net::UnixStream;

use super::Shop;
use super::facts::memory;
use super::register::User;
use crate::daemon::Peer;
use crate::error::Result;
use crate::flat_json::{Object, Writer, cut};
use crate::greet::{self, Ear};
use crate::handle::{Ending, Phase};
use crate::identity::Build;
use crate::mux::{Figures, OpenCall};
use crate::service::{Argument, Method, Policy};
use crate::voucher::Voucher;
use crate::wire::greeting::{Answer, Hello, MAX_REPORT, VERSION};

/// The most connections, holds, and calls of one connection that are listed.
const LISTED: usize = 128;

/// The most that is said of one text.
const TEXT: usize = 256;

/// A question that has no answer.
struct Refusal {
    code: &'static str,
    text: String,
}

fn refuse(code: &'static str, text: impl Into<String>) -> Refusal {
    Refusal { code, text: text.into() }
}

impl Shop {
    /// Answers a question. Whoever closes the daemon keeps the connection until the process is gone.
    pub(super) async fn control(&self, mut stream: UnixStream, hello: &Hello) -> Result<()> {
        let answer = self.answer(hello).await;
        let ends = matches!(answer, Ok(None));
        let report = match answer {
            Ok(answer) => Writer::default().object("ok", answer.unwrap_or_default()).finish(),
            Err(refusal) => refused(&refusal),
        };
        let report = if report.len() > MAX_REPORT {
            refused(&refuse("too-large", "the answer is longer than an answer can be"))
        } else {
            report
        };
        greet::say(&mut stream, &Answer::Report(report), self.server.limits.handshake).await?;
        if ends {
            tokio::spawn(async move { Ear::default().hung_up(&mut stream).await });
        }
        Ok(())
    }

    /// `None`: the daemon ends.
    async fn answer(&self, hello: &Hello) -> Result<Option<Writer>, Refusal> {
        let malformed = || refuse("malformed", "a question is a flat JSON object with a method");
        let question = Object::parse(hello.control.as_bytes()).ok_or_else(malformed)?;
        match question.text("method").ok_or_else(malformed)? {
            "status" => Ok(Some(self.status())),
            "describe" => Ok(Some(self.description())),
            "close" => self.close(hello).map(|()| None),
            "log" => self.log().map(Some),
            "log-level" => {
                let level = question.text("level").ok_or_else(|| {
                    refuse("malformed", "the level is missing: a text like info or debug")
                })?;
                self.set_log_level(level.to_owned()).await.map(Some)
            }
            other => Err(refuse("unknown-method", format!("there is no control method {other}"))),
        }
    }

    fn status(&self) -> Writer {
        let server = &self.server;
        let (daemon, facts) = (&server.daemon, &server.facts);
        let status = daemon.status();
        let phase = daemon.phase().borrow().clone();
        let (state, progress) = match &phase {
            Phase::Starting(text) => {
                ("starting", Some(text.as_str()).filter(|text| !text.is_empty()))
            }
            Phase::Ready(_) => ("ready", None),
            Phase::Failed(_) => ("failed", None),
            Phase::Leaving => ("closing", None),
        };
        let users = self.register.users(LISTED, LISTED);
        let calls: usize = users.iter().map(|user| user.open).sum();
        let open = users.iter().flat_map(|user| &user.calls);
        let streams = open.filter(|call| call.is_stream).count();
        let holds = status.holds.iter().take(LISTED).map(|(reason, age)| {
            Writer::default().text("reason", cut(reason, TEXT)).number("age_ms", millis(*age))
        });
        let (resident, peak) = memory();
        let arguments = facts.arguments.as_deref();
        let life = format!("{:016x}", daemon.life());
        let out = Writer::default()
            .text("autod", env!("CARGO_PKG_VERSION"))
            .number("protocol", VERSION.into())
            .text("name", &facts.name)
            .text("service", server.table.name)
            .text("fingerprint", &format!("{:016x}", server.table.fingerprint()))
            .number("pid", status.pid.into())
            .text("life", &life)
            .text("version", server.build.version())
            .text("build", &server.build.to_string())
            .flag("outdated", self.is_outdated())
            .text("state", state)
            .text_if("progress", progress.map(|text| cut(text, TEXT)))
            .number("uptime_ms", millis(status.uptime))
            .text("manner", facts.manner.word())
            .text_if("socket", path(&facts.socket))
            .text_if("log", facts.log.as_deref().and_then(path))
            .text_if("root", facts.root.as_deref().and_then(path))
            .text_if("executable", facts.executable.as_deref().and_then(path))
            .text_if("started_in", facts.started_in.as_deref().and_then(path));
        let out = match arguments {
            Some(arguments) => out.texts("arguments", arguments),
            None => out,
        };
        let out = out
            .number_if("autoclose_ms", facts.autoclose.map(millis))
            .number_if("closes_in_ms", daemon.lease().expires_in().map(millis))
            .number("connections", status.connections as u64)
            .number("calls_open", calls as u64)
            .number("streams_open", streams as u64)
            .objects("holds", holds)
            .objects("users", users.iter().map(user))
            .objects("methods", self.tally.figures().map(|figures| totals(&figures)))
            .number("unknown_methods", self.tally.unknown());
        let memory =
            Writer::default().number_if("resident_bytes", resident).number_if("peak_bytes", peak);
        out.object("memory", memory)
    }

    fn description(&self) -> Writer {
        let table = self.server.table;
        Writer::default()
            .text("name", &self.server.facts.name)
            .text("service", table.name)
            .text("docs", table.docs)
            .text("fingerprint", &format!("{:016x}", table.fingerprint()))
            .objects("methods", table.methods.iter().map(method))
    }

    fn close(&self, hello: &Hello) -> Result<(), Refusal> {
        let daemon = &self.server.daemon;
        if hello.life != 0 && hello.life != daemon.life() {
            return Err(refuse("life", "the question is for an earlier life of the daemon"));
        }
        daemon.end(Ending::Closing);
        Ok(())
    }

    fn log(&self) -> Result<Writer, Refusal> {
        let log = self.server.facts.log.as_deref().and_then(path);
        let log = log.ok_or_else(|| {
            refuse(
                "unsupported",
                "the daemon writes no log of its own: it runs under somebody else",
            )
        })?;
        Ok(Writer::default().text("path", log))
    }

    /// What the program does then is its business, and may block.
    async fn set_log_level(&self, level: String) -> Result<Writer, Refusal> {
        let Some(set) = self.server.daemon.log_level_hook() else {
            let text = "the program of this daemon does not let its log level be set; it does so by \
                        DaemonHandle::on_log_level";
            return Err(refuse("unsupported", text));
        };
        let done = self.sessions.spawn_blocking(move || set(&level)).await;
        match done {
            Ok(Ok(())) => Ok(Writer::default()),
            Ok(Err(error)) => Err(refuse("failed", error.to_string())),
            Err(_) => Err(refuse("failed", "setting the log level panicked")),
        }
    }

    /// Whether another build stands where this one was started from.
    fn is_outdated(&self) -> bool {
        let server = &self.server;
        let there = server.facts.executable.as_deref().and_then(|path| path.metadata().ok());
        there.is_some_and(|there| Build::new(server.build.version(), Some(&there)) != server.build)
    }
}

fn refused(refusal: &Refusal) -> String {
    let error =
        Writer::default().text("code", refusal.code).text("text", cut(&refusal.text, 16 * TEXT));
    Writer::default().object("error", error).finish()
}

fn path(path: &Path) -> Option<&str> {
    path.to_str().filter(|path| !path.is_empty())
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn user(user: &User) -> Writer {
    let words = user.caller.arguments().map(|word| word.to_string_lossy());
    let command = words.collect::<Vec<_>>().join(" ");
    let call = |call: &OpenCall| {
        Writer::default()
            .text("method", call.method.unwrap_or("?"))
            .number("age_ms", millis(call.age))
    };
    let (peer, whose) = match &user.voucher {
        Voucher::Kernel(peer) => (Some(peer), None),
        Voucher::Login { user, bridge } => (Some(bridge), Some(format!("login of {user}"))),
        Voucher::Certificate { subject } => (None, Some(format!("certificate of {subject}"))),
        Voucher::Nobody => (None, Some("nobody".to_owned())),
    };
    Writer::default()
        .number_if("pid", peer.and_then(Peer::pid).map(u64::from))
        .number_if("uid", peer.map(|peer| peer.uid().into()))
        .text_if("voucher", whose.as_deref())
        .text("command", cut(&command, TEXT))
        .text("cwd", cut(&user.caller.cwd().to_string_lossy(), TEXT))
        .number("age_ms", millis(user.age))
        .number("calls_open", user.open as u64)
        .objects("calls", user.calls.iter().map(call))
}

fn totals(figures: &Figures) -> Writer {
    Writer::default()
        .text("name", figures.method)
        .text("kind", figures.kind.word())
        .number("calls", figures.calls)
        .number("failed", figures.failed)
        .number("cancelled", figures.cancelled)
        .number("total_ns", nanos(figures.total))
        .number("mean_ns", nanos(figures.mean))
        .number("p50_ns", nanos(figures.median))
        .number("p99_ns", nanos(figures.p99))
        .number("max_ns", nanos(figures.longest))
}

fn method(method: &Method) -> Writer {
    let argument = |argument: &Argument| {
        Writer::default().text("name", argument.name).text("type", argument.ty)
    };
    let out = Writer::default()
        .text("name", method.name)
        .text("id", &format!("{:016x}", method.id))
        .text("kind", method.kind.word())
        .text("docs", method.docs)
        .objects("arguments", method.arguments.iter().map(argument));
    let out = match &method.input {
        Some(input) => out.object("input", argument(input)),
        None => out,
    };
    let out = out.text("output", method.output).text_if("error", method.error);
    let out = match method.policy {
        Policy::BackPressure => out,
        Policy::DropOldest(kept) => out.number("drop_oldest", kept as u64),
    };
    out.flag("no_cancel", method.no_cancel).flag("idempotent", method.idempotent)
}
