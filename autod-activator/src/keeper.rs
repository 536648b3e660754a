//! The task that owns everything about one service: its sockets, its state, its process, its clients.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::client::{Client, Ended, Word};
use crate::door::{Door, Visit};
use crate::error::{Cause, Error, Kind, Result};
use crate::event::{Teller, What};
use crate::generation::{App, Generation, News, Told};
use crate::guard::Guard;
use crate::machine::{Action, Event, Limits, Machine, Phase, State};
use crate::notify::Notice;
use crate::public::Public;
use crate::relay::End;
use crate::service::{Mode, Service};
use crate::status::{self, Status};

/// Whoever comes during a pause waits for its end, if it is as near as this; else the client is reset
/// at once.
const NEAR: Duration = Duration::from_secs(1);

/// How long nothing is accepted when the system has run out of something.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What a keeper is asked for. Each comes from somebody who waits for the answer, or from a guard.
#[derive(Debug)]
pub(crate) enum Order {
    Start(oneshot::Sender<Result<()>>),
    Stop { force: bool, done: oneshot::Sender<()> },
    Hold { id: u64, reason: String },
    Release { id: u64 },
    Close(Close),
}

#[derive(Debug)]
pub(crate) struct Close {
    /// How long open connections may take; `None` breaks them off.
    pub(crate) drain: Option<Duration>,
    /// Whether the public sockets stay open, for somebody who goes on with them.
    pub(crate) keep: bool,
    pub(crate) done: oneshot::Sender<Vec<Public>>,
}

#[derive(Debug)]
enum Answer {
    Started(oneshot::Sender<Result<()>>, Result<()>),
    Stopped(oneshot::Sender<()>),
}

impl Answer {
    fn give(self) {
        // Whoever asked may have given up.
        match self {
            Self::Started(reply, result) => drop(reply.send(result)),
            Self::Stopped(reply) => drop(reply.send(())),
        }
    }
}

/// What a keeper is given.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) teller: Teller,
    pub(crate) guard: Guard,
    /// The beginning of the paths of private files.
    pub(crate) private: PathBuf,
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
                }
                visit = self.door.visit(budget, &mut self.permit), if may_accept => self.visited(visit),
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

    /// In fd mode the app is not disturbed: the door is looked at only when it is not there.
    fn arm_door(&mut self) {
        if self.mode() == Mode::Fd && self.closing.is_none() {
            let absent = matches!(self.machine.state(), State::Stopped | State::Backoff { .. });
            if let Err(error) = self.door.set_watched(absent, &self.publics) {
                let cause = format!("cannot watch the public sockets: {error}");
                self.tell(What::RelayError { cause });
                self.accept_after = Some(Instant::now() + ACCEPT_PAUSE);
            }
        }
    }

    fn may_accept(&self) -> bool {
        if self.closing.is_some() || self.accept_after.is_some() {
            return false;
        }
        match self.mode() {
            Mode::Fd => {
                // Whoever comes shortly before the end of a pause waits for it in the kernel's queue.
                let state = self.machine.state();
                !self.wanted && (state == State::Stopped || self.pause_is_long())
            }
            Mode::Proxy => {
                self.clients.len() < self.service.max_connections
                    && self.waiting < self.service.max_pending
            }
        }
    }

    fn pause_is_long(&self) -> bool {
        matches!(self.machine.state(), State::Backoff { until } if until > Instant::now() + NEAR)
    }

    fn idle_deadline(&self) -> Option<Instant> {
        let (State::Running { since, .. }, Mode::Proxy) = (self.machine.state(), self.mode())
        else {
            return None;
        };
        let idle = self.idle_since?.checked_add(self.service.idle_timeout?)?;
        Some(idle.max(since.checked_add(self.service.min_uptime)?))
    }

    fn visited(&mut self, visit: std::io::Result<Visit>) {
        match visit {
            Err(error) => {
                self.tell(What::RelayError { cause: format!("cannot accept: {error}") });
                self.accept_after = Some(Instant::now() + ACCEPT_PAUSE);
            }
            Ok(Visit::Knock(listener)) if self.pause_is_long() => {
                reset_queue(&self.publics[listener]);
            }
            Ok(Visit::Knock(listener)) => {
                self.wanted = true;
                self.tell_connection(listener);
            }
            Ok(Visit::Client(listener, stream, permit)) => {
                self.tell_connection(listener);
                if self.pause_is_long() {
                    return stream.reset();
                }
                let running = matches!(self.machine.state(), State::Running { .. });
                let word = if let (Some(app), true) = (&self.app, running) {
                    watch::Sender::new(Word::Serve(Arc::clone(app))).subscribe()
                } else {
                    self.waiting += 1;
                    self.word.subscribe()
                };
                let client = Client {
                    stream,
                    listener,
                    word,
                    cohort: if running { u64::MAX } else { self.cohort },
                    patience: self.service.start_timeout,
                    permit,
                };
                self.clients.spawn(client.run());
            }
        }
    }

    fn client_ended(&mut self, ended: Result<Ended, JoinError>) {
        let Ok(ended) = ended else { return };
        if ended.cohort == self.cohort {
            self.waiting -= 1;
        }
        if let Some(cause) = ended.error {
            self.tell(What::RelayError { cause });
        }
    }

    /// Tells all who wait the same, and begins a new queue.
    fn tell_waiting(&mut self, word: Word) {
        self.word.send_replace(word);
        self.word = watch::Sender::new(Word::Wait);
        self.cohort += 1;
        self.waiting = 0;
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Start(reply) => {
                if self.closing.is_some() {
                    self.answers.push(Answer::Started(reply, Err(Error::closed())));
                } else if matches!(self.machine.state(), State::Running { .. }) {
                    self.answers.push(Answer::Started(reply, Ok(())));
                } else {
                    self.starters.push(reply);
                    self.wanted = true;
                }
            }
            Order::Stop { force, done } => {
                self.stoppers.push(done);
                self.on(if force { Event::Force } else { Event::Stop { drain: true } });
            }
            Order::Hold { id, reason } => {
                self.holds.insert(id, reason);
            }
            Order::Release { id } => {
                self.holds.remove(&id);
            }
            Order::Close(close) => self.close(Some(close)),
        }
    }

    /// Without an order: nobody has the supervisor any more.
    fn close(&mut self, close: Option<Close>) {
        let drain = close.as_ref().and_then(|close| close.drain);
        let keep = close.as_ref().is_some_and(|close| close.keep);
        let again = self.closing.is_some();
        self.closing.get_or_insert_default().extend(close);
        self.door = Door::closed();
        self.permit = None;
        if !keep && !again {
            self.publics.clear();
        }
        if let Some(limit) = drain {
            if again {
                return;
            }
            self.tell(What::Draining);
            self.machine.set_drain_limit(limit);
            self.on(Event::Stop { drain: true });
        } else {
            self.on(Event::Force);
        }
        // Those whom the machine does not know of: nobody is served any more.
        if self.waiting > 0 {
            self.tell_waiting(Word::Reset);
        }
        self.refuse_starters();
    }

    fn has_ended(&self) -> bool {
        self.closing.is_some()
            && matches!(self.machine.state(), State::Stopped | State::Backoff { .. })
            && self.clients.is_empty()
    }

    fn end(mut self) {
        self.tell(What::Closed);
        let mut publics = std::mem::take(&mut self.publics);
        for close in self.closing.take().unwrap_or_default() {
            let _ = close.done.send(std::mem::take(&mut publics));
        }
    }

    fn hear(&mut self, news: News) {
        let generation = news.generation;
        if self.machine.state().generation() != Some(generation) {
            return;
        }
        match news.what {
            Told::Started(app) => {
                self.app = Some(app);
                // The order to end may have come before there was anybody to tell it to.
                match self.machine.state() {
                    State::Stopping { phase: Phase::Killing, .. } => self.signal(Signal::KILL),
                    State::Stopping { phase: Phase::Terminating, .. } => self.signal(Signal::TERM),
                    _ => {}
                }
            }
            Told::Failed(cause) => {
                self.forget_app();
                if matches!(self.machine.state(), State::Starting { .. }) {
                    self.start_failed(cause);
                }
                self.on(Event::Failed { generation });
            }
            Told::Ready => self.on(Event::Ready { generation }),
            Told::Said(Notice::Stopping) => self.on(Event::Leaving { generation }),
            Told::Said(Notice::Status(text)) => self.says = Some(text),
            Told::Said(Notice::Hold(reason)) => {
                if !self.app_holds.contains(&reason) {
                    self.app_holds.push(reason);
                }
            }
            Told::Said(Notice::Release(reason)) => self.app_holds.retain(|held| *held != reason),
            Told::Said(Notice::Ready) => {}
            Told::Gone(exit) => {
                let before = self.machine.state();
                let ordered = matches!(before, State::Stopping { .. });
                if let Some(app) = &self.app {
                    app.end(End { exit, ordered });
                }
                self.forget_app();
                match before {
                    State::Starting { .. } => self.start_failed(Cause::Exited(exit)),
                    State::Running { .. } if !exit.is_success() => {
                        self.tell(What::Crashed { exit });
                    }
                    _ => self.tell(What::Stopped { exit }),
                }
                let hungry = self.waiting > 0
                    || self.publics.iter().any(|public| {
                        self.service.effective_mode() == Mode::Fd && public.has_visitor()
                    });
                self.on(Event::Gone { generation, exit, hungry });
            }
        }
    }

    fn start_failed(&mut self, cause: Cause) {
        self.tell(What::StartFailed { cause: cause.clone() });
        self.failure = Some(cause);
    }

    fn forget_app(&mut self) {
        self.app = None;
        self.generation = None;
        self.app_holds.clear();
        self.says = None;
        if self.mode() == Mode::Fd {
            for public in &self.publics {
                public.set_blocking(false);
            }
        }
    }

    fn on(&mut self, event: Event) {
        let now = Instant::now();
        if let (Event::Overdue, State::Starting { .. }) = (event, self.machine.state()) {
            self.start_failed(Cause::TimedOut(self.service.start_timeout));
        }
        let actions = self.machine.on(event, now, jitter());
        if let (State::Stopping { .. }, Some(app)) = (self.machine.state(), &self.app) {
            app.group.set_stopping();
        }
        for action in actions {
            self.act(action);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Spawn { generation } => self.spawn(generation),
            Action::Serve => self.serve(),
            Action::Reset => {
                self.wanted = false;
                self.tell_waiting(Word::Reset);
                if self.mode() == Mode::Fd {
                    self.publics.iter().for_each(reset_queue);
                }
                self.refuse_starters();
            }
            Action::Terminate => self.signal(Signal::TERM),
            Action::Kill => self.signal(Signal::KILL),
            Action::Cut => {
                if let Some(app) = &self.app {
                    app.cut();
                }
            }
            Action::Pause { delay } => self.tell(What::Backoff { delay }),
        }
    }

    fn spawn(&mut self, generation: u64) {
        self.tell(What::Starting { generation });
        self.wanted = false;
        self.began = Instant::now();
        self.failure = None;
        if self.mode() == Mode::Fd {
            // Before the app has its copies, which share the flag.
            let _ = self.door.set_watched(false, &self.publics);
            for public in &self.publics {
                public.set_blocking(true);
            }
        }
        let mut private = self.surroundings.private.clone().into_os_string();
        private.push(format!("-{generation}"));
        self.generation = Some(Generation::begin(
            generation,
            &self.service,
            &self.publics,
            private.into(),
            self.surroundings.guard.clone(),
            self.teller.clone(),
        ));
    }

    fn serve(&mut self) {
        let Some(app) = self.app.clone() else { return };
        let took = self.began.elapsed();
        self.tell(What::Ready { pid: app.group.pid(), took });
        self.failure = None;
        self.wanted = false;
        self.tell_waiting(Word::Serve(app));
        let started = self.starters.drain(..).map(|starter| Answer::Started(starter, Ok(())));
        self.answers.extend(started);
    }

    fn refuse_starters(&mut self) {
        for starter in self.starters.drain(..) {
            let name = &self.service.name;
            let error = if let Some(cause) = &self.failure {
                Error::new(Kind::StartFailed, format!("{name} did not start: {cause}"))
            } else {
                Error::new(Kind::Stopped, format!("{name} was stopped before it was ready"))
            };
            self.answers.push(Answer::Started(starter, Err(error)));
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(app) = &self.app {
            app.group.signal(signal);
        }
    }

    fn tell(&self, what: What) {
        self.surroundings.teller.tell(what);
    }

    fn tell_connection(&self, listener: usize) {
        if let Some(public) = self.publics.get(listener) {
            self.tell(What::Connection { listener: Arc::clone(&public.name) });
        }
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

/// Resets everybody in the kernel's queue. No app accepts now.
fn reset_queue(public: &Public) {
    // Those who come meanwhile are not for ever.
    for _ in 0..2 * 4096 {
        let Some(client) = public.accept_now() else { return };
        let _ = rustix::net::sockopt::set_socket_linger(&client, Some(Duration::ZERO));
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

fn jitter() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness there is no jitter.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::NONBLOCK);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}
