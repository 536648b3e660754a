//! Who is connected: for whoever asks the daemon about itself.
//!
//! An entry is made when a caller has been greeted and goes with its connection. Nothing is looked
//! up here while calls are served.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::caller::Caller;
use crate::mux::{OpenCall, Shared};
use crate::voucher::Voucher;

#[derive(Debug, Default)]
pub(super) struct Register(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    /// The oldest first.
    open: BTreeMap<u64, Arc<Entry>>,
}

#[derive(Debug)]
struct Entry {
    voucher: Voucher,
    caller: Arc<Caller>,
    since: Instant,
    /// Not there as long as the daemon starts.
    shared: OnceLock<Weak<Shared>>,
}

/// A connection as others see it.
#[derive(Debug)]
pub(super) struct User {
    pub(super) voucher: Voucher,
    pub(super) caller: Arc<Caller>,
    pub(super) age: Duration,
    /// How many calls of its are open.
    pub(super) open: usize,
    /// The first of them.
    pub(super) calls: Vec<OpenCall>,
}

impl Register {
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a caller until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>, voucher: Voucher, caller: Arc<Caller>) -> Registered {
        let entry =
            Arc::new(Entry { voucher, caller, since: Instant::now(), shared: OnceLock::new() });
        let mut entries = self.lock();
        let id = entries.next;
        entries.next += 1;
        entries.open.insert(id, Arc::clone(&entry));
        Registered { register: Arc::clone(self), id, entry }
    }

    /// The oldest connections, so many at most, with so many calls of each.
    pub(super) fn users(&self, limit: usize, calls: usize) -> Vec<User> {
        // No connection's lock is taken under this one.
        let entries: Vec<Arc<Entry>> = self.lock().open.values().take(limit).cloned().collect();
        let user = |entry: Arc<Entry>| {
            let shared = entry.shared.get().and_then(Weak::upgrade);
            let (open, calls) = shared.map_or((0, Vec::new()), |shared| shared.open_calls(calls));
            let caller = Arc::clone(&entry.caller);
            User { voucher: entry.voucher.clone(), caller, age: entry.since.elapsed(), open, calls }
        };
        entries.into_iter().map(user).collect()
    }
}

/// An entry of the register.
#[derive(Debug)]
pub(super) struct Registered {
    register: Arc<Register>,
    id: u64,
    entry: Arc<Entry>,
}

impl Registered {
    pub(super) fn voucher(&self) -> Voucher {
        self.entry.voucher.clone()
    }

    pub(super) fn caller(&self) -> Arc<Caller> {
        Arc::clone(&self.entry.caller)
    }

    /// Calls come over this connection from now on.
    pub(super) fn serves(&self, shared: &Arc<Shared>) {
        let _ = self.entry.shared.set(Arc::downgrade(shared));
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.register.lock().open.remove(&self.id);
    }
}
