//! A service that is restarted, and the links to it, in one process and in virtual time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use autod::{Client as _, Daemon, Error, Reconnect, Session, Voucher};
use autod_core::Hosted;
use futures::future::{Either, select};
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

#[autod::service]
pub(super) trait Ledger {
    /// Writes a line and tells its number.
    async fn write(&self, line: u64) -> u64;
    /// As `write`, of one who does not mind a second line.
    #[autod(idempotent)]
    async fn insist(&self, line: u64) -> u64;
    /// The numbers of all lines behind this one, and of those to come, up to the last.
    fn follow(&self, after: Option<u64>, last: u64) -> impl Stream<Item = u64>;
    /// Adds up what it is sent.
    async fn sum(&self, lines: impl Stream<Item = u64>) -> u64;
    /// Answers when the connection has ended.
    #[autod(idempotent)]
    async fn hang(&self) -> u64;
}

/// The lines, whatever becomes of the service.
#[derive(Clone)]
pub(super) struct Book {
    lines: Arc<Mutex<Vec<u64>>>,
    length: watch::Sender<u64>,
    pub(super) hung: Arc<AtomicU64>,
}

impl Book {
    fn write(&self, line: u64) -> u64 {
        let mut lines = self.lines.lock().unwrap();
        lines.push(line);
        let length = lines.len() as u64;
        self.length.send_replace(length);
        length
    }

    pub(super) fn lines(&self) -> Vec<u64> {
        self.lines.lock().unwrap().clone()
    }
}

struct Clerk {
    book: Book,
    _session: Session,
}

impl Ledger for Clerk {
    async fn write(&self, line: u64) -> u64 {
        // So that some are stopped before, and some behind.
        tokio::time::sleep(Duration::from_millis(line % 4)).await;
        let number = self.book.write(line);
        tokio::time::sleep(Duration::from_millis(line % 3)).await;
        number
    }

    async fn insist(&self, line: u64) -> u64 {
        self.write(line).await
    }

    fn follow(&self, after: Option<u64>, last: u64) -> impl Stream<Item = u64> {
        let news = self.book.length.subscribe();
        futures::stream::unfold((after.unwrap_or(0), news), move |(seen, mut news)| async move {
            if seen == last {
                return None;
            }
            let _ = news.wait_for(|length| *length > seen).await;
            Some((seen + 1, (seen + 1, news)))
        })
    }

    async fn sum(&self, lines: autod::Incoming<u64>) -> u64 {
        lines.fold(0, |sum, line| async move { sum + line.unwrap_or(0) }).await
    }

    async fn hang(&self) -> u64 {
        self.book.hung.fetch_add(1, Ordering::SeqCst);
        std::future::pending().await
    }
}

/// The service, and the links to it that stand.
pub(super) struct World {
    pub(super) book: Book,
    hosted: Mutex<Hosted>,
    links: Mutex<Vec<JoinHandle<()>>>,
    /// Nobody can connect.
    pub(super) down: watch::Sender<bool>,
    pub(super) attempts: AtomicU64,
    frozen: watch::Sender<bool>,
    delay: Duration,
}

impl World {
    /// Each direction of a link takes so long.
    pub(super) async fn new(delay: Duration) -> Arc<Self> {
        let book =
            Book { lines: Arc::default(), length: watch::Sender::new(0), hung: Arc::default() };
        let hosted = Mutex::new(host(&book).await);
        Arc::new(Self {
            book,
            hosted,
            links: Mutex::default(),
            down: watch::Sender::new(false),
            attempts: AtomicU64::new(0),
            frozen: watch::Sender::new(false),
            delay,
        })
    }

    pub(super) fn client(self: &Arc<Self>) -> Reconnect<LedgerClient> {
        let world = Arc::clone(self);
        Reconnect::new(move || {
            let world = Arc::clone(&world);
            async move {
                world.attempts.fetch_add(1, Ordering::SeqCst);
                if *world.down.borrow() {
                    return Err(Error::custom("no route"));
                }
                world.connect_once().await
            }
        })
    }

    /// A client with one connection.
    pub(super) async fn connect_once(&self) -> autod::Result<LedgerClient> {
        Daemon::new("ledger").connect_over(self.link()).await
    }

    /// The same, with a sign of life in each interval.
    pub(super) async fn connect_alive(&self, interval: Duration) -> autod::Result<LedgerClient> {
        let mut limits = autod::Limits::default();
        limits.keep_alive = interval;
        Daemon::new("ledger").limits(limits).connect_over(self.link()).await
    }

    /// The connections that the service counts.
    pub(super) fn connections(&self) -> usize {
        self.hosted.lock().unwrap().daemon().status().connections
    }

    /// A link to the present service.
    fn link(&self) -> DuplexStream {
        let (near, far) = tokio::io::duplex(256);
        let (server, hosted_end) = tokio::io::duplex(256);
        let hosted = self.hosted.lock().unwrap().clone();
        tokio::spawn(async move { hosted.serve_over(hosted_end, Voucher::Nobody).await });
        let (far_in, far_out) = tokio::io::split(far);
        let (server_in, server_out) = tokio::io::split(server);
        let delay = self.delay;
        let mut frozen = self.frozen.subscribe();
        let link = tokio::spawn(async move {
            let both = async {
                tokio::join!(carry(far_in, server_out, delay), carry(server_in, far_out, delay))
            };
            // Cold links keep their ends open.
            let cold = async { frozen.wait_for(|frozen| *frozen).await.is_ok() };
            let (mut both, cold) = (std::pin::pin!(both), std::pin::pin!(cold));
            if matches!(select(&mut both, cold).await, Either::Right(_)) {
                std::future::pending::<()>().await;
            }
        });
        self.links.lock().unwrap().push(link);
        near
    }

    /// Nothing gets through any more, in either direction, and nobody is told.
    pub(super) fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// Cuts all links, with what is on its way.
    pub(super) fn cut(&self) {
        self.links.lock().unwrap().drain(..).for_each(|link| link.abort());
    }

    /// Replaces the service as an upgrade does: calls that run are answered, streams end.
    pub(super) async fn restart(&self) {
        let new = host(&self.book).await;
        let old = std::mem::replace(&mut *self.hosted.lock().unwrap(), new);
        tokio::spawn(async move { old.drain().await });
    }
}

async fn host(book: &Book) -> Hosted {
    let book = book.clone();
    Daemon::new("ledger")
        .init(async move |_| Ok(book))
        .serve(|book: Arc<Book>, session| Clerk { book: (*book).clone(), _session: session })
        .host::<LedgerClient>()
        .await
        .unwrap()
}

/// Each piece arrives so much later than it was sent, and none is held up by the one before.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, delay: Duration) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut piece = [0; 256];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let _ = sender.send((Instant::now() + delay, piece[..length].to_vec()));
        }
    };
    let write = async move {
        while let Some((due, piece)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

/// A client is of the same type whatever its connection does.
pub(super) fn pid(client: &LedgerClient) -> u32 {
    client.connection().origin().pid
}
