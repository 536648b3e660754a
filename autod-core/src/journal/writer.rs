//! Standard error, as a log file that is rotated before a flood of events fills the disk.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use crate::daemon::Tenancy;

/// How much is written between two looks at the size of the file.
const STEP: u64 = 1 << 20;

/// Writes to standard error, and keeps the log below its limit plus a step.
pub(super) struct Writer {
    /// Absent if the log is somebody else's.
    tenancy: Option<Arc<Tenancy>>,
    /// Since the last look. Locked while one writes: others would write on while it rotates.
    written: Mutex<u64>,
}

impl Writer {
    pub(super) fn new(tenancy: Option<Arc<Tenancy>>) -> Self {
        Self { tenancy, written: Mutex::default() }
    }

    fn look(&self) {
        if let Some(tenancy) = &self.tenancy
            && let Err(error) = tenancy.try_rotate_log()
        {
            // Not an event, which would come back here.
            let _ = writeln!(io::stderr(), "autod: {}", crate::error::in_full(&error));
        }
    }
}

impl Write for &Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let count = io::stderr().write(bytes)?;
        *written += count as u64;
        if *written >= STEP {
            *written = 0;
            self.look();
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> Self::Writer {
        self
    }
}
