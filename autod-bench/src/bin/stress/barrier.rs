//! A line that callers wait at, so that they come at once.

use std::io::{PipeReader, PipeWriter};
use std::process::Command;

use crate::Result;
use crate::caller::Caller;

/// One pipe for all: closing it lets them go together.
pub(crate) struct Barrier {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Barrier {
    pub(crate) fn new() -> Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        Ok(Self { reader, writer })
    }

    /// Starts a caller that will wait here.
    pub(crate) fn spawn(&self, mut command: Command) -> Result<Caller> {
        command.env("FIX_BARRIER", "1").stdin(self.reader.try_clone()?);
        Caller::spawn_waiting(command)
    }

    /// Lets them go, once all of them are here.
    pub(crate) fn release(self, callers: &mut [Caller]) -> Result<()> {
        callers.iter_mut().try_for_each(Caller::arrive)?;
        drop(self.writer);
        Ok(())
    }
}

/// Starts as many callers as there are commands, and lets them go together.
pub(crate) fn at_once(commands: impl IntoIterator<Item = Command>) -> Result<Vec<Caller>> {
    let barrier = Barrier::new()?;
    let callers = commands.into_iter().map(|command| barrier.spawn(command));
    let mut callers: Vec<_> = callers.collect::<Result<_>>()?;
    barrier.release(&mut callers)?;
    Ok(callers)
}
