//! Columns of text. The last one gives way to the width of the terminal, then the widest one.

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
const NARROWEST: usize = 12;

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
        if let Some(total) = style.width {
            let texts: Vec<bool> = heads.iter().map(|head| !head.right).collect();
            narrow(&mut widths, &texts, total.saturating_sub(self.indent));
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

/// Makes columns of text narrower until all have room, as far as that goes.
fn narrow(widths: &mut [usize], texts: &[bool], total: usize) {
    let Some(last) = widths.len().checked_sub(1) else { return };
    let mut excess = (widths.iter().sum::<usize>() + GAP * last).saturating_sub(total);
    let mut place = Some(last).filter(|last| texts[*last]);
    while let Some(at) = place.filter(|_| excess > 0) {
        let by = excess.min(widths[at].saturating_sub(NARROWEST));
        // The last one gives all that it has; the others by turns, so that the widest is cut first.
        let by = if at == last { by } else { by.min(1) };
        widths[at] -= by;
        excess -= by;
        place = (0..last)
            .filter(|at| texts[*at] && widths[*at] > NARROWEST)
            .max_by_key(|at| widths[*at]);
    }
}

/// A text that is no wider than that. The end of a path tells more than its beginning.
fn cut(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let left = width.saturating_sub(1);
    if text.starts_with('/') {
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
    fn columns_line_up_and_the_last_one_gives_way() {
        let wide =
            " NAME     PID  WHY\n a\u{fffd}b       12  a rather long reason\n counter    -\n";
        assert_eq!(printed(None, false), wide);
        let narrow = printed(Some(26), false);
        assert!(narrow.contains("12  a rather l…\n"), "{narrow}");
        assert!(narrow.lines().all(|line| line.chars().count() <= 26), "{narrow}");
        assert!(printed(Some(5), false).contains("a rather lo…"), "{}", printed(Some(5), false));
        let mut table = Table::new(&["NAME", "PID", "WHY"]);
        table.row([
            Cell::new("/run/user/1000/a/long/path.sock"),
            Cell::number(Some(12)),
            Cell::new("a rather long reason"),
        ]);
        let mut out = Vec::new();
        table.print(&mut out, Style::of(false, Some(40))).unwrap();
        let both = String::from_utf8(out).unwrap();
        assert!(both.ends_with("…/a/long/path.sock   12  a rather lo…\n"), "{both}");
        assert!(printed(None, true).contains("\x1b[32ma\u{fffd}b\x1b[0m    "));
    }
}
