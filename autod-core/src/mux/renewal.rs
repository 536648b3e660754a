//! A connection whose transport is replaced when it is lost: the present one, those who wait for
//! the next, and the task that makes it.
//!
//! Each transport is a connection of its own, a *line*. A line is made only while somebody waits
//! for it: a daemon that was closed is not started again by a client that has nothing to say. What
//! becomes of the calls of a lost line is [`again`](super::again)'s.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Instant;

use super::connection::{Connection, Origin};
use crate::error::{Error, ErrorKind, Result, chain};

/// What happens to the transport of a client that [connects again](crate::Reconnect).
#[derive(Debug)]
#[non_exhaustive]
pub enum Change<'a> {
    /// There is a connection, the first or another.
    Connected(&'a Origin),
    /// The connection is gone, or takes no more calls, for this reason.
    Lost(&'a Error),
    /// An attempt to connect failed. The next one follows after a pause, if somebody waits for it
    /// and this is a failure that may pass.
    Failed(&'a Error),
}

/// Makes a line.
pub(crate) type Connect = Box<dyn Fn() -> Making + Send + Sync>;

/// A line that is being made.
pub(crate) type Making = Pin<Box<dyn Future<Output = Result<Connection>> + Send>>;

/// Hears of changes.
pub(crate) type OnChange = Box<dyn FnMut(Change<'_>) + Send>;

/// A wait for the next line.
pub(super) type Wait = Pin<Box<dyn Future<Output = Result<Connection>> + Send>>;

/// How often and for how long it is tried.
#[derive(Clone, Debug)]
pub(crate) struct Persistence {
    /// The longest pause before the first attempt; it doubles with each.
    pub(crate) first: Duration,
    /// The longest pause of all.
    pub(crate) most: Duration,
    /// How long a call waits for a line.
    pub(crate) patience: Duration,
}

pub(crate) struct Renewal {
    connect: Connect,
    persistence: Persistence,
    /// Held while something changes, so that changes are heard in their order.
    on_change: Mutex<Option<OnChange>>,
    /// Calls may be polled elsewhere.
    runtime: Handle,
    present: watch::Sender<Present>,
    efforts: Mutex<Efforts>,
}

#[derive(Debug)]
enum Present {
    Line(Connection),
    Nothing,
    /// It is not tried any more before somebody else asks for it.
    Failed(Error),
}

#[derive(Debug)]
struct Efforts {
    /// There is a task that connects.
    connecting: bool,
    /// Attempts since a line held.
    attempts: u32,
    /// The longest pause that the last attempt could have had.
    ceiling: Duration,
    /// When the present line was made.
    since: Instant,
    /// Why the last attempt failed, in words.
    failure: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Renewal {
    /// Makes the first line, without a second attempt.
    pub(crate) async fn connect(
        connect: Connect,
        persistence: Persistence,
        on_change: Option<OnChange>,
    ) -> Result<Connection> {
        let first = connect().await?;
        let efforts = Efforts {
            connecting: false,
            attempts: 0,
            ceiling: Duration::ZERO,
            since: Instant::now(),
            failure: None,
        };
        let renewal = Arc::new(Self {
            connect,
            persistence,
            on_change: Mutex::new(on_change),
            runtime: Handle::current(),
            present: watch::Sender::new(Present::Nothing),
            efforts: Mutex::new(efforts),
        });
        let handle = Connection::renewed(&first, Arc::clone(&renewal));
        renewal.take(&first);
        Ok(handle)
    }

    /// The line that new calls go over, if there is one.
    pub(super) fn line(&self) -> Option<Connection> {
        match &*self.present.borrow() {
            Present::Line(line) => Some(line.clone()),
            Present::Nothing | Present::Failed(_) => None,
        }
    }

    /// Waits for another line than this one, which takes no more calls.
    pub(super) fn after(self: &Arc<Self>, lost: &Connection) -> Wait {
        // In this order: the task goes on as long as there is a receiver when it looks.
        let mut news = self.present.subscribe();
        self.leave(lost);
        self.start();
        let patience = {
            let _runtime = self.runtime.enter();
            Box::pin(tokio::time::sleep(self.persistence.patience))
        };
        let this = Arc::clone(self);
        Box::pin(async move {
            let arrived = pin!(news.wait_for(|present| !matches!(present, Present::Nothing)));
            match select(arrived, patience).await {
                Either::Left((Ok(present), _)) => match &*present {
                    Present::Line(line) => Ok(line.clone()),
                    Present::Failed(error) => {
                        let text = "the connection was lost and cannot be made again";
                        Err(Error::new(error.kind(), text).caused_by(chain(error)).mended_as(error))
                    }
                    Present::Nothing => Err(this.impatient()),
                },
                Either::Left((Err(_), _)) | Either::Right(_) => Err(this.impatient()),
            }
        })
    }

    fn impatient(&self) -> Error {
        let patience = self.persistence.patience;
        let text = format!("the connection was lost and is not back after {patience:?}");
        let error = Error::new(ErrorKind::Lost, text);
        lock(&self.efforts).failure.clone().into_iter().fold(error, Error::caused_by)
    }

    /// Takes a line for the present one.
    fn take(self: &Arc<Self>, line: &Connection) {
        {
            let mut on_change = lock(&self.on_change);
            let mut efforts = lock(&self.efforts);
            efforts.connecting = false;
            efforts.since = Instant::now();
            efforts.failure = None;
            self.present.send_replace(Present::Line(line.clone()));
            drop(efforts);
            tell(&mut on_change, Change::Connected(line.origin()));
        }
        let shared = Arc::clone(line.shared_arc());
        let this = Arc::downgrade(self);
        let line = line.downgrade();
        self.runtime.spawn(async move {
            shared.ended().await;
            if let (Some(this), Some(line)) = (this.upgrade(), line.upgrade()) {
                this.leave(&line);
            }
        });
    }

    /// This line, if it is still the present one, is so no longer.
    fn leave(&self, lost: &Connection) {
        let mut on_change = lock(&self.on_change);
        let left = self.present.send_if_modified(|present| match present {
            Present::Line(line) if line.is_same(lost) => {
                *present = Present::Nothing;
                true
            }
            _ => false,
        });
        if !left {
            return;
        }
        let mut efforts = lock(&self.efforts);
        // A line that breaks as soon as it is made does not begin anew.
        if efforts.since.elapsed() >= efforts.ceiling {
            efforts.attempts = 0;
        }
        drop(efforts);
        let reason = lost.shared().refusal().unwrap_or_else(|| {
            Error::new(ErrorKind::Closing, "the other end takes no more calls on this connection")
        });
        tell(&mut on_change, Change::Lost(&reason));
    }

    /// Sees to it that somebody connects, if there is no line.
    fn start(self: &Arc<Self>) {
        let mut efforts = lock(&self.efforts);
        if efforts.connecting || matches!(*self.present.borrow(), Present::Line(_)) {
            return;
        }
        efforts.connecting = true;
        self.present.send_if_modified(|present| {
            *present = Present::Nothing;
            false
        });
        drop(efforts);
        let task = Connecting(Arc::clone(self));
        self.runtime.spawn(task.run());
    }

    /// How long to wait before the next attempt: any time up to a limit that doubles, so that the
    /// clients of one daemon do not come back all at once.
    fn pause(&self) -> Duration {
        let Persistence { first, most, .. } = self.persistence;
        let mut efforts = lock(&self.efforts);
        let doubled = 1_u32.checked_shl(efforts.attempts).unwrap_or(u32::MAX);
        efforts.ceiling = first.saturating_mul(doubled).min(most);
        efforts.attempts = efforts.attempts.saturating_add(1).min(31);
        efforts.ceiling.mul_f64(fraction())
    }
}

impl fmt::Debug for Renewal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewal")
            .field("persistence", &self.persistence)
            .field("efforts", &lock(&self.efforts))
            .finish_non_exhaustive()
    }
}

/// The task that connects. However it ends, the next one who waits can begin another.
struct Connecting(Arc<Renewal>);

impl Connecting {
    async fn run(self) {
        let renewal = &self.0;
        loop {
            let attempt = pin!(async {
                tokio::time::sleep(renewal.pause()).await;
                (renewal.connect)().await
            });
            match select(attempt, pin!(renewal.present.closed())).await {
                Either::Left((Ok(line), _)) => return renewal.take(&line),
                Either::Left((Err(error), _)) => {
                    tell(&mut lock(&renewal.on_change), Change::Failed(&error));
                    lock(&renewal.efforts).failure = Some(chain(&error));
                    if is_final(&error) {
                        lock(&renewal.efforts).connecting = false;
                        renewal.present.send_replace(Present::Failed(error));
                        return;
                    }
                }
                Either::Right(_) => {
                    let mut efforts = lock(&renewal.efforts);
                    if renewal.present.receiver_count() == 0 {
                        efforts.connecting = false;
                        return;
                    }
                }
            }
        }
    }
}

impl Drop for Connecting {
    /// After a panic in the program's own way of connecting.
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.efforts).connecting = false;
            let error = Error::new(ErrorKind::Panicked, "the attempt to connect panicked");
            self.0.present.send_replace(Present::Failed(error));
        }
    }
}

fn tell(on_change: &mut Option<OnChange>, change: Change<'_>) {
    if let Some(on_change) = on_change {
        on_change(change);
    }
}

/// Whether another attempt would only meet the same.
fn is_final(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Denied
            | ErrorKind::Mismatch
            | ErrorKind::Place
            | ErrorKind::Protocol
            | ErrorKind::StartFailed
            | ErrorKind::Usage
    )
}

/// From 0 to 1, by chance.
fn fraction() -> f64 {
    // What it is seeded with is random, which is all that is asked of it.
    let random = RandomState::new().hash_one(0);
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
