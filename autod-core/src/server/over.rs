//! Connections that somebody else has accepted, over any byte stream.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;
use tracing::Instrument as _;

use super::Shop;
use super::reception::{Admission, Open};
use crate::error::{Error, ErrorKind, Result};
use crate::greet::{self, Ear};
use crate::mux::{Foreign, KeepAlive};
use crate::voucher::Voucher;
use crate::wire::greeting::{Purpose, RejectCode};

/// How long the other end may take to read the last words and to close. A drain waits for that too,
/// so a quarter of its limit is enough.
const PARTING: Duration = Duration::from_secs(5);

impl Shop {
    /// Greets and serves one connection; returns when it has ended.
    pub(crate) async fn serve_over<T>(self: &Arc<Self>, mut io: T, voucher: Voucher) -> Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let span = tracing::debug_span!(
            target: "autod::connection", "connection", peer = in_words(&voucher)
        );
        let served = async {
            let ended = self.attend(Foreign::new(&mut io), voucher).await;
            self.part(&mut io).await;
            ended
        };
        self.tasks.track_future(served.instrument(span)).await
    }

    /// Answers whoever asks for the readiness, and nobody else.
    pub(crate) async fn answer_probe<T>(&self, mut io: T) -> Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let limit = self.server.limits.handshake;
        let visitor = timeout(limit, Ear::default().visitor(&mut io))
            .await
            .map_err(|_| Error::new(ErrorKind::Timeout, "a prober did not say hello in time"))??;
        let answer = match visitor.hello {
            Ok(hello) if hello.purpose == Purpose::Readiness => self.readiness(&hello),
            _ => self.reject(RejectCode::Other, "only probes are answered here".to_owned()),
        };
        greet::say(&mut io, &answer, limit).await?;
        self.part(&mut io).await;
        Ok(())
    }

    /// Reads until the other end has read everything and closes too. A stream that is closed with
    /// something unread in it is reset by TCP, and the last answers would be lost on their way.
    async fn part<T: AsyncRead + AsyncWrite + Unpin>(&self, io: &mut T) {
        let parting = async {
            io.shutdown().await?;
            let mut unread = [0; 2048];
            while io.read(&mut unread).await? > 0 {}
            std::io::Result::Ok(())
        };
        // Either way it is over: the other end is gone, or has had its time.
        let _ = timeout(PARTING.min(self.server.drain / 4), parting).await;
    }

    async fn attend<T>(self: &Arc<Self>, mut stream: Foreign<T>, voucher: Voucher) -> Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let connected = self.server.daemon.lease().connect();
        let mut open = Open::count(self);
        let mut ear = Ear::default();
        match self.admit(&mut stream, &mut ear, connected, &mut open, &voucher).await? {
            // It counts as a user of the daemon until it has ended.
            Admission::Session(hello, host, _connected, registered) => {
                if hello.keep_alive != 0 {
                    stream.keep_alive(KeepAlive::new(hello.keep_alive));
                }
                let shop = Arc::clone(self);
                let opened_by = Arc::clone(&host);
                let opening = shop.open_session(stream, hello, ear, registered, opened_by);
                if let Some((driver, shared, _registered)) = Box::pin(opening).await? {
                    self.drive(driver, &shared).await;
                }
                drop(host);
                Ok(())
            }
            Admission::Order(_) => {
                let text =
                    "the daemon takes orders and questions on its own socket only".to_owned();
                let answer = self.reject(RejectCode::Other, text);
                greet::say(&mut stream, &answer, self.server.limits.handshake).await
            }
            Admission::None => Ok(()),
        }
    }
}

/// Who is there, for the log.
fn in_words(voucher: &Voucher) -> String {
    match voucher {
        Voucher::Kernel(peer) => format!("uid {}", peer.uid),
        Voucher::Login { user, .. } => format!("login {user}"),
        Voucher::Certificate { subject } => format!("certificate {subject}"),
        Voucher::Nobody => "nobody vouches".to_owned(),
    }
}
