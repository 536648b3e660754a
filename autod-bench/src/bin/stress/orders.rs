//! Orders to fail, which the fixture's processes take at their fault points; see
//! `autod-core/src/fault.rs`.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::Result;
use crate::home::Home;
use crate::process::kill;

/// The directory of the orders of one home.
pub(crate) struct Orders(PathBuf);

impl Orders {
    pub(crate) fn of(home: &Home) -> Result<Self> {
        let directory = Self::directory(&home.join(""));
        fs::create_dir_all(&directory)?;
        Ok(Self(directory))
    }

    /// Where the processes of a home look for them.
    pub(crate) fn directory(home: &Path) -> PathBuf {
        home.join("faults")
    }

    /// Whoever passes the point next gets the order.
    pub(crate) fn give(&self, point: &str, order: &str) -> Result<()> {
        let draft = self.0.join("draft");
        fs::write(&draft, order)?;
        Ok(fs::rename(draft, self.0.join(point))?)
    }

    /// Takes the order back if nobody has it. Whoever is held or stopped at the point goes on; gives
    /// the process that had the order.
    pub(crate) fn withdraw(&self, point: &str) -> Result<Option<u32>> {
        if fs::remove_file(self.0.join(point)).is_ok() {
            return Ok(None);
        }
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let pid = name.strip_prefix(point).and_then(|rest| rest.strip_prefix('.'));
            if let Some(pid) = pid.and_then(|pid| pid.parse().ok()) {
                fs::remove_file(entry.path())?;
                kill(pid, Signal::CONT);
                return Ok(Some(pid));
            }
        }
        Ok(None)
    }

    pub(crate) fn is_taken(&self, point: &str) -> bool {
        !self.0.join(point).exists()
    }
}
