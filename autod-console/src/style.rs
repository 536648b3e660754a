//! Colours, widths and numbers as people read them.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::time::Duration;

/// How text looks on standard output.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    colours: bool,
    /// Columns of the terminal, if it is one.
    pub width: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    None,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Style {
    /// What standard output wants, and the environment.
    pub fn of_stdout() -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colours = wants_colours(is_terminal && !is_dumb, |name| std::env::var_os(name));
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok();
        let width = size.map(|size| usize::from(size.ws_col)).filter(|width| *width > 0);
        Self { colours, width }
    }

    pub fn has_colours(self) -> bool {
        self.colours
    }

    pub fn paint(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::None => return text.to_owned(),
            Colour::Bold => 1,
            Colour::Dim => 2,
            Colour::Green => 32,
            Colour::Yellow => 33,
            Colour::Red => 31,
        };
        if self.colours && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// As it is wanted.
    pub fn of(colours: bool, width: Option<usize>) -> Self {
        Self { colours, width }
    }
}

/// What the variables say that programs share; without them whether the terminal can.
fn wants_colours(can: bool, variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let is_set = |name| variable(name).is_some_and(|value| !value.is_empty());
    let is_zero = |name| variable(name).is_some_and(|value| value == "0");
    if is_set("NO_COLOR") {
        return false;
    }
    if is_set("CLICOLOR_FORCE") && !is_zero("CLICOLOR_FORCE") {
        return true;
    }
    can && !is_zero("CLICOLOR")
}

/// A text of a daemon or of a caller, without what a terminal takes for a command.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A time to two digits or so: 320 us, 1.5 s, 3 min, 2 h.
pub fn time(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => {
            let nanos = time.subsec_nanos();
            match nanos {
                0..1_000 => format!("{nanos} ns"),
                1_000..10_000 => format!("{}.{} us", nanos / 1000, nanos / 100 % 10),
                10_000..1_000_000 => format!("{} us", nanos / 1000),
                1_000_000..10_000_000 => {
                    format!("{}.{} ms", nanos / 1_000_000, nanos / 100_000 % 10)
                }
                _ => format!("{} ms", nanos / 1_000_000),
            }
        }
        1..10 => format!("{seconds}.{} s", time.subsec_millis() / 100),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Bytes to two or three digits: 512 B, 2.9 MiB, 64 MiB.
pub fn bytes(bytes: u64) -> String {
    let mut unit = 0;
    // In tenths.
    let mut scaled = u128::from(bytes) * 10;
    while scaled >= 10_000 && unit < 4 {
        scaled /= 1024;
        unit += 1;
    }
    let name = ["B", "KiB", "MiB", "GiB", "TiB"][unit];
    if unit > 0 && scaled < 100 {
        format!("{}.{} {name}", scaled / 10, scaled % 10)
    } else {
        format!("{} {name}", scaled / 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_short() {
        for (nanos, text) in [
            (0, "0 ns"),
            (1_550, "1.5 us"),
            (320_000, "320 us"),
            (2_500_000, "2.5 ms"),
            (45_000_000, "45 ms"),
            (1_540_000_000, "1.5 s"),
            (75_000_000_000, "75 s"),
            (180_000_000_000, "3 min"),
            (3 * 3_600_000_000_000, "3 h"),
            (72 * 3_600_000_000_000, "3 d"),
        ] {
            assert_eq!(time(Duration::from_nanos(nanos)), text);
        }
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "0.9 KiB"),
            (9_999, "9.7 KiB"),
            (20_480, "20 KiB"),
            (6 << 20, "6.0 MiB"),
            (999 << 20, "999 MiB"),
            (3 << 39, "1.5 TiB"),
            (64 << 20, "64 MiB"),
            (u64::MAX, "16777215 TiB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn shared_variables_decide_about_colours() {
        for (can, set, wanted) in [
            (true, &[][..], true),
            (false, &[], false),
            (true, &[("NO_COLOR", "1")], false),
            (true, &[("NO_COLOR", "")], true),
            (true, &[("CLICOLOR", "0")], false),
            (true, &[("CLICOLOR", "1")], true),
            (false, &[("CLICOLOR", "1")], false),
            (false, &[("CLICOLOR_FORCE", "1")], true),
            (false, &[("CLICOLOR_FORCE", "0")], false),
            (false, &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], false),
            (true, &[("CLICOLOR_FORCE", "1"), ("CLICOLOR", "0")], true),
        ] {
            let variable = |name: &str| {
                let (_, value) = set.iter().find(|(other, _)| *other == name)?;
                Some(OsString::from(value))
            };
            assert_eq!(wants_colours(can, variable), wanted, "{can} {set:?}");
        }
    }

    #[test]
    fn colours_are_only_where_they_are_wanted() {
        assert_eq!(Style::of(true, None).paint(Colour::Red, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(Style::of(true, None).paint(Colour::None, "x"), "x");
        assert_eq!(Style::of(false, None).paint(Colour::Red, "x"), "x");
        assert_eq!(harmless("a\x1b[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
    }
}
