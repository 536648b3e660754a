//! The accepting end: greets connections, counts them, and serves them until the daemon leaves.
//!
//! ```text
//!   Starting --ready--> Ready --idle, close--> Leaving --drained--> end
//!       |                                         ^
//!       +--failed--> Failed ----------------------+
//! ```
//!
//! One task accepts and decides when to leave, so that a connection cannot slip between the two.
//! Which files prove that this daemon is the one is the business of its [`Tenancy`].

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::codec;
use crate::daemon::{Connected, Tenancy, accept_now, check_peer, peer};
use crate::error::{Error, Result, chain};
use crate::greet;
use crate::mux::{Dispatch, Driver, Shared, Side, panic_message};
use crate::service::Table;
use crate::session::{Caller, DaemonHandle, Phase, Session};
use crate::wire::frame::GoodbyeCode;
use crate::wire::greeting::{self, Accept, Answer, Hello, Purpose, RejectCode};
use crate::wire::limits::{Limits, Receives};

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
    pub(crate) build: String,
    pub(crate) drain: Duration,
}

struct Shop {
    server: Server,
    /// Connections that are open, greeted or not.
    open: AtomicUsize,
    /// Cancelled when connections have to end.
    leaving: CancellationToken,
    tasks: TaskTracker,
}

/// What the accepting task woke up for.
enum Event {
    Accepted(io::Result<UnixStream>),
    Idle,
    Close,
}

impl Server {
    /// Serves until the lease is over or the daemon is asked to close; returns when the last call
    /// was answered or the drain limit has passed.
    pub(crate) async fn run(self, listener: UnixListener, tenancy: Option<Arc<Tenancy>>) {
        let shop = Arc::new(Shop {
            server: self,
            open: AtomicUsize::new(0),
            leaving: CancellationToken::new(),
            tasks: TaskTracker::new(),
        });
        shop.accept_until_leaving(listener, tenancy.as_deref()).await;
        let limit = shop.server.drain;
        shop.leaving.cancel();
        shop.tasks.close();
        if timeout(limit, shop.tasks.wait()).await.is_err() {
            tracing::warn!(?limit, "calls were still running at the drain limit");
        }
    }
}

impl Shop {
    async fn accept_until_leaving(
        self: &Arc<Self>,
        listener: UnixListener,
        tenancy: Option<&Tenancy>,
    ) {
        let daemon = &self.server.daemon;
        loop {
            match self.event(&listener).await {
                Event::Accepted(Ok(stream)) => self.welcome(stream),
                Event::Accepted(Err(error)) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                Event::Idle => match self.leave_if_idle(&listener, tenancy) {
                    Ok(Idle::Left) => return,
                    Ok(Idle::Visitor(stream)) => self.welcome(stream),
                    Ok(Idle::Busy) => {
                        daemon.lease().rearm(Instant::now());
                        tokio::time::sleep(REARM).await;
                    }
                    Err(error) => {
                        tracing::error!(error = %chain(&error), "cannot leave in order");
                        daemon.close();
                    }
                },
                Event::Close => {
                    self.leave_now(&listener, tenancy);
                    return;
                }
            }
        }
    }

    async fn event(&self, listener: &UnixListener) -> Event {
        let daemon = &self.server.daemon;
        let mut close = std::pin::pin!(daemon.close_requested());
        let mut idle = std::pin::pin!(daemon.lease().expired());
        std::future::poll_fn(|context| {
            if close.as_mut().poll(context).is_ready() {
                return Poll::Ready(Event::Close);
            }
            if let Poll::Ready(accepted) = listener.poll_accept(context) {
                return Poll::Ready(Event::Accepted(accepted.map(|(stream, _)| stream)));
            }
            idle.as_mut().poll(context).map(|()| Event::Idle)
        })
        .await
    }

    /// Counts and serves a connection. It counts from here on, whatever it says.
    fn welcome(self: &Arc<Self>, stream: UnixStream) {
        let connected = self.server.daemon.lease().connect();
        let shop = Arc::clone(self);
        self.tasks.spawn(async move {
            let open = shop.open.fetch_add(1, Ordering::Relaxed) + 1;
            if let Err(error) = shop.serve(stream, connected, open).await {
                tracing::debug!(error = %chain(&error), "a connection ended early");
            }
            shop.open.fetch_sub(1, Ordering::Relaxed);
        });
    }

    async fn serve(&self, mut stream: UnixStream, connected: Connected, open: usize) -> Result<()> {
        let peer = peer(&stream)?;
        check_peer(&peer)?;
        let limits = &self.server.limits;
        let handshake = limits.handshake;
        let hello = timeout(handshake, greet::read_hello(&mut stream)).await;
        let hello =
            hello.map_err(|_| Error::system("no hello within the limit", "timed out"))??;

        let refusal = if open > limits.connections as usize {
            let text = format!("the daemon serves {} connections already", limits.connections);
            Some((RejectCode::Full, text))
        } else {
            self.refuse(&hello)
        };
        if let Some((code, text)) = refusal {
            return greet::say(&mut stream, &Answer::Reject(code, text), handshake).await;
        }
        if hello.purpose == Purpose::Probe {
            connected.discount();
            return greet::say(&mut stream, &self.accept(&hello), handshake).await;
        }

        let Some(host) = self.wait_until_ready(&mut stream).await? else { return Ok(()) };
        let shared = Shared::new(Side::Acceptor, Receives::from(limits), hello.receives);
        let accept = self.accept(&hello);
        let caller = Caller::from_fields(&hello.caller);
        let session = Session::new(self.server.daemon.clone(), peer, caller, Arc::clone(&shared));
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| host.open(session)));
        let dispatch = match opened {
            Ok(dispatch) => dispatch,
            Err(panic) => {
                let text =
                    format!("the service panicked for this connection: {}", panic_message(&*panic));
                let answer = Answer::Reject(RejectCode::Session, text);
                return greet::say(&mut stream, &answer, handshake).await;
            }
        };
        // Before the first call is taken, so that a caller without an Accept knows that nothing
        // was executed.
        greet::say(&mut stream, &accept, handshake).await?;
        self.drive(stream, shared, dispatch).await;
        drop(connected);
        Ok(())
    }

    async fn drive(&self, stream: UnixStream, shared: Arc<Shared>, dispatch: Box<dyn Dispatch>) {
        let driver = Driver::new(stream, Arc::clone(&shared), dispatch, Vec::new());
        let mut driver = std::pin::pin!(driver.run());
        let mut leaving = std::pin::pin!(self.leaving.cancelled());
        let mut told = false;
        std::future::poll_fn(|context| {
            if !told && leaving.as_mut().poll(context).is_ready() {
                told = true;
                shared.leave(GoodbyeCode::Closing, "the daemon is closing");
            }
            driver.as_mut().poll(context)
        })
        .await;
    }

    /// Why this hello cannot be accepted.
    fn refuse(&self, hello: &Hello) -> Option<(RejectCode, String)> {
        let table = self.server.table;
        let pid = std::process::id();
        if hello.version != greeting::VERSION || hello.codec != codec::NAME {
            return Some((
                RejectCode::Version,
                format!(
                    "the daemon (pid {pid}) speaks protocol {} with {}, the caller {} with {}",
                    greeting::VERSION,
                    codec::NAME,
                    hello.version,
                    hello.codec
                ),
            ));
        }
        if hello.service != table.name {
            return Some((
                RejectCode::Service,
                format!("the daemon (pid {pid}) serves {}, not {}", table.name, hello.service),
            ));
        }
        if hello.fingerprint != table.fingerprint && hello.purpose == Purpose::Session {
            return Some((
                RejectCode::Fingerprint,
                format!(
                    "the daemon (pid {pid}, build {}) serves another version of {} than build {} \
                     asks for; end it with `kill {pid}` and try again",
                    self.server.build, table.name, hello.build
                ),
            ));
        }
        None
    }

    fn accept(&self, hello: &Hello) -> Answer {
        let server = &self.server;
        Answer::Accept(Accept {
            version: hello.version,
            service: server.table.name.to_owned(),
            fingerprint: server.table.fingerprint,
            build: server.build.clone(),
            receives: Receives::from(&server.limits),
            life: server.daemon.life(),
            pid: std::process::id(),
        })
    }

    /// Tells the caller how the start goes. `None`: the caller was told that it cannot be.
    async fn wait_until_ready(
        &self,
        stream: &mut UnixStream,
    ) -> Result<Option<Arc<dyn crate::session::Host>>> {
        let limit = self.server.limits.handshake;
        let mut phase = self.server.daemon.phase();
        loop {
            let now = phase.borrow_and_update().clone();
            let answer = match now {
                Phase::Ready(host) => return Ok(Some(host)),
                Phase::Starting(progress) => Answer::Wait(progress),
                Phase::Failed(text) => Answer::Reject(RejectCode::StartFailed, text),
                Phase::Leaving => Answer::Closing,
            };
            greet::say(stream, &answer, limit).await?;
            if !matches!(answer, Answer::Wait(_)) {
                return Ok(None);
            }
            if !changed_or_gone(&mut phase, stream).await? {
                return Ok(None);
            }
        }
    }

    // ---- leaving

    /// LIFECYCLE.md, "Refcount and autoclose": the spawn lock first, then one more look at the
    /// door, then the door is taken away, then whoever is still in the queue is sent on.
    fn leave_if_idle(&self, listener: &UnixListener, tenancy: Option<&Tenancy>) -> Result<Idle> {
        let spawn = match tenancy {
            None => None,
            Some(tenancy) => match tenancy.try_spawn_lock()? {
                Some(spawn) => Some(spawn),
                None => return Ok(Idle::Busy),
            },
        };
        if let Some(stream) = accept_now(listener)
            .map_err(|error| Error::system("cannot look for a last connection", error))?
        {
            let stream = UnixStream::from_std(stream)
                .map_err(|error| Error::system("cannot serve a connection", error))?;
            return Ok(Idle::Visitor(stream));
        }
        if !self.server.daemon.lease().end_if_idle() {
            return Ok(Idle::Busy);
        }
        self.server.daemon.close();
        if let (Some(tenancy), Some(spawn)) = (tenancy, &spawn) {
            tenancy.begin_drain(self.server.drain)?;
            tenancy.unpublish(spawn)?;
        }
        send_on(listener);
        Ok(Idle::Left)
    }

    /// Leaves whatever anybody holds. With the spawn lock busy the door stays where it is: its
    /// next holder replaces it.
    fn leave_now(&self, listener: &UnixListener, tenancy: Option<&Tenancy>) {
        if let Some(tenancy) = tenancy {
            let left = tenancy.try_spawn_lock().and_then(|spawn| {
                tenancy.begin_drain(self.server.drain)?;
                match &spawn {
                    Some(spawn) => tenancy.unpublish(spawn),
                    None => Ok(()),
                }
            });
            if let Err(error) = left {
                tracing::warn!(error = %chain(&error), "the door could not be taken away");
            }
        }
        send_on(listener);
    }
}

/// How an attempt to leave ended.
enum Idle {
    Left,
    /// Somebody came at the last moment.
    Visitor(UnixStream),
    /// Somebody holds the spawn lock, or took a hold.
    Busy,
}

/// Tells everybody in the queue that the daemon is closing. Whoever comes later is cut off by the
/// close of the listener, before an Accept, and starts over as well.
fn send_on(listener: &UnixListener) {
    let closing = Answer::Closing.to_bytes();
    while let Ok(Some(stream)) = accept_now(listener) {
        // The socket is empty, so these few bytes fit.
        let _ = io::Write::write(&mut &stream, &closing);
    }
}

/// Waits for the next phase; `false` if the caller went away instead.
async fn changed_or_gone(phase: &mut watch::Receiver<Phase>, stream: &UnixStream) -> Result<bool> {
    let mut changed = std::pin::pin!(phase.changed());
    let mut gone = std::pin::pin!(greet::hung_up(stream));
    std::future::poll_fn(|context| {
        if let Poll::Ready(changed) = changed.as_mut().poll(context) {
            return Poll::Ready(Ok(changed.is_ok()));
        }
        gone.as_mut().poll(context).map(|()| Ok(false))
    })
    .await
}
