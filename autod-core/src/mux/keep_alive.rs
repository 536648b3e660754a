//! Finding out that the other end is gone when nothing says so: a machine that was switched off, a
//! link that was cut. Only for connections over a network; on a socket of this machine the kernel
//! tells.
//!
//! The connector sends a Ping in each interval and the acceptor answers, so in each interval either
//! end hears something. Intervals are counted while this end is awake and has nothing left to read:
//! one that was suspended is not told that the other is gone.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use super::shared::Shared;

/// So many intervals without a word, and the other end is gone.
const SILENT: u32 = 3;

pub(crate) struct KeepAlive {
    interval: Duration,
    /// Intervals since something was heard.
    silent: u32,
    timer: Pin<Box<Sleep>>,
    /// Of the end that sends the Pings.
    pinging: Option<Arc<Shared>>,
}

impl KeepAlive {
    pub(crate) fn new(milliseconds: u32) -> Self {
        let interval = Duration::from_millis(milliseconds.into());
        Self { interval, silent: 0, timer: Box::pin(sleep(interval)), pinging: None }
    }

    /// This end is the one that sends the Pings.
    pub(super) fn begin(&mut self, shared: &Arc<Shared>) {
        self.pinging = Some(Arc::clone(shared));
    }

    /// Something has come.
    pub(super) fn heard(&mut self) {
        self.silent = 0;
    }

    /// Ready when the other end has said nothing for too long; nothing is left to read.
    pub(super) fn poll_gone(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            ready!(self.timer.as_mut().poll(context));
            self.silent += 1;
            if self.silent > SILENT {
                let silence = self.interval * SILENT;
                let text = format!("the other end has said nothing for {silence:?}");
                return Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            if let Some(shared) = &self.pinging {
                shared.ping();
            }
            let next = Instant::now() + self.interval;
            self.timer.as_mut().reset(next);
        }
    }
}
