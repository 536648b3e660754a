//! `autod doctor`: what keeps daemons from running well, and how to mend it.
//!
//! It changes nothing but for a file and a socket of its own, which it removes.

mod daemons;
mod place;
mod system;

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::failure::{Done, Failure};
use crate::style::{Colour, Style, harmless};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    Well,
    /// Worth knowing.
    Note,
    /// It works, and not always.
    Warning,
    /// It does not work.
    Error,
}

impl Grade {
    fn word(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    fn colour(self) -> Colour {
        match self {
            Self::Well => Colour::Green,
            Self::Note => Colour::None,
            Self::Warning => Colour::Yellow,
            Self::Error => Colour::Red,
        }
    }
}

/// What one look has come to.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    /// What was looked at; scripts know it by this.
    check: &'static str,
    grade: Grade,
    text: String,
    /// What to do about it.
    mend: Option<String>,
}

impl Finding {
    fn well(check: &'static str, text: impl Into<String>) -> Self {
        Self { check, grade: Grade::Well, text: text.into(), mend: None }
    }

    fn note(check: &'static str, text: impl Into<String>) -> Self {
        Self { grade: Grade::Note, ..Self::well(check, text) }
    }

    fn warning(check: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { grade: Grade::Warning, mend: Some(mend.into()), ..Self::well(check, text) }
    }

    fn error(check: &'static str, text: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { grade: Grade::Error, mend: Some(mend.into()), ..Self::well(check, text) }
    }

    fn to_json(&self) -> Value {
        let mut object =
            json!({"check": self.check, "grade": self.grade.word(), "text": self.text});
        if let Some(mend) = &self.mend {
            object["mend"] = json!(mend);
        }
        object
    }
}

pub(crate) async fn run(json: bool, patience: Duration) -> Result<Done, Failure> {
    let mut findings = place::examine();
    findings.extend(system::examine());
    findings.extend(daemons::examine(patience).await);
    let mut out = std::io::stdout().lock();
    if json {
        for finding in &findings {
            writeln!(out, "{}", finding.to_json())?;
        }
    } else {
        print(&mut out, &findings, Style::of_stdout())?;
    }
    let is_bad = |finding: &Finding| matches!(finding.grade, Grade::Warning | Grade::Error);
    Ok(if findings.iter().any(is_bad) { Done::WithFindings } else { Done::Well })
}

fn print(out: &mut impl Write, findings: &[Finding], style: Style) -> std::io::Result<()> {
    for finding in findings {
        let word = format!("{:<7}", finding.grade.word());
        let word = style.paint(finding.grade.colour(), &word);
        writeln!(out, "{word} {}: {}", finding.check, harmless(&finding.text))?;
        if let Some(mend) = &finding.mend {
            writeln!(out, "        {} {}", style.paint(Colour::Bold, "mend:"), harmless(mend))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{assert_snapshot, visible};

    #[test]
    fn findings_line_up() {
        let findings = [
            Finding::well("locks", "file locks hold"),
            Finding::note("sandbox", "a filter of system calls is on"),
            Finding::warning("open-files", "a process may have 64 files open", "ulimit -Hn"),
            Finding::error("daemon", "counter\x1b[2J does not answer", "autod stop --kill counter"),
        ];
        let mut text = String::new();
        for style in [Style::of(false, None), Style::of(true, Some(80))] {
            let mut out = Vec::new();
            print(&mut out, &findings, style).unwrap();
            text += &visible(&String::from_utf8(out).unwrap());
        }
        for finding in &findings {
            text += &finding.to_json().to_string();
            text.push('\n');
        }
        assert_snapshot("doctor.txt", &text);
    }
}
