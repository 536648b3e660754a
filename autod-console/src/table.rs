//! Columns of text. The last one gives way to the width of the terminal.

use std::io::{self, Write};

use crate::style::{Colour, Style, harmless};

/// One field.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    colour: Colour,
    right: bool,
}

impl Cell {
    pub fn new(text: impl AsRef<str>) -> Self {
        Self { text: harmless(text.as_ref()), colour: Colour::None, right: false }
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
    rows: Vec<Vec<Cell>>,
    indent: usize,
}

const GAP: usize = 2;

/// No column is made narrower than that for the sake of the width.
const NARROWEST: usize = 8;

impl Table {
    pub fn new(heads: &[&'static str]) -> Self {
        Self { heads: heads.to_vec(), rows: Vec::new(), indent: 0 }
    }

    #[must_use]
    pub fn indented(self, indent: usize) -> Self {
        Self { indent, ..self }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn print(&self, out: &mut impl Write, style: Style) -> io::Result<()> {
        let heads: Vec<Cell> = (0..self.heads.len())
            .map(|at| {
                let right = self.rows.iter().any(|row| row[at].right);
                Cell { right, ..Cell::new(self.heads[at]).colour(Colour::Bold) }
            })
            .collect();
        let mut widths: Vec<usize> = (0..heads.len())
            .map(|at| {
                self.rows.iter().chain([&heads]).map(|row| row[at].width()).max().unwrap_or(0)
            })
            .collect();
        if let (Some(total), Some((last, others))) = (style.width, widths.split_last_mut()) {
            let taken = self.indent + others.iter().map(|width| width + GAP).sum::<usize>();
            *last = (*last).min(total.saturating_sub(taken).max(NARROWEST));
        }
        for row in [&heads].into_iter().chain(&self.rows) {
            let mut line = " ".repeat(self.indent);
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let is_last = at + 1 == row.len();
                let text = cut(&cell.text, *width);
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

/// A text that is no wider than that.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
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
    fn columns_line_up_and_the_last_one_gives_way() {
        let wide =
            " NAME     PID  WHY\n a\u{fffd}b       12  a rather long reason\n counter    -\n";
        assert_eq!(printed(None, false), wide);
        let narrow = printed(Some(26), false);
        assert!(narrow.contains("12  a rather l…\n"), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 26), "{narrow}");
        assert!(printed(Some(5), false).contains("a rathe…"), "{}", printed(Some(5), false));
        assert!(printed(None, true).contains("\x1b[32ma\u{fffd}b\x1b[0m    "));
    }
}
