//! The public sockets as a keeper waits on them: for clients in proxy mode, for a first sign of one
//! in fd mode.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::task::Poll;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::Address;
use crate::public::Public;
use crate::service::Mode;
use crate::stream::Stream;

#[derive(Debug)]
pub(crate) enum Door {
    Closed,
    /// Clients are accepted here.
    Accepting(Vec<Acceptor>),
    /// Clients are accepted by the app; empty while it is there.
    Watching(Vec<AsyncFd<OwnedFd>>),
}

#[derive(Debug)]
pub(crate) enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// Somebody came through the socket of this index.
#[derive(Debug)]
pub(crate) enum Visit {
    Client(usize, Stream, OwnedSemaphorePermit),
    Knock(usize),
}

impl Door {
    pub(crate) fn closed() -> Self {
        Self::Closed
    }

    pub(crate) fn open(mode: Mode, publics: &[Public]) -> io::Result<Self> {
        match mode {
            Mode::Proxy => {
                let acceptors = publics.iter().map(Acceptor::of).collect::<io::Result<_>>()?;
                Ok(Self::Accepting(acceptors))
            }
            Mode::Fd => Ok(Self::Watching(Vec::new())),
        }
    }

    /// In fd mode: whether it is waited for clients. Without effect otherwise.
    pub(crate) fn set_watched(&mut self, watched: bool, publics: &[Public]) -> io::Result<()> {
        let Self::Watching(watchers) = self else { return Ok(()) };
        if !watched {
            watchers.clear();
        } else if watchers.is_empty() {
            for public in publics {
                public.set_blocking(false);
            }
            *watchers = publics.iter().map(watcher).collect::<io::Result<_>>()?;
        }
        Ok(())
    }

    /// The next visit. Nothing is lost if the future is dropped: a permit that was got meanwhile is
    /// kept in `permit`.
    pub(crate) async fn visit(
        &self,
        budget: &Arc<Semaphore>,
        permit: &mut Option<OwnedSemaphorePermit>,
    ) -> io::Result<Visit> {
        match self {
            Self::Closed => std::future::pending().await,
            Self::Accepting(acceptors) => {
                if permit.is_none() {
                    let more = Arc::clone(budget).acquire_owned().await;
                    *permit = Some(more.map_err(io::Error::other)?);
                }
                let (listener, stream) = accept(acceptors).await?;
                match permit.take() {
                    Some(permit) => Ok(Visit::Client(listener, stream, permit)),
                    None => Err(io::ErrorKind::Other.into()),
                }
            }
            Self::Watching(watchers) => {
                let knock = std::future::poll_fn(|context| {
                    for (index, watcher) in watchers.iter().enumerate() {
                        if let Poll::Ready(ready) = watcher.poll_read_ready(context) {
                            return Poll::Ready(ready.map(|mut ready| {
                                ready.clear_ready();
                                index
                            }));
                        }
                    }
                    Poll::Pending
                });
                knock.await.map(Visit::Knock)
            }
        }
    }
}

async fn accept(acceptors: &[Acceptor]) -> io::Result<(usize, Stream)> {
    std::future::poll_fn(|context| {
        for (index, acceptor) in acceptors.iter().enumerate() {
            let accepted = match acceptor {
                Acceptor::Tcp(listener) => listener.poll_accept(context).map_ok(|(stream, _)| {
                    let _ = stream.set_nodelay(true);
                    Stream::Tcp(stream)
                }),
                Acceptor::Unix(listener) => {
                    listener.poll_accept(context).map_ok(|(stream, _)| Stream::Unix(stream))
                }
            };
            match accepted {
                Poll::Ready(Ok(stream)) => return Poll::Ready(Ok((index, stream))),
                // The client was gone before it was accepted.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::ConnectionAborted => {
                    context.waker().wake_by_ref();
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {}
            }
        }
        Poll::Pending
    })
    .await
}

impl Acceptor {
    fn of(public: &Public) -> io::Result<Self> {
        public.set_blocking(false);
        let socket = public.as_fd().try_clone_to_owned()?;
        Ok(match public.address {
            Address::Tcp(_) => {
                Self::Tcp(TcpListener::from_std(std::net::TcpListener::from(socket))?)
            }
            Address::Unix(_) => {
                Self::Unix(UnixListener::from_std(std::os::unix::net::UnixListener::from(socket))?)
            }
        })
    }
}

fn watcher(public: &Public) -> io::Result<AsyncFd<OwnedFd>> {
    let socket = public.as_fd().try_clone_to_owned()?;
    #[allow(deprecated, reason = "its successor is unsafe; an OwnedFd keeps its number")]
    AsyncFd::with_interest(socket, Interest::READABLE)
}
