//! One life of an app, from its launch to the end of its process group. It tells what happens as
//! [`News`]; what follows is the keeper's.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::address::Address;
use crate::error::{Cause, Exit};
use crate::group::Group;
use crate::guard::Guard;
use crate::launch::{Launch, Launched};
use crate::notify::{Notice, NotifySocket};
use crate::probe;
use crate::public::Public;
use crate::relay::{End, Life};
use crate::service::{Ready, Service};
use crate::stream::Stream;

/// What a generation tells its keeper.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) generation: u64,
    pub(crate) what: Told,
}

#[derive(Debug)]
pub(crate) enum Told {
    /// Its process is there.
    Started(Arc<App>),
    /// There is no process.
    Failed(Cause),
    Ready,
    Said(Notice),
    Gone(Exit),
}

/// How many connections are made to an app that may not have accepted them. Many programs have a
/// queue of 128, and what does not fit into it is dropped or reset by the kernel.
const FRESH: usize = 64;

/// A process that was started, as its connections see it.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) group: Arc<Group>,
    targets: Vec<Address>,
    /// Connections that were made to find out whether it is ready.
    spare: Mutex<Vec<Option<Stream>>>,
    /// Connections that the app may not have accepted yet.
    fresh: Arc<Semaphore>,
    exit: watch::Sender<Option<End>>,
    cut: watch::Sender<bool>,
}

impl App {
    pub(crate) fn life(&self) -> Life {
        Life { group: Arc::clone(&self.group), exit: self.exit.subscribe() }
    }

    /// It is gone.
    pub(crate) fn end(&self, end: End) {
        self.exit.send_replace(Some(end));
    }

    /// Breaks off its connections.
    pub(crate) fn cut(&self) {
        self.cut.send_replace(true);
    }

    /// Completes when its connections are to be broken off.
    pub(crate) async fn is_cut(&self) {
        // The sender lives as long as this does.
        let _ = self.cut.subscribe().wait_for(|cut| *cut).await;
    }

    /// A connection to the app for this listener. An app that said too early that it is ready is
    /// waited for, and so is a system that has run out of descriptors, up to the limit.
    pub(crate) async fn reach(
        &self,
        listener: usize,
        limit: Duration,
    ) -> Result<(Stream, Option<OwnedSemaphorePermit>), String> {
        let spare = self
            .spare
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_mut(listener)
            .and_then(Option::take);
        if let Some(stream) = spare {
            return Ok((stream, None));
        }
        let Some(target) = self.targets.get(listener) else {
            return Err("the app has no address".to_owned());
        };
        let mut life = self.life();
        let fresh = tokio::select! {
            fresh = Arc::clone(&self.fresh).acquire_owned() => fresh.ok(),
            _ = life.ended() => return Err("the app ended".to_owned()),
        };
        let until = Instant::now() + limit;
        let mut pause = Duration::from_millis(1);
        loop {
            let error = match Stream::connect(target).await {
                Ok(stream) => return Ok((stream, fresh)),
                Err(error) => error,
            };
            if Instant::now() + pause >= until || !is_passing(&error) {
                return Err(format!("cannot connect to {target}: {error}"));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = life.ended() => return Err("the app ended".to_owned()),
            }
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}

/// Whether the same may succeed a moment later.
fn is_passing(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [
        Errno::CONNREFUSED,
        Errno::NOENT,
        Errno::AGAIN,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::ADDRNOTAVAIL,
        Errno::NOMEM,
    ];
    error.kind() == std::io::ErrorKind::ConnectionRefused
        || error
            .raw_os_error()
            .is_some_and(|number| passing.iter().any(|errno| errno.raw_os_error() == number))
}

/// A generation, for as long as its keeper has it.
#[derive(Debug)]
pub(crate) struct Generation {
    work: JoinHandle<()>,
    probe: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Generation {
    /// Launches it. Everything else is told as news. The names of its private files begin with `name`.
    pub(crate) fn begin(
        number: u64,
        service: &Arc<Service>,
        publics: &[Public],
        name: String,
        guard: Guard,
        news: mpsc::UnboundedSender<News>,
    ) -> Self {
        let service = Arc::clone(service);
        let listeners: std::io::Result<Vec<OwnedFd>> =
            publics.iter().map(|public| public.as_fd().try_clone_to_owned()).collect();
        let probe = Arc::new(Mutex::new(None));
        let probing = Arc::clone(&probe);
        let tell = Teller { generation: number, news };
        let work = tokio::spawn(async move {
            let listeners = listeners
                .map_err(|error| Cause::System(format!("cannot copy the listeners: {error}")));
            let begun = match listeners {
                Ok(listeners) => launch(&service, listeners, &guard, &name).await,
                Err(cause) => Err(cause),
            };
            let (launched, notify) = match begun {
                Ok(begun) => begun,
                Err(cause) => return tell.tell(Told::Failed(cause)),
            };
            let Launched { group, targets, output, ready } = launched;
            let group = Arc::new(group);
            guard.add(group.pid());
            let app = Arc::new(App {
                group: Arc::clone(&group),
                targets,
                spare: Mutex::new(Vec::new()),
                fresh: Arc::new(Semaphore::new(FRESH)),
                exit: watch::Sender::new(None),
                cut: watch::Sender::new(false),
            });
            tell.tell(Told::Started(Arc::clone(&app)));
            let readiness = service.effective_ready();
            let heard = match (&readiness, output) {
                (Ready::Log(pattern), Some(output)) => Some(probe::log(output, pattern.clone())),
                _ => None,
            };
            let waiting = {
                let tell = tell.clone();
                tokio::spawn(async move {
                    match readiness {
                        // Heard below, with all that it says.
                        Ready::Notify => return,
                        Ready::Fd(_) => match ready {
                            Some(read) => probe::newline(read).await,
                            None => return,
                        },
                        Ready::Connect => {
                            let streams = probe::connect(&app.targets).await;
                            *app.spare.lock().unwrap_or_else(PoisonError::into_inner) = streams;
                        }
                        Ready::Http(path) => {
                            for target in &app.targets {
                                probe::http(target, &path).await;
                            }
                        }
                        Ready::Log(_) => {
                            let Some(heard) = heard else { return };
                            if heard.await.is_err() {
                                // It closed its output without having said so.
                                return;
                            }
                        }
                        Ready::Delay(delay) => tokio::time::sleep(delay).await,
                    }
                    tell.tell(Told::Ready);
                })
            };
            *probing.lock().unwrap_or_else(PoisonError::into_inner) = Some(waiting);
            let by_notice = matches!(service.effective_ready(), Ready::Notify);
            let mut gone = std::pin::pin!(group.gone(|| guard.remove(group.pid())));
            let exit = loop {
                tokio::select! {
                    biased;
                    notices = notify.next() => for notice in notices {
                        match notice {
                            Notice::Ready if by_notice => tell.tell(Told::Ready),
                            Notice::Ready => {}
                            notice => tell.tell(Told::Said(notice)),
                        }
                    },
                    exit = &mut gone => break exit,
                }
            };
            tell.tell(Told::Gone(exit));
        });
        Self { work, probe }
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        // The keeper has heard of its end, or the runtime ends.
        self.work.abort();
        if let Some(probe) = self.probe.lock().unwrap_or_else(PoisonError::into_inner).take() {
            probe.abort();
        }
    }
}

async fn launch(
    service: &Service,
    listeners: Vec<OwnedFd>,
    guard: &Guard,
    name: &str,
) -> Result<(Launched, NotifySocket), Cause> {
    let directory = guard
        .directory()
        .map_err(|error| Cause::System(format!("cannot make a private directory: {error}")))?;
    let private = directory.join(name);
    let notify = NotifySocket::open(private.with_extension("notify"))
        .map_err(|error| Cause::System(format!("cannot make the notification socket: {error}")))?;
    let launch = Launch { service, listeners, notify: notify.path(), private };
    let launched = launch.start().await?;
    Ok((launched, notify))
}

#[derive(Clone, Debug)]
struct Teller {
    generation: u64,
    /// Bounded by what an app can say: its notices are read one datagram at a time.
    news: mpsc::UnboundedSender<News>,
}

impl Teller {
    fn tell(&self, what: Told) {
        let _ = self.news.send(News { generation: self.generation, what });
    }
}
