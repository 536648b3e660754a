//! One connection among the threads that use it.

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::desk::{Desk, Place};
use super::reader::Reader;
use super::seat::{Seat, Slept, Taken};
use super::socket::{self, Ready};
use super::writer::{Sent, Writer};
use crate::mux::loss::Loss;
use crate::mux::shared::Shared;

#[derive(Debug)]
pub(super) struct Line {
    pub(super) shared: Arc<Shared>,
    socket: UnixStream,
    pub(super) desk: Desk,
    /// Locked by who has the reader's place.
    reader: Mutex<Reader>,
    writer: Mutex<Writer>,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Its waker.
    Call,
    /// That the kernel has taken all that was said.
    Sending,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// The socket blocks. `rest` is what was read behind the greetings.
    pub(super) fn new(
        shared: Arc<Shared>,
        socket: UnixStream,
        rest: Vec<u8>,
        busy_poll: Duration,
    ) -> Self {
        let mut reader = Reader::new(rest, busy_poll);
        if let Err(loss) = reader.take_early(&shared) {
            shared.lose(loss);
        }
        Self {
            shared,
            socket,
            desk: Desk::default(),
            reader: Mutex::new(reader),
            writer: Mutex::default(),
        }
    }

    /// Polls until it is ready; `None` if that takes longer than `until`.
    pub(super) fn wait_for<T>(
        &self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
        until: Option<Instant>,
    ) -> Option<T> {
        let mut ready = None;
        self.drive(
            &mut |context| match poll(context) {
                Poll::Ready(value) => {
                    ready = Some(value);
                    true
                }
                Poll::Pending => false,
            },
            until,
        );
        ready
    }

    /// The same for all types: polls until it is told that all is done.
    fn drive(&self, poll: &mut dyn FnMut(&mut Context<'_>) -> bool, until: Option<Instant>) {
        let taken = Taken::new();
        let mut context = Context::from_waker(&taken.waker);
        loop {
            taken.seat.sit();
            let done = poll(&mut context);
            let written = self.flush();
            if done {
                return;
            }
            if taken.seat.is_woken() {
                // It has more to say. What the other end has to say to that is heard in between.
                self.glance();
                if until.is_some_and(|until| Instant::now() >= until) {
                    return;
                }
            } else if !self.wait(&taken.seat, written, Goal::Call, until) {
                return;
            }
        }
    }

    /// Writes what there is to write, without waiting.
    pub(super) fn flush(&self) -> Sent {
        lock(&self.writer).write(&self.shared, &self.socket)
    }

    /// Waits until the kernel has all that was said before, or nobody will hear it; reads meanwhile.
    /// No longer than `until`.
    pub(super) fn push_out(&self, until: Option<Instant>) {
        let mut written = self.flush();
        if written == Sent::All {
            return;
        }
        let taken = Taken::new();
        taken.seat.sit();
        while written == Sent::Stuck && !self.shared.is_lost() {
            if !self.wait(&taken.seat, written, Goal::Sending, until) {
                return;
            }
            written = self.flush();
        }
    }

    /// Takes what has come, if nobody else does.
    fn glance(&self) {
        let Some(_place) = self.desk.glance() else { return };
        let mut reader = lock(&self.reader);
        if let Some(read) = reader.read_now(&self.socket) {
            let taken = reader.take(&self.shared, read);
            self.judge(taken);
        }
    }

    /// Waits at the desk. `false` if that takes longer than `until`.
    fn wait(&self, seat: &Arc<Seat>, written: Sent, goal: Goal, until: Option<Instant>) -> bool {
        if let Some(place) = self.desk.enter(seat) {
            return self.read(seat, &place, written, goal, until);
        }
        let in_time = self.stand_by(seat, written, goal, until);
        match self.desk.leave(seat) {
            Some(place) if in_time => self.read(seat, &place, self.flush(), goal, until),
            _ => in_time,
        }
    }

    /// Waits while another thread reads.
    fn stand_by(&self, seat: &Seat, mut written: Sent, goal: Goal, until: Option<Instant>) -> bool {
        while written == Sent::Stuck {
            match seat.poll(&self.socket, PollFlags::OUT, until) {
                Slept::Called => return true,
                Slept::TimedOut => return false,
                Slept::Ready(_) => written = self.flush(),
            }
        }
        goal == Goal::Sending || seat.park(until) != Slept::TimedOut
    }

    /// Reads for all until this thread has what it waits for.
    fn read(
        &self,
        seat: &Seat,
        _: &Place<'_>,
        mut written: Sent,
        goal: Goal,
        until: Option<Instant>,
    ) -> bool {
        let mut reader = lock(&self.reader);
        loop {
            if seat.is_woken() {
                return true;
            }
            if goal == Goal::Sending && written == Sent::All {
                return true;
            }
            let outlook = self.shared.outlook();
            if outlook.lost {
                return true;
            }
            let read = if written == Sent::Stuck || outlook.queue {
                let mut events = PollFlags::IN;
                events.set(PollFlags::OUT, written == Sent::Stuck);
                match seat.poll(&self.socket, events, until) {
                    Slept::Called => return true,
                    Slept::TimedOut => return false,
                    Slept::Ready(_) => reader.read_now(&self.socket),
                }
            } else if let Some(read) = reader.look(&self.socket, outlook.expected) {
                Some(read)
            } else if until.is_some() {
                match socket::wait(&[(self.socket.as_fd(), PollFlags::IN)], until) {
                    Ready::TimedOut => return false,
                    Ready::Events(_) => reader.read_now(&self.socket),
                }
            } else {
                Some(reader.read(&self.socket))
            };
            if let Some(read) = read {
                let taken = reader.take(&self.shared, read);
                self.judge(taken);
                // Who has what it waited for writes by itself.
                if seat.is_woken() {
                    return true;
                }
            }
            written = self.flush();
        }
    }

    fn judge(&self, taken: Result<(), Loss>) {
        let Err(mut loss) = taken else { return };
        // A last word about the protocol, if there is one.
        self.flush();
        loss.executed &= !lock(&self.writer).is_unheard();
        self.shared.lose(loss);
    }
}
