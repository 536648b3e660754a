//! One replica: accepts, proves who is there, serves, and goes in order when it is told to.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use autod::{Daemon, Hosted, Voucher};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::Result;
use crate::identity::{Files, subject};
use crate::journal::{Book, Desk, JournalClient};

/// How long somebody may take to prove who they are.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How many may be about to prove it at a time; more wait in the queue of the socket.
const STRANGERS: usize = 256;

/// The pause after the system refused to accept. No event tells when it would not any more.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a replica is told.
pub struct Options {
    /// Where it serves; port 0 for any.
    pub listen: SocketAddr,
    /// Where it answers probes.
    pub probe: Option<PathBuf>,
    /// Who it is.
    pub files: Files,
    /// What it appends to.
    pub journal: PathBuf,
    /// What it calls itself.
    pub name: String,
    /// How long calls that run may take at the end.
    pub drain_limit: Duration,
}

/// A replica that listens.
pub struct Replica {
    hosted: Hosted,
    acceptor: TlsAcceptor,
    listener: TcpListener,
    probes: Option<ProbeSocket>,
}

impl Replica {
    /// Listens.
    ///
    /// # Errors
    ///
    /// A file cannot be read, or an address is taken.
    pub async fn open(options: Options) -> Result<Self> {
        let acceptor = TlsAcceptor::from(options.files.server()?);
        let file = OpenOptions::new().append(true).create(true).open(&options.journal).map_err(
            |error| format!("cannot open the journal {}: {error}", options.journal.display()),
        )?;
        let book = Book::new(options.name, file);
        let hosted = Daemon::new("journal")
            .init(async move |_| Ok(book))
            .serve(|book, session| Desk::new(book, &session))
            .drain_limit(options.drain_limit)
            .host::<JournalClient>()
            .await?;
        let listener = TcpListener::bind(options.listen)
            .await
            .map_err(|error| format!("cannot listen on {}: {error}", options.listen))?;
        let probes = options.probe.map(ProbeSocket::bind).transpose()?;
        Ok(Self { hosted, acceptor, listener, probes })
    }

    /// Where it serves.
    ///
    /// # Errors
    ///
    /// The system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `leave` completes, then leaves: says to probes that it is not ready, listens no
    /// more, and waits for the calls that run. `true` if all have ended within the drain limit.
    pub async fn serve_until(self, leave: impl Future<Output = ()>) -> bool {
        let Self { hosted, acceptor, listener, probes } = self;
        if let Some(probes) = &probes {
            tokio::spawn(answer_probes(Arc::clone(&probes.listener), hosted.clone()));
        }
        tokio::select! {
            () = accept(&listener, &acceptor, &hosted) => {}
            () = leave => {}
        }
        hosted.daemon().close();
        drop(listener);
        hosted.drain().await
    }
}

async fn accept(listener: &TcpListener, acceptor: &TlsAcceptor, hosted: &Hosted) {
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    loop {
        let Ok(stranger) = Arc::clone(&strangers).acquire_owned().await else { return };
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                eprintln!("journal: cannot accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (acceptor, hosted) = (acceptor.clone(), hosted.clone());
        tokio::spawn(async move {
            let greeted = greet(stream, &acceptor).await;
            drop(stranger);
            let ended = match greeted {
                Ok((stream, voucher)) => {
                    hosted.serve_over(stream, voucher).await.map_err(Into::into)
                }
                // A balancer that looks whether somebody listens says nothing at all.
                Err(error) if is_silence(&error) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = ended {
                eprintln!("journal: {from}: {error}");
            }
        });
    }
}

type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// Nothing of the protocol is said or heard before this has succeeded.
async fn greet(stream: TcpStream, acceptor: &TlsAcceptor) -> Result<(TlsStream, Voucher)> {
    stream.set_nodelay(true)?;
    let stream = timeout(HANDSHAKE, acceptor.accept(stream))
        .await
        .map_err(|_| "nobody proved who they are in time")??;
    let subject = subject(stream.get_ref().1.peer_certificates())?;
    Ok((stream, Voucher::Certificate { subject }))
}

fn is_silence(error: &autod::BoxError) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| {
        matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset)
    })
}

/// The socket of the probes; its file goes with it.
struct ProbeSocket {
    listener: Arc<UnixListener>,
    path: PathBuf,
}

impl ProbeSocket {
    fn bind(path: PathBuf) -> Result<Self> {
        let listener = match UnixListener::bind(&path) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && is_left_over(&path) => {
                std::fs::remove_file(&path)?;
                UnixListener::bind(&path)
            }
            bound => bound,
        };
        let listener = listener
            .map_err(|error| format!("cannot answer probes on {}: {error}", path.display()))?;
        Ok(Self { listener: Arc::new(listener), path })
    }
}

impl Drop for ProbeSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A replica that was killed leaves its socket, and nobody listens there.
fn is_left_over(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path)
        .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

async fn answer_probes(listener: Arc<UnixListener>, hosted: Hosted) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let hosted = hosted.clone();
                tokio::spawn(async move {
                    if let Err(error) = hosted.answer_probe(stream).await {
                        eprintln!("journal: a probe: {error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("journal: cannot accept a probe: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
