//! The view as it looks, on a screen of any size.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

use super::board::Row;
use super::view::{Log, Mode, View};
use crate::question::number;
use crate::style::{Colour, bytes, harmless, time};
use crate::table::cut;

/// A column, in the order in which one is left out where there is no room for it: the last goes first.
struct Column {
    head: &'static str,
    width: usize,
    is_right: bool,
    text: fn(&Row) -> String,
}

const fn column(head: &'static str, width: usize, text: fn(&Row) -> String) -> Column {
    Column { head, width, is_right: true, text }
}

const COLUMNS: [Column; 8] = [
    Column { is_right: false, ..column("STATE", 8, |row| row.seen.state.to_owned()) },
    column("CALLS/S", 8, |row| row.rate.map(rate).unwrap_or_default()),
    column("LATENCY", 7, |row| row.latency.map(time).unwrap_or_default()),
    column("MEMORY", 8, |row| {
        let status = row.seen.status.as_ref();
        let memory = status.and_then(|status| number(&status["memory"], "resident_bytes"));
        memory.map(bytes).unwrap_or_default()
    }),
    column("STREAMS", 7, |row| count(row, "streams_open")),
    column("USERS", 5, |row| count(row, "connections")),
    column("PID", 7, |row| row.seen.pid().map(|pid| pid.to_string()).unwrap_or_default()),
    column("UP", 6, |row| {
        row.seen.age().filter(|_| row.seen.lives()).map(time).unwrap_or_default()
    }),
];

const GAP: usize = 2;

/// A name has that much room even where nothing else has.
const NAME: usize = 12;

/// The last column is there only if so much of it is.
const WHY: usize = 16;

fn count(row: &Row, key: &str) -> String {
    let count = row.seen.status.as_ref().and_then(|status| number(status, key));
    count.map(|count| count.to_string()).unwrap_or_default()
}

fn rate(rate: f64) -> String {
    if rate > 0.0 && rate < 10.0 { format!("{rate:.1}") } else { format!("{rate:.0}") }
}

pub(crate) fn draw(frame: &mut Frame, view: &View) {
    let area = frame.area();
    let mut page = Page {
        buffer: frame.buffer_mut(),
        width: usize::from(area.width),
        height: usize::from(area.height),
        colours: view.colours,
    };
    match &view.mode {
        Mode::Log(log) => page.log(log),
        Mode::List | Mode::Asks(_) => page.list(view),
    }
    page.last_line(view);
}

struct Page<'a> {
    buffer: &'a mut Buffer,
    width: usize,
    height: usize,
    colours: bool,
}

impl Page<'_> {
    /// Puts a text there, as far as there is room.
    fn put(&mut self, (x, y): (usize, usize), text: &str, width: usize, style: Style) {
        let width = width.min(self.width.saturating_sub(x));
        if y >= self.height || width == 0 {
            return;
        }
        let [x, y] = [x, y].map(|at| u16::try_from(at).unwrap_or(u16::MAX));
        let text = harmless(text);
        let (end, _) = self.buffer.set_stringn(x, y, &text, width, style);
        if text.chars().count() > width && usize::from(end - x) >= width {
            self.buffer.set_stringn(end - 1, y, "…", 1, style);
        }
    }

    /// A line about a daemon, whose name gives way to the rest of it.
    fn around(&self, begin: &str, name: &str, end: &str) -> String {
        let others = begin.chars().count() + 1 + end.chars().count();
        let left = self.width.saturating_sub(others).max(NAME);
        format!("{begin} {}{end}", cut(&harmless(name), left, true))
    }

    fn style(&self, colour: Colour) -> Style {
        let style = Style::new();
        match colour {
            Colour::Bold => style.add_modifier(Modifier::BOLD),
            _ if !self.colours => style,
            Colour::Dim => style.fg(Color::DarkGray),
            Colour::Green => style.fg(Color::Green),
            Colour::Yellow => style.fg(Color::Yellow),
            Colour::Red => style.fg(Color::Red),
            Colour::None => style,
        }
    }

    fn list(&mut self, view: &View) {
        let rows = view.board.rows();
        // Two of the width are the mark of the chosen one.
        let mut room = self.width.saturating_sub(2 + NAME);
        let columns = COLUMNS.iter().take_while(|column| {
            let fits = room >= GAP + column.width;
            room = room.saturating_sub(GAP + column.width);
            fits
        });
        let columns: Vec<&Column> = columns.collect();
        let taken: usize = columns.iter().map(|column| GAP + column.width).sum();
        let left = self.width.saturating_sub(2 + taken);
        let longest = rows.iter().map(|row| row.seen.name.chars().count()).max().unwrap_or(0);
        let has_why = columns.len() == COLUMNS.len() && left >= NAME + GAP + WHY;
        let name_width = if has_why { longest.clamp(NAME, left - GAP - WHY) } else { left };
        let why_width = left.saturating_sub(name_width + GAP);

        let bold = self.style(Colour::Bold);
        self.put((2, 0), "NAME", name_width, bold);
        self.cells(0, 2 + name_width, &columns, |column| (column.head.to_owned(), bold));
        if has_why {
            self.put((2 + name_width + taken + GAP, 0), "WHY", why_width, bold);
        }
        if rows.is_empty() {
            return self.put((2, 1), "no daemon runs", self.width, Style::new());
        }
        let room = self.height.saturating_sub(2).max(1);
        let chosen = view.board.place().unwrap_or(0);
        // A screen without room for more has the chosen one.
        let top = usize::from(self.height > 1);
        let first = chosen.saturating_sub(room - 1);
        for (at, row) in rows.iter().enumerate().skip(first).take(room) {
            let y = top + at - first;
            let (mark, style) = if at == chosen {
                (">", Style::new().add_modifier(Modifier::REVERSED))
            } else {
                (" ", Style::new())
            };
            self.put((0, y), &" ".repeat(self.width), self.width, style);
            self.put((0, y), mark, 1, style);
            let name = cut(&harmless(&row.seen.name), name_width, true);
            self.put((2, y), &name, name_width, style);
            let state = self.style(row.seen.colour());
            self.cells(y, 2 + name_width, &columns, |column| {
                let style = if column.head == "STATE" { style.patch(state) } else { style };
                ((column.text)(row), style)
            });
            if has_why {
                let why = row.seen.why();
                self.put((2 + name_width + taken + GAP, y), &why, why_width, style);
            }
        }
    }

    fn cells(
        &mut self,
        y: usize,
        mut x: usize,
        columns: &[&Column],
        cell: impl Fn(&Column) -> (String, Style),
    ) {
        for column in columns {
            let (text, style) = cell(column);
            let pad =
                if column.is_right { column.width.saturating_sub(text.chars().count()) } else { 0 };
            self.put((x + GAP + pad, y), &text, column.width - pad, style);
            x += GAP + column.width;
        }
    }

    fn log(&mut self, log: &Log) {
        let title = self.around("log of", &log.name, "");
        self.put((0, 0), &title, self.width, self.style(Colour::Bold));
        let room = self.height.saturating_sub(2);
        // At the beginning the screen stays full.
        let end = log.lines.len().saturating_sub(log.up).max(room).min(log.lines.len());
        for (at, line) in log.lines[end.saturating_sub(room)..end].iter().enumerate() {
            self.put((0, 1 + at), line, self.width, Style::new());
        }
    }

    fn last_line(&mut self, view: &View) {
        // A question is seen in any case.
        if self.height < 3 && !matches!(view.mode, Mode::Asks(_)) {
            return;
        }
        let (text, colour) = match &view.mode {
            Mode::Asks(order) => {
                let (verb, end) = if order.kill {
                    ("kill", "? its calls are lost; y or n")
                } else {
                    ("stop", "? y or n")
                };
                (self.around(verb, &order.name, end), Colour::Yellow)
            }
            _ if !view.said.is_empty() => (view.said.clone(), Colour::Yellow),
            Mode::List => ("q quit  s stop  K kill  l log  up/down choose".to_owned(), Colour::Dim),
            Mode::Log(_) => ("q back  up/down scroll".to_owned(), Colour::Dim),
        };
        self.put((0, self.height - 1), &text, self.width, self.style(colour));
    }
}

#[cfg(test)]
#[path = "draw_tests.rs"]
mod tests;
