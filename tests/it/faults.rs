//! Orders to fail, for the processes of a test; see `autod-core/src/fault.rs`.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;

use crate::home::{FAULTS, Home, eventually, kill};

/// The orders of one home.
pub(crate) struct Faults(PathBuf);

impl Faults {
    pub(crate) fn of(home: &Home) -> Self {
        let directory = home.join(FAULTS);
        fs::create_dir_all(&directory).expect("a directory");
        Self(directory)
    }

    /// Whoever passes the point next gets the order.
    pub(crate) fn order(&self, point: &str, order: &str) {
        let draft = self.0.join("draft");
        fs::write(&draft, order).expect("it can be written");
        fs::rename(draft, self.0.join(point)).expect("it can be renamed");
    }

    /// The process that has taken the order.
    pub(crate) fn taken(&self, point: &str) -> Option<u32> {
        let entries = fs::read_dir(&self.0).expect("the directory is there");
        entries.flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            name.strip_prefix(point)?.strip_prefix('.')?.parse().ok()
        })
    }

    /// Waits until somebody takes the order.
    #[track_caller]
    pub(crate) fn wait(&self, point: &str) -> u32 {
        eventually(&format!("somebody passes {point}"), || self.taken(point).is_some());
        self.taken(point).expect("it was there")
    }

    /// Lets go whoever is held or stopped at the point.
    pub(crate) fn release(&self, point: &str) {
        if let Some(pid) = self.taken(point) {
            let _ = fs::remove_file(self.0.join(format!("{point}.{pid}")));
            kill(pid, Signal::CONT);
        }
    }
}
