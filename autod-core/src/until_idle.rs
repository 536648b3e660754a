//! A TCP door for programs that a supervisor starts: it closes when nobody has come for a while, and
//! leaves whoever comes later to the next process.

use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::activation::Activation;
use crate::daemon::{Connected, Lease};

/// Accepts connections until nobody needs the program any more; see [`Activation::until_idle`].
#[derive(Debug)]
pub struct UntilIdle {
    listener: TcpListener,
    activation: Activation,
    lease: Lease,
}

/// A connection that counts until this is dropped.
#[derive(Debug)]
#[must_use = "the connection counts until this is dropped"]
pub struct Visit {
    _connected: Connected,
}

impl Activation {
    /// Says that the program is ready, and accepts on `listener` until no [`Visit`] has been alive for
    /// `linger`. A program that was started by hand goes on for ever: nobody would keep its socket.
    pub fn until_idle(self, listener: TcpListener, linger: Duration) -> UntilIdle {
        let linger = self.is_supervised().then_some(linger);
        self.ready();
        UntilIdle { listener, activation: self, lease: Lease::new(linger, Instant::now()) }
    }
}

impl UntilIdle {
    /// The next connection; `None` when the program is to end, which the supervisor has been told. No
    /// connection is lost by that: the supervisor keeps the socket, and whoever waits in its queue is
    /// for the next process. Nothing is lost if the future is dropped either.
    ///
    /// # Errors
    ///
    /// The system refused to accept; it may be tried again.
    pub async fn accept(&self) -> io::Result<Option<(TcpStream, Visit)>> {
        loop {
            let accepted = {
                let mut accept = std::pin::pin!(self.listener.accept());
                let mut expired = std::pin::pin!(self.lease.expired());
                std::future::poll_fn(|context| {
                    if let Poll::Ready(accepted) = accept.as_mut().poll(context) {
                        return Poll::Ready(Some(accepted));
                    }
                    expired.as_mut().poll(context).map(|()| None)
                })
                .await
            };
            match accepted {
                Some(accepted) => {
                    let visit = Visit { _connected: self.lease.connect() };
                    return accepted.map(|(stream, _)| Some((stream, visit)));
                }
                None if self.lease.end_if_idle() => {
                    self.activation.stopping();
                    return Ok(None);
                }
                // Somebody came between the two looks.
                None => {}
            }
        }
    }
}
