//! `autod status`: how one daemon is.

use std::io::Write;
use std::time::Duration;

use autod_core::control::Target;
use serde_json::{Value, json};

use crate::failure::{Done, Failure};
use crate::question::{ask, list, millis, nanos, number, text};
use crate::style::{Colour, Style, bytes, harmless, time};
use crate::table::{Cell, Table};

pub async fn run(target: &Target, json: bool, patience: Duration) -> Result<Done, Failure> {
    show(&ask(target, "status", &[], patience).await?, json)
}

/// Prints what a daemon has answered.
pub fn show(status: &Value, json: bool) -> Result<Done, Failure> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{status}")?;
    } else {
        print(&mut out, status, Style::of_stdout())?;
    }
    Ok(Done::Well)
}

/// Prints in JSON which process has come in the place of which.
pub fn print_restarted(
    target: &Target,
    before: Option<u64>,
    status: &Value,
) -> std::io::Result<()> {
    let mut said = json!({
        "name": target.name(), "pid": status["pid"], "version": status["version"],
    });
    if let Some(before) = before {
        said["before"] = json!(before);
    }
    writeln!(std::io::stdout().lock(), "{said}")
}

fn print(out: &mut impl Write, status: &Value, style: Style) -> std::io::Result<()> {
    facts(out, status, style)?;
    why(out, status, style)?;
    calls(out, status, style)?;
    totals(out, status, style)
}

/// A fact behind its key.
pub fn line(out: &mut impl Write, style: Style, key: &str, value: &str) -> std::io::Result<()> {
    let pad = " ".repeat(9_usize.saturating_sub(key.len()));
    writeln!(out, "{}{pad} {}", style.paint(Colour::Bold, key), harmless(value))
}

fn facts(out: &mut impl Write, status: &Value, style: Style) -> std::io::Result<()> {
    let word = |key| text(status, key).unwrap_or("?");
    line(out, style, "daemon", &format!("{} (service {})", word("name"), word("service")))?;
    let up = millis(status, "uptime_ms").map(time).unwrap_or_default();
    let pid = number(status, "pid").unwrap_or(0);
    line(out, style, "state", &format!("{}, pid {pid}, up {up}", word("state")))?;
    if let Some(progress) = text(status, "progress") {
        line(out, style, "progress", progress)?;
    }
    let version = match word("version") {
        "" => "none of its own",
        version => version,
    };
    line(out, style, "version", &format!("{version} (autod {})", word("autod")))?;
    if status["outdated"].as_bool() == Some(true) {
        line(out, style, "outdated", "another build stands in its place; autod restart")?;
    }
    let memory = &status["memory"];
    if let Some(resident) = number(memory, "resident_bytes") {
        let peak = number(memory, "peak_bytes").map(|peak| format!(", at most {}", bytes(peak)));
        line(out, style, "memory", &format!("{}{}", bytes(resident), peak.unwrap_or_default()))?;
    }
    for key in ["socket", "log", "root"] {
        if let Some(path) = text(status, key) {
            line(out, style, key, path)?;
        }
    }
    let words: Vec<&str> = list(status, "arguments").iter().filter_map(Value::as_str).collect();
    if !words.is_empty() {
        line(out, style, "command", &words.join(" "))?;
    }
    Ok(())
}

/// What keeps it alive.
fn why(out: &mut impl Write, status: &Value, style: Style) -> std::io::Result<()> {
    let autoclose = millis(status, "autoclose_ms").map(time);
    let closes = match (autoclose, millis(status, "closes_in_ms")) {
        (_, Some(left)) => format!("in {} if nobody comes", time(left)),
        (Some(linger), None) => format!("{linger} after its last user"),
        (None, None) => "never by itself".to_owned(),
    };
    line(out, style, "goes", &closes)?;
    let count = number(status, "connections").unwrap_or(0);
    let users = list(status, "users");
    if count > 0 {
        writeln!(out, "\n{}", style.paint(Colour::Bold, &format!("{count} connected")))?;
        let mut table = Table::new(&["PID", "FOR", "CALLS", "DIRECTORY", "COMMAND"]).indented(2);
        for user in users {
            table.row([
                Cell::number(number(user, "pid")),
                Cell::number(millis(user, "age_ms").map(time)),
                Cell::number(number(user, "calls_open")),
                Cell::path(text(user, "cwd").unwrap_or("")),
                Cell::new(text(user, "command").unwrap_or("")),
            ]);
        }
        table.print(out, style)?;
    }
    let holds = list(status, "holds");
    if !holds.is_empty() {
        writeln!(out, "\n{}", style.paint(Colour::Bold, "held"))?;
        let mut table = Table::new(&["FOR", "REASON"]).indented(2);
        for hold in holds {
            table.row([
                Cell::number(millis(hold, "age_ms").map(time)),
                Cell::new(text(hold, "reason").unwrap_or("")),
            ]);
        }
        table.print(out, style)?;
    }
    Ok(())
}

fn calls(out: &mut impl Write, status: &Value, style: Style) -> std::io::Result<()> {
    let count = number(status, "calls_open").unwrap_or(0);
    if count == 0 {
        return Ok(());
    }
    let title =
        if count == 1 { "1 call in flight".to_owned() } else { format!("{count} calls in flight") };
    writeln!(out, "\n{}", style.paint(Colour::Bold, &title))?;
    let mut table = Table::new(&["METHOD", "FOR", "CALLER"]).indented(2);
    for user in list(status, "users") {
        for call in list(user, "calls") {
            table.row([
                Cell::new(text(call, "method").unwrap_or("")),
                Cell::number(millis(call, "age_ms").map(time)),
                Cell::number(number(user, "pid")),
            ]);
        }
    }
    table.print(out, style)
}

fn totals(out: &mut impl Write, status: &Value, style: Style) -> std::io::Result<()> {
    let methods = list(status, "methods");
    if methods.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{}", style.paint(Colour::Bold, "calls that have ended"))?;
    let heads = ["METHOD", "CALLS", "FAILED", "CANCELLED", "MEAN", "P50", "P99", "MAX"];
    let mut table = Table::new(&heads).indented(2);
    for method in methods {
        let counts = ["calls", "failed", "cancelled"].map(|key| Cell::number(number(method, key)));
        let times = ["mean_ns", "p50_ns", "p99_ns", "max_ns"]
            .map(|key| Cell::number(nanos(method, key).map(time)));
        let name = Cell::new(text(method, "name").unwrap_or(""));
        table.row([name].into_iter().chain(counts).chain(times));
    }
    table.print(out, style)
}
