//! The end of a log, and where it ends: what is appended later can be followed from there.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::log;
use super::place::Place;
use crate::error::{Error, Result};

/// How much is read at once, from the end.
const CHUNK: u64 = 64 << 10;

/// The last lines of a log.
#[derive(Debug)]
pub struct Tail {
    text: Vec<u8>,
    /// The file that it is of, and how far it was read.
    pub(super) file: Option<File>,
    pub(super) position: u64,
}

impl Tail {
    /// The lines, as the daemon wrote them.
    pub fn text(&self) -> &[u8] {
        &self.text
    }
}

/// The last lines of a place's log, so many at most; with `previous` those of the life before.
pub(crate) fn log_tail(place: &Place, lines: Option<usize>, previous: bool) -> Result<Tail> {
    let names = place.names();
    let name = if previous { &names.previous_log } else { &names.log };
    let failed = |error: io::Error| {
        let path = place.path_of(name);
        let text = match error.kind() {
            io::ErrorKind::NotFound => format!(
                "there is no log {}; let a command of its program start the daemon, which writes one then",
                path.display()
            ),
            _ => format!("cannot read the log {}", path.display()),
        };
        Error::system(text, error).with_mend()
    };
    let file = log::open_named(place, name).map_err(failed)?;
    let (text, position) = read(&file, lines).map_err(failed)?;
    Ok(Tail { text, file: (!previous).then_some(file), position })
}

fn read(file: &File, lines: Option<usize>) -> io::Result<(Vec<u8>, u64)> {
    let end = file.metadata()?.len();
    let mut start = end;
    let mut text = Vec::new();
    while start > 0 {
        let count = start.min(CHUNK);
        let mut chunk = vec![0; usize::try_from(count).unwrap_or(0)];
        file.read_exact_at(&mut chunk, start - count)?;
        start -= count;
        chunk.append(&mut text);
        text = chunk;
        if let Some(at) = lines.and_then(|lines| start_of_last(&text, lines, start == 0)) {
            text.drain(..at);
            break;
        }
    }
    Ok((text, end))
}

/// Where the last lines begin, if that many are there.
fn start_of_last(text: &[u8], lines: usize, whole: bool) -> Option<usize> {
    // The end of the last line begins no other one.
    let before = text.strip_suffix(b"\n").unwrap_or(text);
    let Some(skipped) = lines.checked_sub(1) else { return Some(text.len()) };
    let breaks = before.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    match breaks.map(|(at, _)| at + 1).nth(skipped) {
        None if whole => Some(0),
        at => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::testing::Home;

    #[test]
    fn the_last_lines_are_those_that_were_asked_for() {
        let home = Home::new();
        let place = home.place();
        let missing = log_tail(&place, None, false).unwrap_err();
        assert!(missing.message().contains("there is no log"), "{missing}");
        let last = |lines| {
            let tail = log_tail(&place, lines, false).unwrap();
            (String::from_utf8(tail.text().to_vec()).unwrap(), tail.position)
        };
        std::fs::write(place.log_path(), "one\ntwo\n\nlast").unwrap();
        assert_eq!(last(None), ("one\ntwo\n\nlast".to_owned(), 13));
        assert_eq!(last(Some(0)).0, "");
        assert_eq!(last(Some(1)).0, "last");
        assert_eq!(last(Some(2)).0, "\nlast");
        assert_eq!(last(Some(3)).0, "two\n\nlast");
        assert_eq!(last(Some(9)).0, "one\ntwo\n\nlast");
        std::fs::write(place.log_path(), "one\ntwo\n").unwrap();
        assert_eq!(last(Some(1)).0, "two\n");
        let long = "x".repeat(100_000);
        std::fs::write(place.log_path(), format!("{long}\n{long}y\n{long}z\n")).unwrap();
        assert_eq!(last(Some(2)).0, format!("{long}y\n{long}z\n"));
    }
}
