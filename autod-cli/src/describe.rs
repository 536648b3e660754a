//! `autod describe`: the methods of a daemon.

use std::io::Write;
use std::time::Duration;

use serde_json::Value;

use crate::failure::{Done, Failure};
use crate::question::{list, number, text};
use crate::style::{Colour, Style, harmless};
use crate::there::Place;

pub(crate) async fn run(name: &str, json: bool, patience: Duration) -> Result<Done, Failure> {
    let description = Place::find(name, false, patience).await?.ask("describe").await?;
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{description}")?;
    } else {
        print(&mut out, &description, Style::of_stdout())?;
    }
    Ok(Done::Well)
}

fn print(out: &mut impl Write, description: &Value, style: Style) -> std::io::Result<()> {
    docs(out, style, description, "")?;
    let name = text(description, "service").unwrap_or("?");
    writeln!(out, "service {} {{", style.paint(Colour::Bold, &harmless(name)))?;
    for (at, method) in list(description, "methods").iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        docs(out, style, method, "    ")?;
        writeln!(out, "    {}", signature(method, style))?;
    }
    writeln!(out, "}}")
}

fn docs(out: &mut impl Write, style: Style, value: &Value, indent: &str) -> std::io::Result<()> {
    for line in text(value, "docs").unwrap_or("").trim().lines() {
        let line = format!("/// {}", harmless(line.trim()));
        writeln!(out, "{indent}{}", style.paint(Colour::Dim, line.trim_end()))?;
    }
    Ok(())
}

/// As it stands in the trait, or nearly so.
fn signature(method: &Value, style: Style) -> String {
    let kind = text(method, "kind").unwrap_or("");
    let typed = |argument: &Value, ty: &str| {
        format!("{}: {ty}", harmless(text(argument, "name").unwrap_or("_")))
    };
    let of = |value: &Value| harmless(text(value, "type").unwrap_or("?"));
    let mut arguments: Vec<String> =
        list(method, "arguments").iter().map(|argument| typed(argument, &of(argument))).collect();
    if let Some(input) = method.get("input") {
        arguments.push(typed(input, &format!("impl Stream<Item = {}>", of(input))));
    }
    if kind == "bytes" {
        arguments.push("bytes: ByteStream".to_owned());
    }
    let mut output = harmless(text(method, "output").unwrap_or("()"));
    if matches!(kind, "stream" | "both-ways") {
        output = format!("impl Stream<Item = {output}>");
    }
    if let Some(error) = text(method, "error") {
        output = format!("Result<{output}, {}>", harmless(error));
    }
    let arrow = if output == "()" { String::new() } else { format!(" -> {output}") };
    let name = style.paint(Colour::Bold, &harmless(text(method, "name").unwrap_or("?")));
    let mut notes = Vec::new();
    if let Some(kept) = number(method, "drop_oldest") {
        notes.push(format!("keeps the newest {kept}"));
    }
    for (key, words) in [("no_cancel", "not cancelled"), ("idempotent", "idempotent")] {
        if method[key].as_bool() == Some(true) {
            notes.push(words.to_owned());
        }
    }
    let notes = if notes.is_empty() { String::new() } else { format!("  // {}", notes.join(", ")) };
    format!("fn {name}({}){arrow}{}", arguments.join(", "), style.paint(Colour::Dim, &notes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_method_of_each_kind_reads_as_it_was_written() {
        let read = |value| signature(&value, Style::of(false, None));
        let n = json!([{"name": "n", "type": "i64"}]);
        let unary = json!({"name": "add", "kind": "unary", "arguments": n, "output": "i64"});
        assert_eq!(read(unary), "fn add(n: i64) -> i64");
        let close = json!({"name": "close", "kind": "unary", "output": "()", "no_cancel": true});
        assert_eq!(read(close), "fn close()  // not cancelled");
        let watch = json!({"name": "watch", "kind": "stream", "output": "i64", "drop_oldest": 64});
        assert_eq!(read(watch), "fn watch() -> impl Stream<Item = i64>  // keeps the newest 64");
        let both = json!({"name": "both", "kind": "both-ways", "output": "u8", "error": "String",
            "input": {"name": "items", "type": "u8"}});
        let expected =
            "fn both(items: impl Stream<Item = u8>) -> Result<impl Stream<Item = u8>, String>";
        assert_eq!(read(both), expected);
        let bytes = json!({"name": "upper", "kind": "bytes", "output": "u64"});
        assert_eq!(read(bytes), "fn upper(bytes: ByteStream) -> u64");
    }
}
