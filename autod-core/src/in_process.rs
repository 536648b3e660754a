//! A service and its client in one process, without a socket: for tests, and where sockets are
//! forbidden. Calls travel through memory, in the same frames and with the same limits.

use std::sync::Arc;

use tokio::io::DuplexStream;
use tokio::time::Instant;

use crate::builder::Daemon;
use crate::callbacks::Callbacks;
use crate::caller::Caller;
use crate::client::{Client, caller_fields, dispatch_of};
use crate::daemon::{Lease, Peer};
use crate::error::{Error, ErrorKind, Result};
use crate::handle::{DaemonHandle, Host, Phase};
use crate::mux::{Connection, Dispatch, Dispatcher, Driver, Incall, Origin, Pulse, Shared, Side};
use crate::service::Serves;
use crate::session::Session;
use crate::start::Start;
use crate::voucher::Voucher;
use crate::wire::frame::GoodbyeCode;
use crate::wire::limits::{Holds, Limits, Receives};

/// What is on its way between the two ends at most, in bytes.
const ON_THE_WAY: usize = 64 << 10;

/// Serves an object in this process, and gives its client: the same type as over a socket.
///
/// The object is dropped when the last clone of the client, its calls and its streams are gone.
///
/// # Panics
///
/// Outside of a tokio runtime.
pub fn in_process<C, T>(service: T) -> C
where
    C: Client + Serves<T>,
    T: Send + Sync + 'static,
{
    let (ours, theirs) = ends(&Limits::default());
    let target = Arc::new(service);
    let begin = move |call: Incall| C::dispatch(Arc::clone(&target), call);
    let driver = theirs.driver(Dispatcher::new(begin, Arc::<Pulse>::default()).of(C::TABLE));
    tokio::spawn(driver.run());
    ours.client(None)
}

impl<S, T> Daemon<S, T>
where
    S: Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    /// Runs `init` in this process, for a daemon that no file and no socket proves.
    pub(crate) async fn prepare<C: Client + Serves<T>>(
        &mut self,
    ) -> Result<(DaemonHandle, Arc<dyn Host>)> {
        let args = self.settings.orders()?.args;
        let lease = Lease::new(None, Instant::now());
        let daemon = DaemonHandle::new(lease, args, None, self.settings.drain_limit);
        let make_state = self
            .take_init()
            .ok_or_else(|| Error::new(ErrorKind::Usage, "the daemon was run twice"))?;
        let state = make_state(Start::new(daemon.clone(), None, |_| {})).await?;
        let host = self.open::<C>(state)?.host;
        daemon.set_phase(Phase::Ready(Arc::clone(&host)));
        Ok((daemon, host))
    }

    /// Runs the daemon in this process for one client, without a socket, a file or another process:
    /// `init`, then the object of this client's session. For tests of what happens around a service,
    /// and as a fallback where sockets are forbidden. What [the caller
    /// serves](Self::caller_serves) can be called, too; the drain limit counts for nothing.
    ///
    /// It ends when it is closed, or when the last clone of the client is gone; then the shutdown
    /// hooks run. Dropping the future before it is ready drops what `init` has done so far.
    ///
    /// # Errors
    ///
    /// What `init` returned.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn in_process<C: Client + Serves<T>>(mut self) -> Result<C> {
        let limits = self.settings.limits.clone();
        let (daemon, host) = self.prepare::<C>().await?;

        let (ours, theirs) = ends(&limits);
        let shared = Arc::clone(&theirs.shared);
        let caller = Caller::from_fields(&caller_fields(&self.settings.caller_env));
        let callbacks = self.settings.callbacks.clone();
        let offer = callbacks.as_ref().map(Callbacks::offer);
        let session = Session::new(
            daemon.clone(),
            Voucher::Kernel(own_peer()),
            caller,
            offer,
            Arc::clone(&shared),
            String::new(),
        );
        let driver = theirs.driver(host.open(session, Arc::default()));
        let counted = daemon.lease().connect();
        tokio::spawn(async move {
            let mut driver = std::pin::pin!(driver.run());
            let mut closed = std::pin::pin!(daemon.close_requested());
            let mut told = false;
            std::future::poll_fn(|context| {
                if !told && closed.as_mut().poll(context).is_ready() {
                    told = true;
                    shared.leave(GoodbyeCode::Closing, daemon.ending().in_words());
                }
                driver.as_mut().poll(context)
            })
            .await;
            shared.survivors_ended().await;
            drop(counted);
            daemon.close();
            daemon.run_hooks();
        });
        ours.shared.name_daemon(self.settings.whom());
        Ok(ours.client(callbacks.as_ref()))
    }
}

/// One end of a connection through memory.
struct End {
    shared: Arc<Shared>,
    transport: DuplexStream,
}

fn ends(limits: &Limits) -> (End, End) {
    let (near, far) = tokio::io::duplex(ON_THE_WAY);
    let end = |side, transport| {
        let shared =
            Shared::new(side, Receives::from(limits), Receives::from(limits), Holds::from(limits));
        End { shared, transport }
    };
    (end(Side::Connector, near), end(Side::Acceptor, far))
}

impl End {
    fn driver<D: Dispatch>(self, dispatch: D) -> Driver<DuplexStream, D> {
        Driver::new(self.transport, self.shared, dispatch, Vec::new())
    }

    fn client<C: Client>(self, callbacks: Option<&Callbacks>) -> C {
        let shared = Arc::clone(&self.shared);
        let origin = Origin {
            pid: std::process::id(),
            build: String::new(),
            life: 0,
            started: None,
            retries: 0,
        };
        let dispatch = dispatch_of(callbacks, &shared, &origin);
        tokio::spawn(self.driver(dispatch).run());
        C::from_connection(Connection::new(shared, origin))
    }
}

fn own_peer() -> Peer {
    Peer {
        uid: rustix::process::geteuid().as_raw(),
        gid: rustix::process::getegid().as_raw(),
        pid: Some(std::process::id()),
    }
}
