//! The half of a driver that writes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::batch::Batch;
use super::driver::{Progress, READ};
use super::outbox::KEPT;
use super::shared::{Next, Shared};
use super::transport::{Room, Transport};

/// The most parts of one write.
const SLICES: usize = 16;

#[derive(Debug)]
pub(super) struct Writer {
    batch: Batch,
    /// What the kernel was asked to take.
    room: Room,
    /// Nothing will be sent after `batch`.
    ending: bool,
    /// The bytes that were written since somebody asked.
    written: usize,
    /// The other end does not take anything any more; what it said before is still read.
    deaf: bool,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            batch: Batch::default(),
            room: Room::default(),
            ending: false,
            written: 0,
            deaf: false,
        }
    }

    /// The bytes that were written since this was asked last.
    pub(super) fn take_written(&mut self) -> usize {
        std::mem::take(&mut self.written)
    }

    /// Whether nothing is left that the transport did not take.
    pub(super) fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }

    /// Whether somebody waited between the last pieces of long messages.
    pub(super) fn is_accompanied(&self) -> bool {
        self.room == Room::Narrow
    }

    /// Whether what it has to write next is a part of a long message.
    pub(super) fn is_long(&self) -> bool {
        self.batch.as_slice().is_none()
    }

    /// Gives back memory that an idle connection does not need.
    pub(super) fn shrink(&mut self) {
        self.batch.shrink(KEPT);
    }

    /// Writes until the outbox is empty, the socket is full or a part of a long message is written.
    /// Leaves the driver's waker in the transport in the second case.
    pub(super) fn turn<T: Transport>(
        &mut self,
        transport: &mut T,
        shared: &Shared,
        context: &mut Context<'_>,
    ) -> Progress {
        let mut progress = Progress::None;
        let mut is_all = false;
        loop {
            let was_long = self.is_long();
            match self.poll_write(transport, context) {
                Poll::Pending => return progress,
                Poll::Ready(Err(_)) => {
                    // Whoever closed may have said why: read on to the end.
                    self.deaf = true;
                    self.batch.clear(READ);
                }
                Poll::Ready(Ok(())) => {}
            }
            if is_all {
                return progress;
            }
            if self.ending {
                return Progress::End(shared.farewell());
            }
            match shared.next(&mut self.batch) {
                Next::Nothing => return progress,
                Next::Write | Next::WriteAll if was_long => return Progress::Some,
                Next::Write => {}
                Next::WriteAll => is_all = true,
                Next::WriteAndEnd => self.ending = true,
            }
            if self.deaf {
                self.batch.clear(READ);
            }
            progress = Progress::Some;
        }
    }

    /// Says goodbye if that is still possible without waiting.
    pub(super) fn last_words<T: Transport>(
        &mut self,
        transport: &mut T,
        shared: &Shared,
        context: &mut Context<'_>,
    ) {
        if !self.deaf && matches!(self.poll_write(transport, context), Poll::Ready(Ok(()))) {
            shared.next(&mut self.batch);
            let _ = self.poll_write(transport, context);
        }
    }

    fn poll_write<T: Transport>(
        &mut self,
        transport: &mut T,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.batch.is_written() {
            let written = if let Some(bytes) = self.batch.as_slice() {
                Pin::new(&mut *transport).poll_write(context, bytes)
            } else {
                let room = self.batch.room();
                if self.room != room {
                    self.room = room;
                    transport.make_room(room);
                }
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = self.batch.slices(&mut slices);
                Pin::new(&mut *transport).poll_write_vectored(context, &slices[..count])
            };
            match written {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(count)) => {
                    self.batch.advance(count);
                    self.written += count;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.batch.clear(READ);
        Poll::Ready(Ok(()))
    }
}
