//! The task that owns everything about one service: its sockets, its state, its process, its clients.

mod life;
mod orders;
mod visits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use self::orders::Answer;
pub(crate) use self::orders::{Close, Order};
use crate::client::{Ended, Word};
use crate::door::Door;
use crate::error::{Cause, Error, Result};
use crate::event::{Teller, What};
use crate::generation::{App, Generation, News};
use crate::guard::Guard;
use crate::machine::{Event, Limits, Machine, Phase, State};
use crate::public::Public;
use crate::service::{Mode, Service};
use crate::status::{self, Status};

/// What a keeper is given.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) teller: Teller,
    pub(crate) guard: Guard,
    /// What its private files are named after.
    pub(crate) number: u64,
    /// One permit for each connection that there are descriptors for.
    pub(crate) budget: Arc<Semaphore>,
}

#[derive(Debug)]
pub(crate) struct Keeper {
    service: Arc<Service>,
    surroundings: Surroundings,
    publics: Vec<Public>,
    door: Door,
    machine: Machine,
    app: Option<Arc<App>>,
    generation: Option<Generation>,
    began: Instant,
    clients: JoinSet<Ended>,
    word: watch::Sender<Word>,
    cohort: u64,
    waiting: usize,
    permit: Option<OwnedSemaphorePermit>,
    accept_after: Option<Instant>,
    /// Somebody came in fd mode, or asked for a start, and the app was not there.
    wanted: bool,
    idle_since: Option<Instant>,
    holds: BTreeMap<u64, String>,
    app_holds: Vec<String>,
    starters: Vec<oneshot::Sender<Result<()>>>,
    stoppers: Vec<oneshot::Sender<()>>,
    /// Given when the status tells the same.
    answers: Vec<Answer>,
    failure: Option<Cause>,
    says: Option<String>,
    news: mpsc::UnboundedReceiver<News>,
    teller: mpsc::UnboundedSender<News>,
    status: watch::Sender<Status>,
    closing: Option<Vec<Close>>,
}
impl Keeper {
    pub(crate) fn new(
        service: Arc<Service>,
        publics: Vec<Public>,
        surroundings: Surroundings,
    ) -> Result<(Self, watch::Receiver<Status>)> {
        let (teller, news) = mpsc::unbounded_channel();
        let status = Status {
            name: service.name.clone(),
            phase: status::Phase::Stopped,
            since: SystemTime::now(),
            pid: None,
            generation: 0,
            connections: 0,
            waiting: 0,
            holds: Vec::new(),
            says: None,
            failure: None,
            listens: publics.iter().map(|public| public.address.clone()).collect(),
            idle_in: None,
        };
        let (status, watched) = watch::channel(status);
        let door = Door::open(service.effective_mode(), &publics)
            .map_err(|error| Error::system("cannot watch the public sockets", error))?;
        let machine = Machine::new(Limits {
            start: service.start_timeout,
            stop: service.stop_timeout,
            drain: service.drain_timeout,
            restart: service.restart,
        });
        let keeper = Self {
            service,
            surroundings,
            publics,
            door,
            machine,
            app: None,
            generation: None,
            began: Instant::now(),
            clients: JoinSet::new(),
            word: watch::Sender::new(Word::Wait),
            cohort: 0,
            waiting: 0,
            permit: None,
            accept_after: None,
            wanted: false,
            idle_since: None,
            holds: BTreeMap::new(),
            app_holds: Vec::new(),
            starters: Vec::new(),
            stoppers: Vec::new(),
            answers: Vec::new(),
            failure: None,
            says: None,
            news,
            teller,
            status,
            closing: None,
        };
        Ok((keeper, watched))
    }

    pub(crate) async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) {
        for public in &self.publics {
            self.tell(What::Listening { address: public.address.clone() });
        }
        loop {
            self.settle();
            if self.has_ended() {
                return self.end();
            }
            let may_accept = self.may_accept();
            let deadline = self.machine.state().deadline();
            let idle = self.idle_deadline();
            let paused = self.accept_after;
            let budget = &self.surroundings.budget;
            tokio::select! {
                biased;
                order = orders.recv(), if !orders.is_closed() || !orders.is_empty() => match order {
                    Some(order) => self.obey(order),
                    None => self.close(None),
                },
                Some(news) = self.news.recv() => self.hear(news),
                Some(ended) = self.clients.join_next(), if !self.clients.is_empty() => {
                    self.client_ended(ended);
                    while let Some(ended) = self.clients.try_join_next() {
                        self.client_ended(ended);
                    }
                }
                visit = self.door.visit(budget, &mut self.permit), if may_accept => {
                    self.visited(visit);
                    self.accept_more();
                }
                () = until(deadline), if deadline.is_some() => self.on(Event::Overdue),
                () = until(idle), if idle.is_some() => {
                    if let Some(generation) = self.machine.state().generation() {
                        self.tell(What::IdleStop);
                        self.on(Event::Idle { generation });
                    }
                }
                () = until(paused), if paused.is_some() => self.accept_after = None,
            }
        }
    }

    /// What follows from the state as it is now.
    fn settle(&mut self) {
        if matches!(self.machine.state(), State::Stopped | State::Backoff { .. }) {
            self.answers.extend(self.stoppers.drain(..).map(Answer::Stopped));
        }
        match self.machine.state() {
            State::Stopped if self.is_wanted() && self.closing.is_none() => {
                self.on(Event::Wanted);
            }
            State::Stopping { generation, phase: Phase::Draining, .. } if self.open() == 0 => {
                self.on(Event::Drained { generation });
            }
            _ => {}
        }
        let is_idle = matches!(self.machine.state(), State::Running { .. })
            && self.clients.is_empty()
            && self.holds.is_empty()
            && self.app_holds.is_empty();
        self.idle_since = is_idle.then(|| self.idle_since.unwrap_or_else(Instant::now));
        self.arm_door();
        self.publish();
        for answer in self.answers.drain(..) {
            answer.give();
        }
    }

    fn is_wanted(&self) -> bool {
        self.wanted || self.waiting > 0
    }

    /// Connections that are not waiting.
    fn open(&self) -> usize {
        self.clients.len() - self.waiting
    }

    fn mode(&self) -> Mode {
        self.service.effective_mode()
    }

    fn idle_deadline(&self) -> Option<Instant> {
        let (State::Running { since, .. }, Mode::Proxy) = (self.machine.state(), self.mode())
        else {
            return None;
        };
        let idle = self.idle_since?.checked_add(self.service.idle_timeout?)?;
        Some(idle.max(since.checked_add(self.service.min_uptime)?))
    }

    fn tell(&self, what: What) {
        self.surroundings.teller.tell(what);
    }

    fn publish(&mut self) {
        let phase = match self.machine.state() {
            State::Stopped => status::Phase::Stopped,
            State::Starting { .. } => status::Phase::Starting,
            State::Running { .. } => status::Phase::Running,
            State::Stopping { .. } => status::Phase::Stopping,
            State::Backoff { .. } => status::Phase::Backoff,
        };
        let idle_in = self.idle_deadline().map(|at| at.duration_since(Instant::now()));
        self.status.send_modify(|status| {
            if status.phase != phase {
                status.phase = phase;
                status.since = SystemTime::now();
            }
            status.pid = self.app.as_ref().map(|app| app.group.pid());
            status.generation = self.machine.latest();
            status.connections = self.clients.len() - self.waiting;
            status.waiting = self.waiting;
            let holds = self.holds.values().chain(&self.app_holds);
            if !holds.clone().eq(&status.holds) {
                status.holds = holds.cloned().collect();
            }
            if status.says != self.says {
                status.says.clone_from(&self.says);
            }
            status.failure = self.failure.as_ref().map(ToString::to_string);
            status.idle_in = idle_in;
        });
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
