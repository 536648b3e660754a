//! Where a thread sleeps until it is called.

use std::cell::Cell;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::socket::{self, Ready};

/// How often a thread looks by itself if there is no descriptor for a bell.
const WITHOUT_BELL: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
pub(super) struct Seat {
    /// The waker has fired since the last poll. Changed to `true` under the lock, so that whoever holds
    /// it does not fall asleep over that.
    woken: AtomicBool,
    state: Mutex<State>,
    called: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The reader's place is this thread's.
    handed: bool,
    sleep: Sleep,
}

#[derive(Debug, Default)]
enum Sleep {
    #[default]
    Awake,
    Parked,
    /// In a `poll` that a byte in here ends.
    Polling(Arc<UnixStream>),
}

/// What ended a sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slept {
    Called,
    /// The socket is ready for this.
    Ready(PollFlags),
    TimedOut,
}

impl Seat {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Before a poll: what was called before is looked at by it.
    ///
    /// The poll takes the lock of the connection, and whoever wakes has changed something under it: if
    /// the poll has not seen that, the waker fires after this.
    pub(super) fn sit(&self) {
        self.woken.store(false, Relaxed);
    }

    pub(super) fn is_woken(&self) -> bool {
        self.woken.load(Acquire)
    }

    /// Gives the reader's place to this thread.
    pub(super) fn hand(&self) {
        self.call(|state| state.handed = true);
    }

    /// Whether the reader's place was given to it, which it knows from now on.
    pub(super) fn take_handed(&self) -> bool {
        std::mem::take(&mut self.lock().handed)
    }

    fn call(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        match std::mem::take(&mut state.sleep) {
            Sleep::Awake => {}
            Sleep::Parked => self.called.notify_one(),
            Sleep::Polling(bell) => {
                drop(state);
                // A bell that is full or gone has been heard.
                let _ = std::io::Write::write(&mut &*bell, &[1]);
            }
        }
    }

    /// Sleeps until it is called.
    pub(super) fn park(&self, until: Option<Instant>) -> Slept {
        let mut state = self.lock();
        loop {
            if self.is_woken() || state.handed {
                state.sleep = Sleep::Awake;
                return Slept::Called;
            }
            state.sleep = Sleep::Parked;
            state = match until {
                None => self.called.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        state.sleep = Sleep::Awake;
                        return Slept::TimedOut;
                    }
                    self.called.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Sleeps until it is called, or the socket is ready for what is asked.
    pub(super) fn poll(
        &self,
        socket: &UnixStream,
        events: PollFlags,
        until: Option<Instant>,
    ) -> Slept {
        let Ok((bell, rope)) = UnixStream::pair() else {
            // Too many files are open.
            return self.poll_in_turns(socket, events, until);
        };
        {
            let mut state = self.lock();
            if self.is_woken() || state.handed {
                return Slept::Called;
            }
            state.sleep = Sleep::Polling(Arc::new(rope));
        }
        let ready = socket::wait(&[(socket.as_fd(), events), (bell.as_fd(), PollFlags::IN)], until);
        let mut state = self.lock();
        state.sleep = Sleep::Awake;
        match ready {
            _ if self.is_woken() || state.handed => Slept::Called,
            Ready::TimedOut => Slept::TimedOut,
            Ready::Events(events) => Slept::Ready(events),
        }
    }

    fn poll_in_turns(
        &self,
        socket: &UnixStream,
        events: PollFlags,
        until: Option<Instant>,
    ) -> Slept {
        loop {
            {
                let state = self.lock();
                if self.is_woken() || state.handed {
                    return Slept::Called;
                }
            }
            let soon = Instant::now() + WITHOUT_BELL;
            let turn = until.map_or(soon, |until| until.min(soon));
            match socket::wait(&[(socket.as_fd(), events)], Some(turn)) {
                Ready::Events(events) => return Slept::Ready(events),
                Ready::TimedOut if until.is_some_and(|until| Instant::now() >= until) => {
                    return Slept::TimedOut;
                }
                Ready::TimedOut => {}
            }
        }
    }
}

impl Wake for Seat {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.call(|_| self.woken.store(true, Release));
    }
}

thread_local! {
    /// The seat of this thread, unless it is taken: an iterator that is sent may make calls itself.
    static OWN: Cell<Option<(Arc<Seat>, Waker)>> = const { Cell::new(None) };
}

/// A seat for one wait, and its waker.
pub(super) struct Taken {
    pub(super) seat: Arc<Seat>,
    pub(super) waker: Waker,
}

impl Taken {
    pub(super) fn new() -> Self {
        // A thread that ends has none of its own any more.
        let (seat, waker) = OWN.try_with(Cell::take).ok().flatten().unwrap_or_else(|| {
            let seat = Arc::<Seat>::default();
            (Arc::clone(&seat), Waker::from(seat))
        });
        Self { seat, waker }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let own = (Arc::clone(&self.seat), self.waker.clone());
        let _ = OWN.try_with(|cell| cell.set(Some(own)));
    }
}
