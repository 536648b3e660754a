//! The figures for programs: for each row the values of each kind, round by round.

use std::fmt::Write;
use std::path::Path;

use crate::Result;
use crate::table::Table;

pub(crate) fn write(path: &Path, table: &Table) -> Result<()> {
    let mut text = String::from("[");
    for (index, row) in table.rows.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        // No name here holds a character that JSON would escape.
        write!(
            text,
            "{comma}\n  {{\"workload\": \"{}\", \"figure\": \"{}\", \"values\": {{",
            row.workload, row.label
        )?;
        for (index, (kind, values)) in row.values.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(text, "{comma}\"{kind}\": {values:?}")?;
        }
        text.push_str("}}");
    }
    text.push_str("\n]\n");
    std::fs::write(path, text)
        .map_err(|error| format!("cannot write {}: {error}", path.display()).into())
}
