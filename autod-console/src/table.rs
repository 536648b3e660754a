//! Columns of text that give way to the width of the terminal: those that may be missed go, then the last
//! one is cut, then the widest.

use std::io::{self, Write};
use std::ops::Range;

use crate::style::{Colour, Style, harmless};

/// One field.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    colour: Colour,
    right: bool,
    /// Its end tells more than its beginning.
    is_path: bool,
}

impl Cell {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { text: harmless(text.as_ref()), colour: Colour::None, right: false, is_path: false }
    }

    /// A path, or what may be one.
    pub fn path(path: impl AsRef<str>) -> Self {
        Self { is_path: true, ..Self::new(path) }
    }

    /// A number, or nothing.
    pub fn number(number: Option<impl ToString>) -> Self {
        let text = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        Self { right: true, ..Self::new(text) }
    }

    #[must_use]
    pub fn colour(self, colour: Colour) -> Self {
        Self { colour, ..self }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

pub struct Table {
    heads: Vec<&'static str>,
    /// Those that are left out where there is little room, the first of them first.
    spare: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

const GAP: usize = 2;

/// No column is made narrower than that for the sake of the width.
const NARROWEST: usize = 12;

/// The last column says the most, and has so much room before others are cut for it.
const ROOM: usize = 24;

impl Table {
    pub fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), spare: &[], rows: Vec::new(), indent: 0 }
    }

    /// Columns that are left out if the last one would not have [`ROOM`] otherwise.
    #[must_use]
    pub fn sparing(self, spare: &'static [&'static str]) -> Self {
        Self { spare, ..self }
    }

    #[must_use]
    pub fn indented(self, indent: usize) -> Self {
        Self { indent, ..self }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn print(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        self.print_some(out, style, 0..self.rows.len())
    }

    /// Prints these rows only, in columns that have room for all; the heads go with the first row.
    pub fn print_some(
        &self,
        out: &mut impl Write,
        style: Style,
        rows: Range<usize>,
    ) -> io::Result<()> {
        let mut spare = self.spare.iter();
        let mut left_out: Vec<&str> = Vec::new();
        loop {
            let table = self.without(&left_out);
            let widths = table.widths();
            let wanted = widths.last().map_or(0, |last| (*last).min(ROOM));
            if style.width.is_none_or(|total| table.left(&widths, total) >= wanted) {
                return table.print_fitting(out, style, rows);
            }
            match spare.next() {
                Some(head) => left_out.push(head),
                None => return table.print_fitting(out, style, rows),
            }
        }
    }

    fn without(&self, left_out: &[&str]) -> Self {
        let keeps: Vec<bool> = self.heads.iter().map(|head| !left_out.contains(head)).collect();
        let kept = |row: &Vec<Cell>| -> Vec<Cell> {
            row.iter()
                .zip(&keeps)
                .filter(|(_, keeps)| **keeps)
                .map(|(cell, _)| cell.clone())
                .collect()
        };
        Self {
            heads: self.heads.iter().copied().filter(|head| !left_out.contains(head)).collect(),
            rows: self.rows.iter().map(kept).collect(),
            ..*self
        }
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |at: usize| self.rows.iter().map(|row| row[at].width()).max().unwrap_or(0);
        let heads = self.heads.iter().enumerate();
        heads.map(|(at, head)| widest(at).max(head.chars().count())).collect()
    }

    /// What the other columns leave for the last one.
    fn left(&self, widths: &[usize], total: usize) -> usize {
        let others = widths.split_last().map_or(&[][..], |(_, others)| others);
        total.saturating_sub(self.indent + others.iter().map(|width| width + GAP).sum::<usize>())
    }

    fn print_fitting(
        &self,
        out: &mut impl Write,
        style: Style,
        rows: Range<usize>,
    ) -> io::Result<()> {
        let heads: Vec<Cell> = (0..self.heads.len())
            .map(|at| {
                let right = self.rows.iter().any(|row| row[at].right);
                Cell { right, ..Cell::new(self.heads[at]).colour(Colour::Bold) }
            })
            .collect();
        let mut widths = self.widths();
        if let Some(total) = style.width {
            let texts: Vec<bool> = heads.iter().map(|head| !head.right).collect();
            narrow(&mut widths, &texts, total.saturating_sub(self.indent));
        }
        let heads = Some(&heads).filter(|_| rows.start == 0);
        for row in heads.into_iter().chain(&self.rows[rows]) {
            let mut line = " ".repeat(self.indent);
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let is_last = at + 1 == row.len();
                let text = cut(&cell.text, *width, cell.is_path);
                let pad = " ".repeat(width - text.chars().count());
                let painted = style.paint(cell.colour, &text);
                line += &match (cell.right, is_last) {
                    (true, _) => pad + &painted,
                    (false, true) => painted,
                    (false, false) => painted + &pad,
                };
                if !is_last {
                    line += &" ".repeat(GAP);
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Makes columns of text narrower until all have room, as far as that goes.
fn narrow(widths: &mut [usize], texts: &[bool], total: usize) {
    let Some(last) = widths.len().checked_sub(1) else { return };
    let mut excess = (widths.iter().sum::<usize>() + GAP * last).saturating_sub(total);
    let mut give = |width: &mut usize, keeps: usize, most: usize| {
        let by = excess.min(width.saturating_sub(keeps)).min(most);
        *width -= by;
        excess -= by;
        by > 0
    };
    if texts[last] {
        give(&mut widths[last], ROOM, usize::MAX);
    }
    // By turns, so that the widest is cut first.
    while let Some(widest) = (0..last).filter(|at| texts[*at]).max_by_key(|at| widths[*at]) {
        if !give(&mut widths[widest], NARROWEST, 1) {
            break;
        }
    }
    if texts[last] {
        give(&mut widths[last], NARROWEST, usize::MAX);
    }
}

/// A text that is no wider than that. The end of a path tells more than its beginning.
pub fn cut(text: &str, width: usize, is_path: bool) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let left = width.saturating_sub(1);
    if is_path && text.starts_with('/') {
        let end: String = text.chars().skip(length - left).collect();
        return format!("…{end}");
    }
    let mut short: String = text.chars().take(left).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(width: Option<usize>, colours: bool) -> String {
        let mut table = Table::new(&["NAME", "PID", "WHY"]).indented(1);
        table.row([
            Cell::new("a\nb").colour(Colour::Green),
            Cell::number(Some(12)),
            Cell::new("a rather long reason"),
        ]);
        table.row([Cell::new("counter"), Cell::number(None::<u32>), Cell::new("")]);
        let mut out = Vec::new();
        table.print(&mut out, Style::of(colours, width)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parts_are_in_the_same_columns() {
        let mut table = Table::new(&["NAME", "PID"]);
        for name in ["a", "b", "a longer one"] {
            table.row([Cell::new(name), Cell::number(Some(1))]);
        }
        let part = |rows| {
            let mut out = Vec::new();
            table.print_some(&mut out, Style::of(false, None), rows).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(part(0..2), "NAME          PID\na               1\nb               1\n");
        assert_eq!(part(2..3), "a longer one    1\n");
    }

    #[test]
    fn columns_line_up_and_the_last_one_gives_way() {
        let wide =
            " NAME     PID  WHY\n a\u{fffd}b       12  a rather long reason\n counter    -\n";
        assert_eq!(printed(None, false), wide);
        let narrow = printed(Some(28), false);
        assert!(narrow.contains("12  a rather lon…\n"), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 28), "{narrow}");
        assert!(printed(Some(5), false).contains("a rather lo…"), "{}", printed(Some(5), false));
        let mut table = Table::new(&["NAME", "PID", "WHY"]);
        table.row([
            Cell::path("/run/user/1000/a/long/path.sock"),
            Cell::number(Some(12)),
            Cell::new("a rather long reason"),
        ]);
        let mut out = Vec::new();
        table.print(&mut out, Style::of(false, Some(40))).unwrap();
        let both = String::from_utf8(out).unwrap();
        assert!(both.ends_with("…ng/path.sock   12  a rather long reason\n"), "{both}");
        let table = table.sparing(&["PID"]);
        let mut out = Vec::new();
        table.print(&mut out, Style::of(false, Some(40))).unwrap();
        let spared = String::from_utf8(out).unwrap();
        assert!(
            !spared.contains("PID") && spared.ends_with("path.sock  a rather long reason\n"),
            "{spared}"
        );
        assert!(printed(None, true).contains("\x1b[32ma\u{fffd}b\x1b[0m    "));
    }
}
