//! The supervisor: the services by name, and the handle by which a program reaches them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};

use crate::address::Address;
use crate::builder::Builder;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, KEPT, Teller, What};
use crate::guard::Guard;
use crate::keeper::{Close, Keeper, Order, Surroundings};
use crate::place;
use crate::public::Public;
use crate::service::Service;
use crate::status::Status;

/// How a service is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Forwarded connections come to their end within the service's `drain_timeout`; then SIGTERM;
    /// after its `stop_timeout` SIGKILL. Each to the whole process group.
    Soft,
    /// SIGKILL to the whole process group, now. Its connections are reset.
    Force,
}

/// How a supervisor is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Open connections may take this long; then as [`Stop::Soft`] goes on.
    Drain(Duration),
    /// As [`Stop::Force`].
    Force,
}

/// Starts services on their first connection, forwards to them, and lets them go when they are idle.
///
/// A handle; clones lead to the same supervisor. When the last one is dropped it is closed as with
/// [`Shutdown::Force`]. Its tasks live in the runtime in which it was opened: if that ends first, the
/// apps are ended by SIGTERM, and by SIGKILL 0.7 s later.
#[derive(Clone, Debug)]
pub struct Supervisor(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// `None` once it is closed.
    keepers: Mutex<Option<BTreeMap<String, Kept>>>,
    events: broadcast::Sender<Event>,
    /// Heard from the beginning on, for the first who asks.
    first: Mutex<Option<Events>>,
    guard: Guard,
    budget: Arc<Semaphore>,
    next: AtomicU64,
    /// Those that no service has taken yet.
    inherited: Mutex<Vec<Public>>,
    /// Held while the set of services changes.
    changing: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Kept {
    service: Arc<Service>,
    /// Bounded by those who wait for an answer, and by the guards that there are.
    orders: mpsc::UnboundedSender<Order>,
    status: watch::Receiver<Status>,
}

#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) service: Service,
    publics: Vec<Public>,
}

impl Supervisor {
    /// Begins a supervisor.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// One that has no services yet. These sockets listen already.
    pub(crate) fn of_nothing(places: Vec<PathBuf>, inherited: Vec<Public>) -> Self {
        let (events, first) = broadcast::channel(KEPT);
        Self(Arc::new(Shared {
            keepers: Mutex::new(Some(BTreeMap::new())),
            events,
            first: Mutex::new(Some(Events(first))),
            guard: Guard::new(places),
            budget: Arc::new(Semaphore::new(place::connections())),
            next: AtomicU64::new(0),
            inherited: Mutex::new(inherited),
            changing: tokio::sync::Mutex::new(()),
        }))
    }

    /// Adds a service and listens for it. Nothing happens if there is one of the same description.
    ///
    /// # Errors
    ///
    /// [`Error::is_duplicate_service`] if its name is that of a service of another description,
    /// [`Error::is_description`], [`Error::is_in_use`], [`Error::is_closed`].
    pub async fn add(&self, service: Service) -> Result<()> {
        let _changing = self.begin_change().await;
        if self.descriptions()?.get(&service.name).is_some_and(|present| **present == service) {
            return Ok(());
        }
        self.add_with(service, Vec::new())
    }

    /// Nobody else changes the set of services until it is dropped.
    pub(crate) async fn begin_change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.changing.lock().await
    }

    /// The services as they are described now.
    pub(crate) fn descriptions(&self) -> Result<BTreeMap<String, Arc<Service>>> {
        let keepers = self.keepers();
        let kept = keepers.as_ref().ok_or_else(Error::closed)?.iter();
        Ok(kept.map(|(name, kept)| (name.clone(), Arc::clone(&kept.service))).collect())
    }

    pub(crate) fn add_with(&self, service: Service, publics: Vec<Public>) -> Result<()> {
        service.check()?;
        if self.keepers().as_ref().ok_or_else(Error::closed)?.contains_key(&service.name) {
            let text = format!("there is another service {:?}", service.name);
            return Err(Error::new(Kind::DuplicateService, text));
        }
        let prepared = self.prepare(service, publics)?;
        self.keep(prepared)
    }

    /// Removes a service; its open connections come to their end within its `drain_timeout`.
    /// `false` if there is none of this name. Dropping the future does not stop the removal.
    ///
    /// # Errors
    ///
    /// [`Error::is_closed`].
    pub async fn remove(&self, name: &str) -> Result<bool> {
        let _changing = self.begin_change().await;
        Ok(self.take_out(name, false).await?.is_some())
    }

    pub(crate) async fn take_out(&self, name: &str, keep: bool) -> Result<Option<Vec<Public>>> {
        let kept = self.keepers().as_mut().ok_or_else(Error::closed)?.remove(name);
        let Some(kept) = kept else { return Ok(None) };
        let (done, ended) = oneshot::channel();
        let drain = Some(kept.service.drain_timeout);
        let _ = kept.orders.send(Order::Close(Close { drain, keep, done }));
        Ok(Some(ended.await.unwrap_or_default()))
    }

    /// Starts a service, if it does not run, and returns when it is ready. Two who do so at a time
    /// start it once. Dropping the future does not stop the start.
    ///
    /// # Errors
    ///
    /// [`Error::is_start_failed`], [`Error::is_stopped`], [`Error::is_unknown_service`],
    /// [`Error::is_closed`].
    pub async fn start(&self, name: &str) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        self.order(name, Order::Start(reply))?;
        answer.await.unwrap_or_else(|_| Err(Error::closed()))
    }

    /// Stops a service, if it runs, and returns when its processes are gone. The next connection
    /// starts it again.
    ///
    /// # Errors
    ///
    /// [`Error::is_unknown_service`], [`Error::is_closed`].
    pub async fn stop(&self, name: &str, how: Stop) -> Result<()> {
        let (done, stopped) = oneshot::channel();
        self.order(name, Order::Stop { force: how == Stop::Force, done })?;
        // A keeper that ended meanwhile has stopped it as well.
        let _ = stopped.await;
        Ok(())
    }

    /// Keeps a service alive without connections until the guard is dropped, if it runs. It does not
    /// start it. The reason is shown by [`status`](Self::status).
    ///
    /// # Errors
    ///
    /// [`Error::is_unknown_service`], [`Error::is_closed`].
    pub fn hold(&self, name: &str, reason: impl Into<String>) -> Result<Hold> {
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let orders = self.order(name, Order::Hold { id, reason: reason.into() })?;
        Ok(Hold { id, orders })
    }

    /// What a service is doing.
    ///
    /// # Errors
    ///
    /// [`Error::is_unknown_service`], [`Error::is_closed`].
    pub fn status(&self, name: &str) -> Result<Status> {
        let keepers = self.keepers();
        let kept = keepers.as_ref().ok_or_else(Error::closed)?.get(name);
        Ok(kept.ok_or_else(|| Error::unknown(name))?.status.borrow().clone())
    }

    /// The public addresses of a service, with the port that the system chose for a port 0.
    ///
    /// # Errors
    ///
    /// [`Error::is_unknown_service`], [`Error::is_closed`].
    pub fn addresses(&self, name: &str) -> Result<Vec<Address>> {
        Ok(self.status(name)?.listens)
    }

    /// What all services are doing, by name. Empty once it is closed.
    pub fn list(&self) -> Vec<Status> {
        let keepers = self.keepers();
        keepers.iter().flat_map(BTreeMap::values).map(|kept| kept.status.borrow().clone()).collect()
    }

    /// The events from now on; for the first who asks, from the beginning on.
    pub fn events(&self) -> Events {
        let first = self.0.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        first.unwrap_or_else(|| Events(self.0.events.subscribe()))
    }

    /// Ends all services and returns when their processes are gone. Once closed, it stays so; to close
    /// it again, with force, cuts a drain short.
    pub async fn close(&self, how: Shutdown) {
        let drain = match how {
            Shutdown::Drain(limit) => Some(limit),
            Shutdown::Force => None,
        };
        let kept: Vec<Kept> = self.keepers().iter().flat_map(BTreeMap::values).cloned().collect();
        let mut ended = Vec::new();
        for kept in &kept {
            let (done, end) = oneshot::channel();
            let _ = kept.orders.send(Order::Close(Close { drain, keep: false, done }));
            ended.push(end);
        }
        for end in ended {
            let _ = end.await;
        }
        if self.keepers().take().is_some() {
            Teller { events: self.0.events.clone(), service: None }.tell(What::Closed);
        }
    }

    fn order(&self, name: &str, order: Order) -> Result<mpsc::UnboundedSender<Order>> {
        let keepers = self.keepers();
        let kept = keepers.as_ref().ok_or_else(Error::closed)?.get(name);
        let orders = &kept.ok_or_else(|| Error::unknown(name))?.orders;
        orders.send(order).map_err(|_| Error::closed())?;
        Ok(orders.clone())
    }

    fn keepers(&self) -> MutexGuard<'_, Option<BTreeMap<String, Kept>>> {
        self.0.keepers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens for a service; `publics` are sockets that it may go on with.
    pub(crate) fn prepare(&self, service: Service, mut publics: Vec<Public>) -> Result<Prepared> {
        let mut inherited = self.0.inherited.lock().unwrap_or_else(PoisonError::into_inner);
        let mut opened = Vec::new();
        for listen in &service.listens {
            let name = service.listen_name(listen);
            let own = publics.iter().position(|public| public.address == listen.at);
            let given = inherited
                .iter()
                .position(|public| public.address == listen.at)
                .or_else(|| inherited.iter().position(|public| *public.name == *name));
            let public = if let Some(index) = own {
                let mut public = publics.remove(index);
                public.name = Arc::from(name);
                public
            } else if let Some(index) = given {
                let mut public = inherited.remove(index);
                public.name = Arc::from(name);
                public
            } else {
                Public::open(name, &listen.at)?
            };
            opened.push(public);
        }
        Ok(Prepared { service, publics: opened })
    }

    pub(crate) fn keep(&self, prepared: Prepared) -> Result<()> {
        let Prepared { service, publics } = prepared;
        let name = service.name.clone();
        let service = Arc::new(service);
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let surroundings = Surroundings {
            teller: Teller {
                events: self.0.events.clone(),
                service: Some(Arc::from(name.as_str())),
            },
            guard: self.0.guard.clone(),
            number,
            budget: Arc::clone(&self.0.budget),
        };
        let (keeper, status) = Keeper::new(Arc::clone(&service), publics, surroundings)?;
        let (orders, received) = mpsc::unbounded_channel();
        let mut keepers = self.keepers();
        let keepers = keepers.as_mut().ok_or_else(Error::closed)?;
        keepers.insert(name, Kept { service, orders, status });
        tokio::spawn(keeper.run(received));
        Ok(())
    }
}

/// Keeps a service alive; see [`Supervisor::hold`].
#[derive(Debug)]
#[must_use = "it holds until it is dropped"]
pub struct Hold {
    id: u64,
    orders: mpsc::UnboundedSender<Order>,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::Release { id: self.id });
    }
}

pub(crate) fn duplicate(name: &str) -> Error {
    Error::new(Kind::DuplicateService, format!("there are two services {name:?}"))
}
