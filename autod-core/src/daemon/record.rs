//! What the holders of the two locks say about themselves.
//!
//! The life record has a fixed size and is written by one system call, so that a reader sees one
//! state. Whether it may be believed at all is the lock's knowledge, not the record's.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::files::read_start;
use super::machine;
use crate::fault::{self, Point};
use crate::flat_json::{Object, Writer, cut};

const SIZE: usize = 512;

/// How far a daemon is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Starting,
    Running,
    /// It takes nobody any more and will be gone at `until`, in milliseconds of the clock that its
    /// timers go by: a machine that sleeps puts off the end.
    Draining {
        until: u64,
    },
    /// The record cannot be read. Counts as running.
    Unknown,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Draining { .. } => "draining",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The record of the life lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LifeRecord {
    /// Random; tells one life from the next.
    pub(crate) life_id: u64,
    pub(crate) state: State,
    pub(crate) pid: u32,
    pub(crate) build: String,
    pub(crate) host: String,
    pub(crate) boot: String,
    /// When this life began, in milliseconds of the boot clock.
    pub(crate) since: u64,
}

impl LifeRecord {
    /// The record of a life that begins in this process.
    pub(super) fn new(build: &str) -> Self {
        Self {
            life_id: machine::random(),
            state: State::Starting,
            pid: std::process::id(),
            build: build.to_owned(),
            host: machine::host(),
            boot: machine::boot_id().to_owned(),
            since: machine::milliseconds(),
        }
    }

    /// The end of the drain, if one is going on.
    pub(crate) fn is_draining(&self) -> bool {
        matches!(self.state, State::Draining { .. })
    }

    pub(crate) fn until(&self) -> Option<u64> {
        match self.state {
            State::Draining { until } => Some(until),
            _ => None,
        }
    }

    /// Whether the holder lives on another machine, or in another boot of this one.
    ///
    /// The boot id alone decides where both have one: containers of one machine have host names of
    /// their own and still share its locks.
    pub(crate) fn is_foreign(&self) -> bool {
        if self.state == State::Unknown {
            return false;
        }
        match (self.boot.as_str(), machine::boot_id()) {
            ("", _) | (_, "") => self.host != machine::host(),
            (theirs, ours) => theirs != ours,
        }
    }

    /// The pid in words, for errors.
    pub(crate) fn who(&self) -> String {
        match self.pid {
            0 => "an unknown pid".to_owned(),
            pid => format!("pid {pid}"),
        }
    }

    fn unknown() -> Self {
        Self {
            life_id: 0,
            state: State::Unknown,
            pid: 0,
            build: String::new(),
            host: String::new(),
            boot: String::new(),
            since: 0,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let (mut build, mut host) = (self.build.as_str(), self.host.as_str());
        loop {
            let text = Writer::default()
                .text("state", self.state.word())
                .number("pid", self.pid.into())
                .text("life_id", &format!("{:016x}", self.life_id))
                .text("build", build)
                .text("host", host)
                .text("boot", &self.boot)
                .number("since", self.since)
                .number("until", self.until().unwrap_or(0))
                .finish();
            if text.len() < SIZE {
                let mut bytes = text.into_bytes();
                bytes.resize(SIZE - 1, b' ');
                bytes.push(b'\n');
                return bytes;
            }
            let longer = if build.len() >= host.len() { &mut build } else { &mut host };
            *longer = cut(longer, longer.len() / 2);
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let object = Object::parse(bytes)?;
        let until = object.number("until")?;
        Some(Self {
            life_id: u64::from_str_radix(object.text("life_id")?, 16).ok()?,
            state: match object.text("state")? {
                "starting" => State::Starting,
                "running" => State::Running,
                "draining" => State::Draining { until },
                _ => State::Unknown,
            },
            pid: u32::try_from(object.number("pid")?).ok()?,
            build: object.text("build")?.to_owned(),
            host: object.text("host")?.to_owned(),
            boot: object.text("boot")?.to_owned(),
            since: object.number("since")?,
        })
    }

    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        fault::try_pass(Point::RecordWrite)?;
        file.write_all_at(&self.encode(), 0)
    }

    pub(super) fn read(file: &File) -> Self {
        read_start(file, SIZE)
            .ok()
            .and_then(|bytes| Self::parse(&bytes))
            .unwrap_or_else(Self::unknown)
    }
}

/// The record of the spawn lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpawnRecord {
    pub(crate) pid: u32,
    /// What the holder does now.
    pub(crate) phase: String,
    /// When it began to, in milliseconds of the boot clock.
    pub(crate) time: u64,
}

impl SpawnRecord {
    const SIZE: usize = 256;

    pub(super) fn new(phase: &str) -> Self {
        Self {
            pid: std::process::id(),
            phase: cut(phase, 120).to_owned(),
            time: machine::milliseconds(),
        }
    }

    pub(super) fn write(&self, file: &File) -> io::Result<()> {
        let text = Writer::default()
            .number("pid", self.pid.into())
            .text("phase", &self.phase)
            .number("time", self.time)
            .finish();
        let mut bytes = text.into_bytes();
        bytes.resize(Self::SIZE - 1, b' ');
        bytes.push(b'\n');
        fault::try_pass(Point::RecordWrite)?;
        file.write_all_at(&bytes, 0)
    }

    pub(super) fn read(file: &File) -> Option<Self> {
        let object = Object::parse(&read_start(file, Self::SIZE).ok()?)?;
        Some(Self {
            pid: u32::try_from(object.number("pid")?).ok()?,
            phase: object.text("phase")?.to_owned(),
            time: object.number("time")?,
        })
    }
}

impl fmt::Display for SpawnRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = machine::milliseconds().saturating_sub(self.time) / 1000;
        write!(f, "pid {} ({} for {seconds} s)", self.pid, self.phase)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(record: &LifeRecord) -> LifeRecord {
        let file = tempfile::tempfile().unwrap();
        record.write(&file).unwrap();
        assert_eq!(file.metadata().unwrap().len(), SIZE as u64);
        LifeRecord::read(&file)
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut record = LifeRecord::new("1.2.3 \"dev\"");
        assert_eq!(written(&record), record);
        record.state = State::Draining { until: 17 };
        assert_eq!(written(&record), record);
        assert_eq!(record.until(), Some(17));
        assert!(!record.is_foreign());
        assert_eq!(record.who(), format!("pid {}", std::process::id()));
    }

    #[test]
    fn a_long_build_is_cut_and_the_rest_stays() {
        let record = LifeRecord::new(&"\u{1}\u{e9}".repeat(300));
        let read = written(&record);
        assert!(record.build.starts_with(&read.build) && !read.build.is_empty());
        assert_eq!((read.life_id, read.since), (record.life_id, record.since));
    }

    #[test]
    fn what_cannot_be_read_is_unknown() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(LifeRecord::read(&file).state, State::Unknown);
        LifeRecord::new("1").write(&file).unwrap();
        file.write_all_at(b"xx", 3).unwrap();
        let read = LifeRecord::read(&file);
        assert_eq!(read.state, State::Unknown);
        assert!(!read.is_foreign());
    }

    #[test]
    fn another_boot_is_foreign_and_another_host_name_is_not() {
        let mut record = LifeRecord::new("1");
        record.host = "container".to_owned();
        assert!(!record.is_foreign());
        record.boot = "another".to_owned();
        assert!(record.is_foreign());
        record.boot.clear();
        assert!(record.is_foreign());
    }

    #[test]
    fn the_spawn_record_tells_who_and_what() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(SpawnRecord::read(&file), None);
        SpawnRecord::new("a much longer phase than it was before").write(&file).unwrap();
        let record = SpawnRecord::new("waiting");
        record.write(&file).unwrap();
        assert_eq!(SpawnRecord::read(&file), Some(record.clone()));
        assert!(record.to_string().starts_with(&format!("pid {} (waiting for", record.pid)));
    }
}
