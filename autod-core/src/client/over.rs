//! Greeting a daemon over a byte stream that somebody else has opened.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::encounter::{rejected, reported};
use super::{Client, Introduction};
use crate::builder::Daemon;
use crate::codec::Codec;
use crate::error::{Error, ErrorKind, Result};
use crate::greet::{self, Ear, Heard};
use crate::mux::{Connection, Foreign};
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
        let Settings { limits, caller_env, callbacks, .. } = &self.settings;
        let build = &self.settings.build();
        let callbacks = callbacks.as_ref();
        let introduction = Introduction {
            table: C::TABLE,
            codec: Codec::default(),
            limits,
            build,
            caller_env,
            callbacks,
        };
        introduction.connect_over(io, &self.settings).await.map(C::from_connection)
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
        let hello = self.hello(Purpose::Session, 0).to_bytes();
        // A failing write is not the last word: the other end may have said why before it hung up.
        let _ = timeout(silence, greet::write_all(&mut stream, &hello)).await.map_err(silent)?;
        let mut ear = Ear::default();
        loop {
            match timeout(silence, ear.answer(&mut stream)).await.map_err(silent)? {
                Ok(Answer::Accept(accept)) => {
                    let rest = ear.into_rest();
                    return Ok(self.connection(stream, rest, accept, None, 0));
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
