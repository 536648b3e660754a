//! What a caller says about itself, and the connection that it gets for it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;
use std::time::Duration;

use tracing::Instrument as _;

use crate::callbacks::Callbacks;
use crate::caller::root_identity;
use crate::codec::Codec;
use crate::error::Whom;
use crate::identity::Build;
use crate::mux::{Connection, Dispatch, Driver, NoService, Origin, Shared, Side, Transport, trace};
use crate::service::Table;
use crate::wire::greeting::{Accept, CallerFields, Hello, Purpose, VERSION};
use crate::wire::limits::{Holds, Limits, Receives};

/// What a caller brings along, whatever the transport is.
#[derive(Clone, Copy)]
pub(crate) struct Introduction<'a> {
    pub(crate) table: &'static Table,
    pub(crate) codec: Codec,
    pub(crate) limits: &'a Limits,
    pub(crate) build: &'a Build,
    /// The variables of our environment that the daemon gets to see.
    pub(crate) caller_env: &'a [OsString],
    /// What the daemon may call.
    pub(crate) callbacks: Option<&'a Callbacks>,
}

impl Introduction<'_> {
    /// The hello of a caller; `life` names the daemon that an order is for.
    pub(crate) fn hello(&self, purpose: Purpose, life: u64) -> Hello {
        let (offer, caller) = match purpose {
            Purpose::Session => {
                (self.callbacks.map(Callbacks::offer), caller_fields(self.caller_env))
            }
            _ => (None, CallerFields::default()),
        };
        Hello {
            version: VERSION,
            purpose,
            service: self.table.name.to_owned(),
            fingerprint: if self.codec.is_self_describing() { 0 } else { self.table.fingerprint() },
            build: self.build.to_string(),
            codec: self.codec.name().to_owned(),
            receives: Receives::from(self.limits),
            life,
            control: String::new(),
            keep_alive: 0,
            offer,
            caller,
        }
    }

    /// The connection on a transport on which the greetings are over, with a task that drives it.
    /// `rest` came behind them.
    pub(crate) fn connection<T>(
        &self,
        mut transport: T,
        rest: Vec<u8>,
        whom: Whom,
        accept: Accept,
        started: Option<Duration>,
        retries: u32,
    ) -> Connection
    where
        T: Transport + Send + 'static,
    {
        let ours = Receives::from(self.limits);
        let holds = Holds::from(self.limits);
        let shared = Shared::speaking(self.codec, Side::Connector, ours, accept.receives, holds);
        transport.joined(&shared);
        let span = trace::connection(Some(&whom), &accept);
        shared.name_daemon(whom);
        let Accept { pid, build, life, .. } = accept;
        let origin = Origin { pid, build, life, started, retries };
        let dispatch = dispatch_of(self.callbacks, &shared, &origin);
        let driver = Driver::new(transport, Arc::clone(&shared), dispatch, rest)
            .looking(self.limits.busy_poll, true);
        tokio::spawn(driver.run().instrument(span));
        Connection::new(shared, origin)
    }
}

/// What this process says about itself, with these variables of its environment.
pub(crate) fn caller_fields(variables: &[OsString]) -> CallerFields {
    let variable = |name: &OsString| {
        let mut pair = name.clone();
        pair.push("=");
        pair.push(std::env::var_os(name)?);
        Some(pair.into_vec())
    };
    CallerFields {
        cwd: std::env::current_dir().map(|cwd| cwd.into_os_string().into_vec()).unwrap_or_default(),
        args: std::env::args_os().map(OsString::into_vec).collect(),
        env: variables.iter().filter_map(variable).collect(),
        terminal: terminal(),
        root: root_identity(),
        login: None,
    }
}

/// Columns and rows of the terminal on standard output.
fn terminal() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()?;
    Some((size.ws_col, size.ws_row))
}

/// What answers the calls of the daemon over such a connection.
pub(crate) fn dispatch_of(
    callbacks: Option<&Callbacks>,
    shared: &Arc<Shared>,
    origin: &Origin,
) -> Box<dyn Dispatch> {
    match callbacks {
        Some(callbacks) => callbacks.open(Connection::lent(Arc::clone(shared), origin.clone())),
        None => Box::new(NoService),
    }
}
