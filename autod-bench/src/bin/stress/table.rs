//! The figures for people.

use std::io::{Write, stdout};
use std::time::Duration;

use crate::Result;
use crate::tally::Tally;

pub(crate) fn print_head() -> Result<()> {
    let head =
        ["daemons", "calls", "retries", "errors", "told", "lost", "doubled", "worst ms", "took s"];
    write!(stdout(), "{:<16}", "row")?;
    for word in head {
        write!(stdout(), " {word:>8}")?;
    }
    writeln!(stdout(), "  verdict")?;
    Ok(())
}

/// A line, and below it what was found and remarked.
pub(crate) fn print_row(name: &str, tally: &Tally, took: Duration) -> Result<()> {
    let Tally { daemons, calls, retries, errors, told, lost, doubled, worst, .. } = tally;
    write!(stdout(), "{name:<16}")?;
    for count in [daemons, calls, retries, errors, told, lost, doubled] {
        write!(stdout(), " {count:>8}")?;
    }
    let verdict = if tally.holds() { "ok" } else { "FAIL" };
    let worst = worst.as_secs_f64() * 1e3;
    writeln!(stdout(), " {worst:>8.1} {:>8.1}  {verdict}", took.as_secs_f64())?;
    for (kind, count) in &tally.kinds {
        writeln!(stdout(), "  told {count} x {kind}")?;
    }
    for remark in &tally.remarks {
        writeln!(stdout(), "  {remark}")?;
    }
    for finding in tally.findings() {
        writeln!(stdout(), "  ! {finding}")?;
    }
    stdout().flush()?;
    Ok(())
}
