//! Buffers of long messages that are used again.
//!
//! Memory that is given back is often taken from the system anew for the next message, and each of
//! its pages costs as much as copying it. So what has been written is kept for what is read next, by
//! whatever connection of the process, until there is nothing to do.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The bytes that are kept at most.
const MOST: usize = 4 << 20;

/// A smaller buffer is not worth it.
const LEAST: usize = 16 << 10;

/// The buffers of one process.
#[derive(Debug)]
pub(super) struct Spares {
    buffers: Mutex<Vec<Vec<u8>>>,
    /// What they hold; changed under their lock.
    bytes: AtomicUsize,
}

pub(super) static SPARES: Spares = Spares::new();

impl Spares {
    const fn new() -> Self {
        Self { buffers: Mutex::new(Vec::new()), bytes: AtomicUsize::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a buffer that nobody needs, if there is room for it.
    pub(super) fn keep(&self, mut buffer: Vec<u8>) {
        let size = buffer.capacity();
        if (LEAST..=MOST).contains(&size) {
            let mut buffers = self.lock();
            if self.bytes.load(Relaxed) + size <= MOST {
                buffer.clear();
                self.bytes.fetch_add(size, Relaxed);
                buffers.push(buffer);
            }
        }
    }

    /// An empty buffer that takes so many bytes, if there is one.
    pub(super) fn take(&self, least: usize) -> Option<Vec<u8>> {
        let mut buffers = self.lock();
        let at = buffers.iter().rposition(|buffer| buffer.capacity() >= least)?;
        let buffer = buffers.swap_remove(at);
        self.bytes.fetch_sub(buffer.capacity(), Relaxed);
        Some(buffer)
    }

    /// Gives all of them back to the system.
    pub(super) fn release(&self) {
        if self.bytes.load(Relaxed) > 0 {
            let mut buffers = self.lock();
            self.bytes.store(0, Relaxed);
            let released = std::mem::take(&mut *buffers);
            drop(buffers);
            drop(released);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_can_be_given_back() {
        let spares = Spares::new();
        let bytes = || {
            let bytes = spares.lock().iter().map(Vec::capacity).sum::<usize>();
            assert_eq!(bytes, spares.bytes.load(Relaxed));
            bytes
        };
        for _ in 0..100 {
            spares.keep(vec![7; MOST / 8]);
            spares.keep(vec![7; LEAST / 2]);
            spares.keep(vec![7; 2 * MOST]);
            assert!(bytes() <= MOST);
        }
        assert_eq!(bytes(), MOST);
        let buffer = spares.take(LEAST).expect("some are kept");
        assert!(buffer.is_empty() && buffer.capacity() >= LEAST);
        assert_eq!(bytes(), MOST - buffer.capacity());
        assert_eq!(spares.take(2 * MOST), None);
        spares.release();
        assert_eq!((bytes(), spares.take(0)), (0, None));
    }
}
