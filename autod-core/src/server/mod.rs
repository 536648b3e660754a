//! The accepting end: greets connections, counts them, and serves them until the daemon leaves.
//!
//! ```text
//!   Starting --ready--> Ready --idle, close--> Leaving --drained--> end
//!       |                                         ^
//!       +--failed--> Failed ----------------------+
//! ```
//!
//! One task, the desk, accepts, greets and decides when to leave, so that a connection cannot slip
//! between the two. Greeted connections move to the runtime of the sessions, where handlers may
//! block a thread: the desk of a daemon's process has a thread of its own, and goes on. Which files
//! prove that this daemon is the one is the business of its [`Tenancy`].

mod control;
mod facts;
mod leaving;
#[cfg(feature = "remote")]
mod over;
mod readiness;
mod reception;
mod register;
mod vigil;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Release;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::facts::{Facts, Manner};
use self::leaving::Idle;
use self::register::Register;
use self::vigil::{Finding, Vigil};
use crate::daemon::{Root, SpawnLock, Tenancy, accept_now};
use crate::error::in_full;
use crate::fault::{self, Point};
use crate::handle::DaemonHandle;
use crate::identity::Build;
use crate::mux::{Pulse, Tally};
use crate::service::Table;
use crate::wire::limits::Limits;

/// The pause after the system refused to accept (no descriptors left). No event tells when it
/// would not any more.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// When the spawn lock is busy at the end of the linger, somebody starts or asks: look again soon.
const REARM: Duration = Duration::from_millis(20);

/// What a server is made of.
pub(crate) struct Server {
    pub(crate) daemon: DaemonHandle,
    pub(crate) table: &'static Table,
    pub(crate) limits: Limits,
    pub(crate) build: Build,
    pub(crate) drain: Duration,
    /// The directory that the daemon works for.
    pub(crate) root: Option<Root>,
    /// The socket goes on without this daemon: whoever is in its queue is for the next.
    pub(crate) kept: bool,
    pub(crate) facts: Facts,
}

/// Everything of a server but its listener.
pub(crate) struct Shop {
    pub(crate) server: Server,
    /// Connections that are open, greeted or not. Not those that are turned away unheard.
    open: AtomicUsize,
    /// Those of them that have not said what they want.
    unheard: AtomicUsize,
    /// Cancelled when connections have to end.
    leaving: CancellationToken,
    /// Set just before.
    about_to_leave: AtomicBool,
    tasks: TaskTracker,
    sessions: Handle,
    pulse: Arc<Pulse>,
    tally: Arc<Tally>,
    register: Arc<Register>,
}

/// What the desk woke up for.
enum Event {
    Accepted(io::Result<UnixStream>),
    Idle,
    Close,
    Found(Finding),
}

impl Server {
    /// Readies everything but a listener.
    pub(crate) fn open(self, sessions: Handle) -> Shop {
        let tally = Arc::new(Tally::new(self.table));
        Shop {
            server: self,
            open: AtomicUsize::new(0),
            unheard: AtomicUsize::new(0),
            leaving: CancellationToken::new(),
            about_to_leave: AtomicBool::new(false),
            tasks: TaskTracker::new(),
            sessions,
            pulse: Arc::default(),
            tally,
            register: Arc::default(),
        }
    }

    /// Serves until the lease is over or the daemon is asked to close; returns when the last call
    /// was answered or the drain limit has passed.
    ///
    /// Connections are served in `sessions`.
    pub(crate) async fn run(
        self,
        listener: UnixListener,
        tenancy: Option<Arc<Tenancy>>,
        sessions: Handle,
    ) {
        let shop = Arc::new(self.open(sessions));
        if Handle::current().id() != shop.sessions.id() {
            let (pulse, sessions) = (Arc::clone(&shop.pulse), shop.sessions.clone());
            tokio::spawn(async move { pulse.watch(sessions).await });
        }
        let desk = Desk {
            vigil: tenancy.clone().map(|tenancy| {
                Vigil::new(tenancy, shop.server.root.clone(), shop.server.table.name)
            }),
            shop: Arc::clone(&shop),
            listener,
            tenancy,
            accept_after: None,
            idle_after: None,
            evicted: false,
        };
        desk.stay().await;
        shop.drain().await;
    }
}

impl Shop {
    /// Lets connections end, and waits for that as long as the drain limit allows. `true` if all
    /// have ended.
    pub(crate) async fn drain(&self) -> bool {
        let limit = self.server.drain;
        self.about_to_leave.store(true, Release);
        self.leaving.cancel();
        self.tasks.close();
        let all = timeout(limit, self.tasks.wait()).await.is_ok();
        if !all {
            tracing::warn!(?limit, "calls were still running at the drain limit");
        }
        all
    }
}

/// The task that accepts, and decides when to leave.
struct Desk {
    shop: Arc<Shop>,
    listener: UnixListener,
    tenancy: Option<Arc<Tenancy>>,
    vigil: Option<Vigil>,
    /// When to accept again, after the system refused to.
    accept_after: Option<Instant>,
    idle_after: Option<Instant>,
    /// The files at the daemon's paths are somebody else's.
    evicted: bool,
}

impl Desk {
    async fn stay(mut self) {
        loop {
            match self.event().await {
                Event::Accepted(Ok(stream)) => {
                    if self.accept_after.take().is_some() {
                        tracing::info!("connections are accepted again");
                    }
                    self.shop.welcome(stream);
                    self.shop.hear_out().await;
                }
                Event::Accepted(Err(error)) => {
                    let next = Instant::now() + ACCEPT_PAUSE;
                    // Once, however long it lasts.
                    if self.accept_after.replace(next).is_none() {
                        tracing::error!(%error, "cannot accept connections");
                    }
                }
                Event::Idle => match self.shop.leave_if_idle(&self.listener, self.tenancy()) {
                    Ok(Idle::Left(spawn)) => return self.close(spawn),
                    Ok(Idle::Visitor(stream)) => self.shop.welcome(stream),
                    Ok(Idle::Busy) => self.idle_after = Some(Instant::now() + REARM),
                    Err(error) => {
                        tracing::error!(error = %in_full(&error), "cannot leave in order");
                        self.shop.server.daemon.close();
                    }
                },
                Event::Close => {
                    // Evicted, it touches nothing but its own lock.
                    let tenancy = self.tenancy().filter(|_| !self.evicted);
                    let spawn = self.shop.leave_now(&self.listener, tenancy);
                    return self.close(spawn);
                }
                Event::Found(Finding::Evicted) => {
                    tracing::warn!("the daemon's files were replaced; it ends");
                    self.evicted = true;
                    self.shop.server.daemon.close();
                }
                Event::Found(Finding::RootGone) => {
                    tracing::warn!("the project root is gone; the daemon ends");
                    self.shop.server.daemon.close();
                }
                Event::Found(Finding::DoorGone) => self.open_anew(),
            }
        }
    }

    /// Cuts off whoever is still on the way, and lets others start only then.
    fn close(self, spawn: Option<SpawnLock>) {
        drop(self.listener);
        fault::pass(Point::LeaverClosedDoor);
        drop(spawn);
    }

    fn tenancy(&self) -> Option<&Tenancy> {
        self.tenancy.as_deref()
    }

    async fn event(&mut self) -> Event {
        let daemon = &self.shop.server.daemon;
        let (accept_after, idle_after) = (self.accept_after, self.idle_after);
        let listener = &self.listener;
        let mut close = std::pin::pin!(daemon.close_requested());
        let mut accept = std::pin::pin!(async {
            pause(accept_after).await;
            listener.accept().await.map(|(stream, _)| stream)
        });
        let mut idle = std::pin::pin!(async {
            pause(idle_after).await;
            daemon.lease().expired().await;
        });
        let mut found = std::pin::pin!(async {
            match &mut self.vigil {
                Some(vigil) => vigil.finding().await,
                None => std::future::pending().await,
            }
        });
        std::future::poll_fn(|context| {
            if close.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Close);
            }
            if let Poll::Ready(accepted) = accept.as_mut().poll(context) {
                return Poll::Ready(Event::Accepted(accepted));
            }
            if idle.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Idle);
            }
            found.as_mut().poll(context).map(Event::Found)
        })
        .await
    }

    /// Somebody removed the door: puts a new one in its place and serves on. Whoever had come
    /// through the old one is served as well.
    fn open_anew(&mut self) {
        let Some(tenancy) = &self.tenancy else { return };
        fault::pass(Point::DoorAnew);
        let opened = tenancy.try_spawn_lock().and_then(|spawn| {
            let Some(spawn) = spawn else { return Ok(None) };
            let listener = tenancy.publish(&spawn)?;
            UnixListener::from_std(listener)
                .map(Some)
                .map_err(|error| crate::Error::system("cannot serve the new door", error))
        });
        match opened {
            Ok(Some(listener)) => {
                let old = std::mem::replace(&mut self.listener, listener);
                while let Ok(Some(stream)) = accept_now(&old) {
                    match UnixStream::from_std(stream) {
                        Ok(stream) => self.shop.welcome(stream),
                        Err(error) => tracing::error!(%error, "cannot serve a connection"),
                    }
                }
                tracing::warn!("the door was gone and was made anew");
            }
            // Its holder starts or asks, and lets go soon; the vigil comes back to it.
            Ok(None) => {}
            Err(error) => {
                tracing::error!(error = %in_full(&error), "the door cannot be made anew; the daemon ends");
                self.shop.server.daemon.close();
            }
        }
        if let Some(vigil) = &mut self.vigil {
            vigil.renew();
        }
    }
}

async fn pause(until: Option<Instant>) {
    if let Some(until) = until {
        tokio::time::sleep_until(until).await;
    }
}
