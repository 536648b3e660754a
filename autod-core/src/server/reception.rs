//! The reception of a connection: who is there, what it wants, and the way to its object.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument as _;

use super::Shop;
use super::register::Registered;
use crate::caller::Caller;
use crate::codec::Codec;
use crate::daemon::{Connected, check_peer, peer};
use crate::error::{Error, ErrorKind, Result, chain};
use crate::fault::{self, Point};
use crate::greet::{self, Ear, Visitor};
use crate::handle::{Ending, Host, Phase, patience};
use crate::identity::Build;
use crate::mux::{Driver, Shared, Side, Socket, Transport, panic_message};
use crate::session::Session;
use crate::voucher::Voucher;
use crate::wire::frame::GoodbyeCode;
use crate::wire::greeting::{self, Accept, Answer, Hello, Purpose, RejectCode, Rejection};
use crate::wire::limits::{Holds, Receives};

/// How soon after its Accept a connection makes its first call, if its caller does not dawdle.
const FIRST_CALL: Duration = Duration::from_millis(250);

/// Connections above the limit whose hello is heard nevertheless: a probe or an order is answered by
/// a daemon that is full, a session is told so.
const SPARE: usize = 64;

/// How long one of those may take to say hello, so that their places are soon free again.
const SPARE_HANDSHAKE: Duration = Duration::from_secs(1);

/// So many may be let in before the first of them is heard.
const UNHEARD: usize = 256;

/// Turns of the desk's runtime in which nobody is heard until the rest is taken to be silent. Each
/// is some microseconds long.
const ROUNDS: usize = 64;

/// An open connection, counted against the limit.
pub(super) struct Open {
    shop: Arc<Shop>,
    /// How many there are with it.
    number: usize,
    /// Nobody knows yet what it wants.
    unheard: bool,
}

impl Open {
    pub(super) fn count(shop: &Arc<Shop>) -> Self {
        let number = shop.open.fetch_add(1, Ordering::Relaxed) + 1;
        shop.unheard.fetch_add(1, Ordering::Relaxed);
        Self { shop: Arc::clone(shop), number, unheard: true }
    }

    fn heard(&mut self) {
        if std::mem::take(&mut self.unheard) {
            self.shop.unheard.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What becomes of a visitor.
pub(super) enum Admission {
    /// It gets an object of its own.
    Session(Hello, Arc<dyn Host>, Connected, Registered),
    /// It tells the daemon to end, or asks it about itself.
    Order(Hello),
    /// It was answered for good.
    None,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.heard();
        self.shop.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shop {
    /// Counts and serves a connection. It counts from here on, whatever it says.
    ///
    /// Beyond the limit and what is spared it is turned away unheard, so that those who connect and
    /// say nothing hold a bounded number of descriptors and tasks.
    pub(super) fn welcome(self: &Arc<Self>, stream: UnixStream) {
        let open = Open::count(self);
        if open.number > self.places() + SPARE {
            let (code, text) = self.full();
            // A fresh socket takes that much without waiting.
            let _ = stream.try_write(&self.reject(code, text).to_bytes());
            return;
        }
        let connected = self.server.daemon.lease().connect();
        self.pulse.expect();
        let shop = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(error) = shop.greet(stream, connected, open).await {
                tracing::debug!(error = %chain(&error), "a connection ended early");
            }
        });
    }

    /// Hears those who have come before more are let in, as long as that helps: of a flood, those
    /// who have hung up already take no place from anybody.
    pub(super) async fn hear_out(&self) {
        let (mut fewest, mut rounds) = (usize::MAX, 0);
        loop {
            let unheard = self.unheard.load(Ordering::Relaxed);
            if unheard <= UNHEARD || rounds == ROUNDS {
                return;
            }
            rounds = if unheard < fewest { 0 } else { rounds + 1 };
            fewest = fewest.min(unheard);
            tokio::task::yield_now().await;
        }
    }

    async fn greet(
        self: &Arc<Self>,
        mut stream: UnixStream,
        connected: Connected,
        mut open: Open,
    ) -> Result<()> {
        fault::pass(Point::DaemonTookConnection);
        let peer = peer(&stream)?;
        check_peer(&peer)?;
        let mut ear = Ear::default();
        let voucher = Voucher::Kernel(peer);
        let admission = self.admit(&mut stream, &mut ear, connected, &mut open, &voucher).await?;
        let (hello, host, users) = match admission {
            Admission::Session(hello, host, connected, user) => (hello, host, (connected, user)),
            Admission::Order(hello) if hello.purpose == Purpose::Control => {
                return self.control(stream, &hello).await;
            }
            Admission::Order(hello) => return self.obey(stream, &hello).await,
            Admission::None => return Ok(()),
        };
        let shop = Arc::clone(self);
        let span = tracing::debug_span!(
            target: "autod::connection", "connection", pid = peer.pid, uid = peer.uid
        );
        let serve = |stream| {
            let (connected, registered) = users;
            let opening =
                Arc::clone(&shop).open_session(stream, hello, ear, registered, Arc::clone(&host));
            // What that takes is gone when the connection is idle.
            let opening = Box::pin(opening);
            async move {
                let opened = opening.await.unwrap_or_else(|error| {
                    tracing::debug!(error = %chain(&error), "a connection ended early");
                    None
                });
                if let Some((driver, shared, _registered)) = opened {
                    shop.drive(driver, &shared).await;
                }
                drop((connected, open, host));
            }
        };
        let cannot_move = |error| Error::system("cannot hand a connection on", error);
        let stream = stream.into_std().map_err(cannot_move)?;
        let stream = {
            let _sessions = self.sessions.enter();
            Socket::new(stream).map_err(cannot_move)?
        };
        self.tasks.spawn_on(serve(stream).instrument(span), &self.sessions);
        Ok(())
    }

    /// Finds out what the visitor wants, and answers all but those who may come in.
    pub(super) async fn admit<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut T,
        ear: &mut Ear,
        connected: Connected,
        open: &mut Open,
        voucher: &Voucher,
    ) -> Result<Admission> {
        let handshake = self.server.limits.handshake;
        let patience =
            if open.number > self.places() { handshake.min(SPARE_HANDSHAKE) } else { handshake };
        let visitor = self.listen_to(stream, ear, patience).await?;
        open.heard();
        let refusal = match visitor {
            None => Answer::Closing,
            Some(visitor) => match self.understand(visitor) {
                Err(rejection) => rejection,
                Ok(hello)
                    if matches!(
                        hello.purpose,
                        Purpose::Close | Purpose::Replace | Purpose::Control
                    ) =>
                {
                    connected.discount();
                    return Ok(Admission::Order(hello));
                }
                Ok(hello) if hello.purpose == Purpose::Probe => {
                    // Whatever it names and however many there are: it asks who is here, and takes
                    // no place.
                    connected.discount();
                    self.accept(&hello)
                }
                Ok(hello) if hello.purpose == Purpose::Readiness => {
                    connected.discount();
                    self.readiness(&hello)
                }
                // Its successor may well be of another opinion than this one.
                Ok(_) if self.server.daemon.is_leaving() => Answer::Closing,
                Ok(_) if open.number > self.places() => {
                    let (code, text) = self.full();
                    self.reject(code, text)
                }
                Ok(hello) => {
                    let Some((code, text)) = self.refuse(&hello) else {
                        let caller = Arc::new(Caller::from_fields(&hello.caller));
                        let voucher = voucher.clone().of_login(hello.caller.login.as_deref());
                        let user = self.register.enter(voucher, caller);
                        let host = self.wait_until_ready(stream, ear).await?;
                        return Ok(host.map_or(Admission::None, |host| {
                            Admission::Session(hello, host, connected, user)
                        }));
                    };
                    self.reject(code, text)
                }
            },
        };
        greet::say(stream, &refusal, handshake).await?;
        Ok(Admission::None)
    }

    /// Opens a session for a connection that was greeted, in the runtime that serves it. `None` if
    /// it was turned away.
    pub(super) async fn open_session<T: Transport>(
        self: Arc<Self>,
        mut stream: T,
        hello: Hello,
        ear: Ear,
        registered: Registered,
        host: Arc<dyn Host>,
    ) -> Result<Option<(Pin<Box<impl Future<Output = ()>>>, Arc<Shared>, Registered)>> {
        let limits = &self.server.limits;
        let handshake = limits.handshake;
        let ours = Receives::from(limits);
        let codec = Codec::named(&hello.codec).unwrap_or_default();
        let shared =
            Shared::speaking(codec, Side::Acceptor, ours, hello.receives, Holds::from(limits));
        shared.count_calls(&self.tally);
        registered.serves(&shared);
        let accept = self.accept(&hello);
        let (voucher, caller) = (registered.voucher(), registered.caller());
        let daemon = self.server.daemon.clone();
        let build = self.server.build.to_string();
        let session =
            Session::new(daemon, voucher, caller, hello.offer.clone(), Arc::clone(&shared), build);
        let opened = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            host.open(session, Arc::clone(&self.pulse))
        }));
        let dispatch = match opened {
            Ok(dispatch) => dispatch,
            Err(panic) => {
                let text =
                    format!("the service panicked for this connection: {}", panic_message(&*panic));
                let answer = self.reject(RejectCode::Session, text);
                return greet::say(&mut stream, &answer, handshake).await.map(|()| None);
            }
        };
        if self.server.daemon.is_leaving() {
            return greet::say(&mut stream, &Answer::Closing, handshake).await.map(|()| None);
        }
        // Before the first call is taken, so that a caller without an Accept knows that nothing
        // was executed.
        fault::pass(Point::DaemonAccepts);
        greet::say(&mut stream, &accept, handshake).await?;
        fault::pass(Point::DaemonSaidAccept);
        let driver = Driver::new(stream, Arc::clone(&shared), dispatch, ear.into_rest())
            .looking(limits.busy_poll, true);
        Ok(Some((Box::pin(driver.run()), shared, registered)))
    }

    /// Serves until the connection ends. When the daemon leaves, a connection that was accepted a
    /// moment ago may still make its first call: its caller has been told that it can.
    pub(super) async fn drive(
        &self,
        mut driver: Pin<Box<impl Future<Output = ()>>>,
        shared: &Shared,
    ) {
        let mut leaving = std::pin::pin!(self.leaving.cancelled());
        let begun = Instant::now();
        let mut first_call = None;
        let mut told = false;
        let mut waiting = None;
        // Asking whether it is time to leave takes locks that all connections share.
        let mut known: Option<Waker> = None;
        // What is moved is kept once.
        std::future::poll_fn(move |context| {
            let ended = driver.as_mut().poll(context);
            let waker = context.waker();
            let is_known = known.as_ref().is_some_and(|known| known.will_wake(waker));
            if !is_known {
                known = Some(waker.clone());
            }
            if !told
                && (!is_known || self.about_to_leave.load(Ordering::Acquire))
                && leaving.as_mut().poll(context).is_ready()
                && (shared.was_called()
                    || first_call
                        .get_or_insert_with(|| Box::pin(sleep_until(begun + FIRST_CALL)))
                        .as_mut()
                        .poll(context)
                        .is_ready())
            {
                told = true;
                shared.leave(GoodbyeCode::Closing, self.server.daemon.ending().in_words());
                waiting = Some(Box::pin(tokio::time::sleep(patience(self.server.drain))));
            }
            if let Some(patience) = &mut waiting
                && patience.as_mut().poll(context).is_ready()
            {
                shared.end_calls();
                waiting = None;
            }
            ended
        })
        .await;
        // Until then the connection counts as a user of the daemon.
        shared.survivors_ended().await;
    }

    /// How many connections are served.
    fn places(&self) -> usize {
        self.server.limits.connections as usize
    }

    fn full(&self) -> (RejectCode, String) {
        (RejectCode::Full, format!("the daemon serves {} connections already", self.places()))
    }

    /// Waits for the hello, as long as the daemon does not leave.
    async fn listen_to<T: AsyncRead + Unpin>(
        &self,
        stream: &mut T,
        ear: &mut Ear,
        limit: Duration,
    ) -> Result<Option<Visitor>> {
        let mut hello = std::pin::pin!(timeout(limit, ear.visitor(stream)));
        let mut leaving = std::pin::pin!(self.leaving.cancelled());
        std::future::poll_fn(|context| {
            if let Poll::Ready(hello) = hello.as_mut().poll(context) {
                let hello = hello.map_err(|_| {
                    Error::new(ErrorKind::Timeout, "a caller did not say hello in time")
                });
                return Poll::Ready(hello.flatten().map(Some));
            }
            leaving.as_mut().poll(context).map(|()| Ok(None))
        })
        .await
    }

    /// Makes out what the visitor wants, or the words by which it is turned away.
    fn understand(&self, visitor: Visitor) -> Result<Hello, Answer> {
        visitor.hello.map_err(|malformed| {
            if visitor.version == greeting::VERSION {
                let text = format!("the hello is malformed: {malformed}");
                return self.reject(RejectCode::Other, text);
            }
            self.reject(RejectCode::Version, other_version(visitor.version, "another codec"))
        })
    }

    /// Why this hello cannot be accepted.
    fn refuse(&self, hello: &Hello) -> Option<(RejectCode, String)> {
        let table = self.server.table;
        let pid = std::process::id();
        let codec = Codec::named(&hello.codec).filter(|_| hello.version == greeting::VERSION);
        let Some(codec) = codec else {
            let text = other_version(hello.version, &hello.codec);
            return Some((RejectCode::Version, text));
        };
        // Whoever reads values without their types need not know the service.
        let knows = |is_told: bool| is_told || !codec.is_self_describing();
        if hello.service != table.name && knows(!hello.service.is_empty()) {
            return Some((
                RejectCode::Service,
                format!("the daemon (pid {pid}) serves {}, not {}", table.name, hello.service),
            ));
        }
        if hello.fingerprint != table.fingerprint() && knows(hello.fingerprint != 0) {
            return Some((
                RejectCode::Fingerprint,
                format!(
                    "the daemon (pid {pid}, version {}) serves another shape of {} than version \
                     {} asks for; end it with `kill {pid}` and try again",
                    self.server.build.version(),
                    table.name,
                    Build::parse(&hello.build).version()
                ),
            ));
        }
        None
    }

    /// An order to end. Whoever gave it keeps the connection until the process is gone.
    async fn obey(&self, mut stream: UnixStream, hello: &Hello) -> Result<()> {
        let daemon = &self.server.daemon;
        let handshake = self.server.limits.handshake;
        if hello.life != 0 && hello.life != daemon.life() {
            let text = "the order is for an earlier life of the daemon".to_owned();
            return greet::say(&mut stream, &self.reject(RejectCode::Life, text), handshake).await;
        }
        daemon.end(match hello.purpose {
            Purpose::Replace => Ending::Restarting,
            _ => Ending::Closing,
        });
        greet::say(&mut stream, &Answer::Closing, handshake).await?;
        tokio::spawn(async move { Ear::default().hung_up(&mut stream).await });
        Ok(())
    }

    pub(super) fn reject(&self, code: RejectCode, text: String) -> Answer {
        Answer::Reject(Rejection {
            code,
            text,
            build: self.server.build.to_string(),
            life: self.server.daemon.life(),
            pid: std::process::id(),
        })
    }

    pub(super) fn accept(&self, hello: &Hello) -> Answer {
        let server = &self.server;
        Answer::Accept(Accept {
            version: hello.version,
            service: server.table.name.to_owned(),
            fingerprint: server.table.fingerprint(),
            build: server.build.to_string(),
            receives: Receives::from(&server.limits),
            life: server.daemon.life(),
            pid: std::process::id(),
            keep_alive: hello.keep_alive,
        })
    }

    /// Tells the caller how the start goes. `None`: the caller was told that it cannot be.
    async fn wait_until_ready<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut T,
        ear: &mut Ear,
    ) -> Result<Option<Arc<dyn Host>>> {
        let limit = self.server.limits.handshake;
        let mut phase = self.server.daemon.phase();
        let mut waited = false;
        loop {
            let now = phase.borrow_and_update().clone();
            let answer = match now {
                // Whoever comes after a failure may try again: it goes by the recorded one.
                Phase::Failed(_) if !waited => Answer::Closing,
                Phase::Ready(host) => return Ok(Some(host)),
                Phase::Starting(progress) => Answer::Wait(progress),
                Phase::Failed(text) => self.reject(RejectCode::StartFailed, text),
                Phase::Leaving => Answer::Closing,
            };
            greet::say(stream, &answer, limit).await?;
            if !matches!(answer, Answer::Wait(_)) {
                return Ok(None);
            }
            waited = true;
            if !changed_or_gone(&mut phase, stream, ear).await {
                return Ok(None);
            }
        }
    }
}

fn other_version(version: u8, codec: &str) -> String {
    format!(
        "the daemon (pid {}) speaks protocol {} with {}, the caller {version} with {codec}",
        std::process::id(),
        greeting::VERSION,
        Codec::names(),
    )
}

/// Waits for the next phase; `false` if the caller went away instead.
async fn changed_or_gone<T: AsyncRead + Unpin>(
    phase: &mut watch::Receiver<Phase>,
    stream: &mut T,
    ear: &mut Ear,
) -> bool {
    let mut changed = std::pin::pin!(phase.changed());
    let mut gone = std::pin::pin!(ear.hung_up(stream));
    std::future::poll_fn(|context| {
        if let Poll::Ready(changed) = changed.as_mut().poll(context) {
            return Poll::Ready(changed.is_ok());
        }
        gone.as_mut().poll(context).map(|()| false)
    })
    .await
}
