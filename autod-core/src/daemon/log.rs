//! The daemon's log: opened for a start, rotated, read back, and followed by callers that debug.
//!
//! The daemon's standard output and error are this file, so nothing here knows its lines.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt as _;
use std::sync::{Mutex, PoisonError};

use rustix::fs::{FileType, Mode, OFlags};

use super::files::Found;
use super::locks::{LifeLock, SpawnLock};
use super::place::Place;
use crate::error::{Error, ErrorKind, Result};
use crate::fault::{self, Point};

/// The part of a log that an error quotes.
const TAIL: u64 = 2048;
const TAIL_LINES: usize = 20;

/// Keeps the last life's log as the previous one and opens a new one.
pub(super) fn start(place: &Place, _proof: &SpawnLock) -> Result<File> {
    rotate(place)?;
    create(place)
}

/// Keeps the log as the previous one if it is longer than `limit`, and turns this process's
/// standard output and error, as far as they are the log, to a new one. Processes of the daemon's keep writing to the old.
pub(crate) fn rotate_own(place: &Place, life: &LifeLock, limit: u64) -> Result<()> {
    // Two who have seen one size would rotate twice, and lose what the first has kept.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(found) = place.find(&place.names().log)? else { return Ok(()) };
    let is_log = |stream| Found::of(stream).is_ok_and(|stream: Found| stream.is_same(&found));
    // The program may have turned one of them elsewhere.
    let (output, errors) = (is_log(rustix::stdio::stdout()), is_log(rustix::stdio::stderr()));
    let length = std::fs::metadata(place.log_path()).map_or(0, |log| log.len());
    if !(output || errors) || length <= limit || !life.is_still_ours(place) {
        return Ok(());
    }
    rotate(place)?;
    // What is written goes on to the old one: it stays the log, which is rotated another time.
    let log = create(place).inspect_err(|_| put_back(place))?;
    let turn = || {
        if output {
            rustix::stdio::dup2_stdout(&log)?;
        }
        if errors {
            rustix::stdio::dup2_stderr(&log)?;
        }
        Ok::<_, rustix::io::Errno>(())
    };
    turn().map_err(|error| failed(place, "turn to", error))
}

fn put_back(place: &Place) {
    let (log, previous) = (&*place.names().log, &*place.names().previous_log);
    if let Ok(None) = place.find(log) {
        // Whoever rotates says what is wrong.
        let _ = rustix::fs::renameat(place.handle(), previous, place.handle(), log);
    }
}

fn rotate(place: &Place) -> Result<()> {
    let (log, previous) = (&*place.names().log, &*place.names().previous_log);
    match rustix::fs::renameat(place.handle(), log, place.handle(), previous) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(error) => Err(failed(place, "rotate", error)),
    }
}

fn create(place: &Place) -> Result<File> {
    let flags = OFlags::WRONLY
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK;
    let name = &*place.names().log;
    let opened = fault::try_pass(Point::LogOpen).and_then(|()| {
        Ok(rustix::fs::openat(place.handle(), name, flags, Mode::RUSR | Mode::WUSR)?)
    });
    let file = opened.map_err(|error| failed(place, "open", error))?;
    let found = Found::of(&file).map_err(|error| failed(place, "examine", error))?;
    let euid = rustix::process::geteuid().as_raw();
    if found.kind != FileType::RegularFile || found.owner != euid || found.links > 1 {
        return Err(Error::new(
            ErrorKind::Place,
            format!(
                "the log {} is not a regular file of uid {euid} alone; remove it",
                place.log_path().display()
            ),
        )
        .with_mend());
    }
    // What serves a terminal or a pipe would be wrong for a file that a child writes.
    rustix::fs::fcntl_setfl(&file, OFlags::APPEND)
        .map_err(|error| failed(place, "prepare", error))?;
    Ok(file.into())
}

fn failed(place: &Place, what: &str, error: impl Into<io::Error>) -> Error {
    Error::system(format!("cannot {what} the log {}", place.log_path().display()), error.into())
}

pub(super) fn open(place: &Place) -> io::Result<File> {
    open_named(place, &place.names().log)
}

pub(super) fn open_named(place: &Place, name: &OsStr) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    Ok(rustix::fs::openat(place.handle(), name, flags, Mode::empty())?.into())
}

/// Notes something in the log before the daemon writes there.
pub(super) fn note(mut log: &File, text: &str) {
    let _ = writeln!(log, "autod: {text}");
}

/// The last lines of the log from a position on, harmless in a terminal.
pub(super) fn tail(place: &Place, from: u64) -> String {
    let Ok(file) = open(place) else { return String::new() };
    let length = file.metadata().map_or(0, |log| log.len());
    let start = from.max(length.saturating_sub(TAIL));
    let mut bytes = vec![0; usize::try_from(length.saturating_sub(start)).unwrap_or(0)];
    if file.read_exact_at(&mut bytes, start).is_err() {
        return String::new();
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut lines: Vec<&str> = text.lines().collect();
    if start > from && lines.len() > 1 {
        // Cut at an arbitrary byte.
        lines.remove(0);
    }
    let lines = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    let lines: Vec<String> = lines.iter().map(|line| sanitized(line)).collect();
    lines.join("\n").trim_matches('\n').to_owned()
}

/// A line without control characters and without what a terminal takes for a command.
pub(super) fn sanitized(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => {
                if chars.next_if_eq(&'[').is_some() {
                    while chars.next().is_some_and(|c| !('@'..='~').contains(&c)) {}
                }
            }
            '\t' => out.push(' '),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::daemon::testing::Home;

    #[test]
    fn a_start_keeps_one_previous_log() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        for life in ["one", "two", "three"] {
            note(&start(&place, &spawn).unwrap(), life);
        }
        assert_eq!(std::fs::read_to_string(place.log_path()).unwrap(), "autod: three\n");
        let previous = place.path_of(&place.names().previous_log);
        assert_eq!(std::fs::read_to_string(previous).unwrap(), "autod: two\n");
        assert_eq!(
            std::fs::metadata(place.log_path()).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_link_at_the_log_is_moved_aside_and_not_written_through() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        let target = home.path().join("target");
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, place.log_path()).unwrap();
        note(&start(&place, &spawn).unwrap(), "text");
        assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    }

    #[test]
    fn the_tail_is_short_and_harmless() {
        let home = Home::new();
        let place = home.place();
        assert_eq!(tail(&place, 0), "");
        std::fs::write(place.log_path(), "note\n\x1b[31mred\x1b[0m\t\x07bell\n\n").unwrap();
        assert_eq!(tail(&place, 5), "red bell");
        assert_eq!(tail(&place, 500), "");
        let many: Vec<String> = (0..1000).map(|line| format!("line {line}")).collect();
        std::fs::write(place.log_path(), many.join("\n")).unwrap();
        let tail = tail(&place, 0);
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.starts_with("line 980\n") && tail.ends_with("line 999"), "{tail}");
    }

    #[test]
    fn the_log_of_somebody_else_is_not_rotated_by_us() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        let crate::daemon::locks::LifeAttempt::Taken(life) =
            LifeLock::try_take(&place, &spawn, "b").unwrap()
        else {
            panic!("somebody lives");
        };
        std::fs::write(place.log_path(), "x".repeat(100)).unwrap();
        rotate_own(&place, &life, 10).unwrap();
        assert_eq!(std::fs::metadata(place.log_path()).unwrap().len(), 100);
    }
}
