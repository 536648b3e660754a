//! The file that describes services. All of it is checked, and everything that is wrong is reported at
//! once, each at its place.
//!
//! What the keys mean is in `docs/activation.md`.

mod listen;
mod table;
mod value;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::address::{Address, Target};
use crate::service::Service;

/// Something that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1; 0 if the file could not be read at all.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

/// Everything that is wrong in a file, in its order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistakes {
    /// The file.
    pub path: PathBuf,
    /// At least one.
    pub mistakes: Vec<Mistake>,
}

impl Mistakes {
    /// What to do next, for whoever reads them: a clause or two, never empty.
    pub fn help(&self) -> &'static str {
        if self.mistakes.iter().any(|mistake| mistake.line == 0) {
            "name a file that is there and can be read: `autod up -c FILE`"
        } else {
            "mend it at the places named; `autod up --check -c FILE` reads it again"
        }
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(formatter, "{separator}{}:", self.path.display())?;
            if mistake.line > 0 {
                write!(formatter, "{}:{}:", mistake.line, mistake.column)?;
            }
            write!(formatter, " {}", mistake.message)?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// Reads the services of a file, in the order of their names.
///
/// # Errors
///
/// Everything that is wrong in it.
pub fn read_file(path: impl AsRef<Path>) -> Result<Vec<Service>, Mistakes> {
    let path = path.as_ref();
    match std::fs::read_to_string(path) {
        Ok(text) => parse_file(path, &text),
        Err(error) => Err(Mistakes {
            path: path.to_owned(),
            mistakes: vec![Mistake {
                line: 0,
                column: 0,
                message: format!("the file cannot be read: {error}"),
            }],
        }),
    }
}

/// Reads the services of a file that has this text. Relative paths are relative to the directory of
/// `path`, which need not exist.
///
/// # Errors
///
/// Everything that is wrong in it.
pub fn parse_file(path: impl AsRef<Path>, text: &str) -> Result<Vec<Service>, Mistakes> {
    let path = path.as_ref();
    let base = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let base = base.parent().unwrap_or(Path::new("/")).to_owned();
    let mut findings = Findings::default();
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        findings.add(span, error.message().replace('\n', ", "));
    }
    let services = if findings.0.is_empty() {
        read_services(table.get_ref(), &base, &mut findings)
    } else {
        // What is left of a broken file would only cause more complaints.
        Vec::new()
    };
    if findings.0.is_empty() {
        return Ok(services);
    }
    findings.0.sort_by_key(|(span, _)| span.start);
    let mistakes = findings
        .0
        .into_iter()
        .map(|(span, message)| {
            let (line, column) = place(text, span.start);
            Mistake { line, column, message }
        })
        .collect();
    Err(Mistakes { path: path.to_owned(), mistakes })
}

fn place(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    (before.matches('\n').count() + 1, before[start..].chars().count() + 1)
}

type Span = Range<usize>;

/// What is wrong, and where.
#[derive(Debug, Default)]
struct Findings(Vec<(Span, String)>);

impl Findings {
    fn add(&mut self, span: Span, message: impl Into<String>) {
        self.0.push((span, message.into()));
    }
}

fn read_services(root: &DeTable<'_>, base: &Path, findings: &mut Findings) -> Vec<Service> {
    let mut services = Vec::new();
    let mut addresses: Vec<(String, Address)> = Vec::new();
    let mut targets: Vec<(String, Span, Address)> = Vec::new();
    for (key, value) in root {
        if key.get_ref() != "service" {
            let message =
                format!("unknown key {:?}: services are tables [service.NAME]", key.get_ref());
            findings.add(key.span(), message);
            continue;
        }
        let DeValue::Table(tables) = value.get_ref() else {
            findings.add(value.span(), "services are tables [service.NAME]");
            continue;
        };
        for (name, value) in tables {
            let DeValue::Table(table) = value.get_ref() else {
                let message = format!("a service is a table [service.{}]", name.get_ref());
                findings.add(value.span(), message);
                continue;
            };
            let read = table::read(name, table, base, findings);
            for (span, listen) in read.listens {
                let twin = addresses.iter().find(|(_, other)| other.overlaps(&listen.at));
                if let Some((owner, _)) = twin {
                    let message = format!("service {owner} listens at {} already", listen.at);
                    findings.add(span.clone(), message);
                }
                if let Target::At(target) = listen.to {
                    targets.push((name.get_ref().to_string(), span, target));
                }
                addresses.push((name.get_ref().to_string(), listen.at));
            }
            services.extend(read.service);
        }
    }
    for (name, span, target) in targets {
        // What it says of its own sockets is found with the service.
        let twin = addresses.iter().find(|(owner, at)| *owner != name && at.overlaps(&target));
        if let Some((owner, _)) = twin {
            let message = format!("it is forwarded to {target}, where service {owner} listens");
            findings.add(span, message);
        }
    }
    if services.is_empty() && findings.0.is_empty() {
        findings.add(0..0, "there is no service: add a table [service.NAME]");
    }
    services
}

#[cfg(test)]
mod tests;
