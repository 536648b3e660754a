//! A caller that goes on with another replica when its own leaves.
//!
//! The rule is that of LIFECYCLE.md: what was not executed is tried again, what may have been is the
//! user's to decide.

use std::sync::Arc;
use std::time::Duration;

use autod::Daemon;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::Result;
use crate::journal::{JournalClient, Receipt};

/// Before the second try; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Where the replicas are, and who they and the caller are.
#[derive(Clone)]
pub struct Target {
    /// Host and port.
    pub address: String,
    /// The name that their certificates have to show.
    pub name: ServerName<'static>,
    /// Who the caller is.
    pub config: Arc<ClientConfig>,
}

/// One caller.
pub struct Caller {
    target: Target,
    client: Option<JournalClient>,
    patience: Duration,
    repeats: u64,
}

/// What a try came to that is to be made again.
struct Again(autod::BoxError);

impl Caller {
    /// Connects with the first call. A call is given up when it was not executed for so long.
    pub fn new(target: Target, patience: Duration) -> Self {
        Self { target, client: None, patience, repeats: 0 }
    }

    /// How often something was tried again.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Appends a line, once.
    ///
    /// # Errors
    ///
    /// It may have been executed; or nothing could be for the caller's patience; or the other end
    /// is not who it should be.
    pub async fn append(&mut self, entry: &str) -> Result<Receipt> {
        let end = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let Again(why) = match self.try_to_append(entry, end).await? {
                Ok(receipt) => return Ok(receipt),
                Err(again) => again,
            };
            if Instant::now() + pause >= end {
                return Err(why);
            }
            self.repeats += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn try_to_append(
        &mut self,
        entry: &str,
        end: Instant,
    ) -> Result<std::result::Result<Receipt, Again>> {
        let client = match &self.client {
            Some(client) => client.clone(),
            None => match timeout_at(end, self.target.connect()).await {
                Ok(Ok(client)) => self.client.insert(client).clone(),
                Ok(Err(error)) if is_passing(&error) => return Ok(Err(Again(error))),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err("no replica has answered in time".into()),
            },
        };
        match client.append(entry.to_owned()).await {
            Ok(receipt) => Ok(Ok(receipt)),
            Err(error) if error.is_retry_safe() => {
                self.client = None;
                Ok(Err(Again(error.into())))
            }
            Err(error) => {
                self.client = None;
                Err(error.into())
            }
        }
    }
}

impl Target {
    /// Connects to a replica, once.
    ///
    /// # Errors
    ///
    /// Nobody listens, the replica leaves, or one of the ends is not who it should be. Nothing was
    /// executed.
    pub async fn connect(&self) -> Result<JournalClient> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.name.clone(), stream).await?;
        Ok(Daemon::new("journal").connect_over(stream).await?)
    }
}

/// Whether another try may find something else: a replica that has gone is replaced, a certificate
/// that is refused stays so.
fn is_passing(error: &autod::BoxError) -> bool {
    if let Some(error) = error.downcast_ref::<autod::Error>() {
        return error.is_retry_safe();
    }
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() != std::io::ErrorKind::InvalidData)
}
