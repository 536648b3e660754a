//! Standard error, as a log file that is rotated before a flood of events fills the disk.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tracing_subscriber::fmt::MakeWriter;

use crate::daemon::Tenancy;

/// How much is written between two looks at the size of the file.
const STEP: u64 = 1 << 20;

/// Writes to standard error, and keeps the log below its limit plus a step.
pub(super) struct Writer {
    /// Absent if the log is somebody else's.
    tenancy: Option<Arc<Tenancy>>,
    written: AtomicU64,
}

impl Writer {
    pub(super) fn new(tenancy: Option<Arc<Tenancy>>) -> Self {
        Self { tenancy, written: AtomicU64::new(0) }
    }

    fn count(&self, length: usize) {
        let length = length as u64;
        let before = self.written.fetch_add(length, Relaxed);
        if before / STEP == (before + length) / STEP {
            return;
        }
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
        let count = io::stderr().write(bytes)?;
        self.count(count);
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
