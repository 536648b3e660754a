//! Greeting a daemon over a byte stream that somebody else has opened.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::encounter::{rejected, reported};
use super::{Client, Introduction};
use crate::builder::Daemon;
use crate::codec::Codec;
use crate::error::{Error, ErrorKind, Result};
use crate::greet::{self, Ear, Heard};
use crate::mux::{Connection, Foreign, KeepAlive};
use crate::service::Table;
use crate::settings::Settings;
use crate::wire::greeting::{Answer, Purpose};

/// Connecting over a transport of the program's.
impl<S, T> Daemon<S, T> {
    /// Connects over a byte stream whose other end is given to
    /// [`Hosted::serve_over`](crate::Hosted::serve_over), or joined to the socket of a daemon.
    ///
    /// Nothing is started, and nobody proves who is at the other end: that is up to whoever opened
    /// the stream. Of this description count the limits, the version, the
    /// [silence timeout](Self::silence_timeout), the variables named by
    /// [`caller_env`](Self::caller_env) and what the caller serves; what it says of a daemon's place
    /// and start does not. The connection ends when its last handle is dropped; the stream is shut
    /// down then.
    ///
    /// ```no_run
    /// # use autod_core::{Client, Daemon, Result};
    /// # async fn example<CounterClient: Client>() -> Result<CounterClient> {
    /// let (near, far) = tokio::io::duplex(64 << 10);
    /// # drop(far);
    /// Daemon::new("counter").connect_over(near).await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The service refuses, or is about to end ([`Error::is_closing`]); the other end hangs up, says
    /// nothing for the silence timeout, or does not speak the protocol. In all cases nothing was
    /// executed. Dropping the future closes the stream.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with time.
    pub async fn connect_over<C, IO>(&self, io: IO) -> Result<C>
    where
        C: Client,
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let settings = &self.settings;
        let connected = settings.connect_over(io, C::TABLE, Codec::default()).await;
        connected.map(C::from_connection).map_err(|error| error.of_daemon(|| settings.whom_over()))
    }
}

impl Settings {
    pub(crate) async fn connect_over<IO>(
        &self,
        io: IO,
        table: &'static Table,
        codec: Codec,
    ) -> Result<Connection>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Self { limits, caller_env, callbacks, .. } = self;
        let limits = &limits.far();
        let (build, callbacks) = (&self.build(), callbacks.as_ref());
        let introduction = Introduction { table, codec, limits, build, caller_env, callbacks };
        introduction.connect_over(io, self).await
    }
}

impl Introduction<'_> {
    async fn connect_over<IO>(&self, io: IO, settings: &Settings) -> Result<Connection>
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut stream = Foreign::new(io);
        let silence = settings.silence_timeout;
        let silent = |_| Error::new(ErrorKind::Timeout, "the other end does not answer a hello");
        let mut hello = self.hello(Purpose::Session, 0);
        hello.keep_alive = self.limits.keep_alive_milliseconds();
        let hello = hello.to_bytes();
        // A failing write is not the last word: the other end may have said why before it hung up.
        let _ = timeout(silence, greet::write_all(&mut stream, &hello)).await.map_err(silent)?;
        let mut ear = Ear::default();
        loop {
            match timeout(silence, ear.answer(&mut stream)).await.map_err(silent)? {
                Ok(Answer::Accept(accept)) => {
                    // One that does not know of it says nothing of it.
                    if accept.keep_alive != 0 {
                        stream.keep_alive(KeepAlive::new(accept.keep_alive));
                    }
                    let rest = ear.into_rest();
                    let whom = settings.whom_over();
                    return Ok(self.connection(stream, rest, whom, accept, None, 0));
                }
                Ok(Answer::Wait(text)) => {
                    if let Some(progress) =
                        settings.on_progress.as_ref().filter(|_| !text.is_empty())
                    {
                        progress(&text);
                    }
                }
                Ok(Answer::Reject(rejection)) => return Err(rejected(rejection)),
                Ok(Answer::Closing) => {
                    return Err(Error::new(ErrorKind::Closing, "the service is closing"));
                }
                Ok(Answer::Report(_)) => return Err(reported()),
                Err(Heard::Error(error)) => return Err(error),
                Err(Heard::Nothing) => {
                    let text = "the other end hung up before it accepted";
                    return Err(Error::new(ErrorKind::Lost, text));
                }
            }
        }
    }
}
