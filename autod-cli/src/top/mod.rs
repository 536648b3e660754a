//! `autod top`: the daemons of this user and the services of its supervisors, as they are now.
//!
//! What is shown is plain data ([`view`], [`board`]) that a pure function draws; only [`screen`] and
//! this file know that there is a terminal. Each daemon is asked by itself and again only when its
//! answer is there, so that one that hangs holds up its own row and nothing else.

mod board;
mod draw;
mod screen;
mod view;

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use autod::control::{self, Target};
use futures::FutureExt as _;
use futures::StreamExt as _;
use futures::future::LocalBoxFuture;
use futures::stream::FuturesUnordered;
use ratatui::crossterm::event::Event;
use tokio::time::MissedTickBehavior;

use crate::failure::{Done, Failure};
use crate::signals::Signals;
use crate::state::{Seen, look};
use crate::style::Style;
use crate::supervise::Supervisors;
use crate::told::Told;
use autod_console::stop::end as end_one;
use screen::Screen;
use view::{Action, Mode, Order, View};

/// How long a daemon may take to end.
const END: Duration = Duration::from_secs(30);

/// How one ended that was killed, as `autod_console::stop` says it.
const KILLED: &str = "killed";

/// So many lines of a log can be looked at.
const LINES: usize = 1000;

pub(crate) struct Options {
    pub(crate) interval: Duration,
    pub(crate) patience: Duration,
}

pub(crate) fn run(options: &Options) -> Result<Done, Failure> {
    let refuse = |why: &str| {
        Failure::new(format!("{why}, and a live view needs one"))
            .with_help("`autod ps` prints the same once, and `autod ps --json` for programs")
    };
    if !std::io::stdout().is_terminal() {
        return Err(refuse("standard output is no terminal"));
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        return Err(refuse("TERM is dumb: this terminal cannot move its cursor"));
    }
    crate::block_on(watch(options))
}

async fn watch(options: &Options) -> Result<Done, Failure> {
    let cannot = |error: std::io::Error| Failure::new(format!("cannot use the terminal: {error}"));
    let signals =
        Signals::listen().map_err(|error| Failure::new(format!("cannot hear signals: {error}")))?;
    let mut top = Top::new(options.patience);
    let mut screen = Screen::enter().map_err(cannot)?;
    let mut events = screen::events().map_err(cannot)?;
    let mut tick = tokio::time::interval(options.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        screen.terminal.draw(|frame| draw::draw(frame, &top.view)).map_err(cannot)?;
        tokio::select! {
            event = events.recv() => match event {
                Some(Ok(event)) => if top.hear(&event) {
                    return Ok(Done::Well);
                },
                Some(Err(error)) => return Err(cannot(error)),
                None => return Ok(Done::Well),
            },
            _ = tick.tick() => top.refresh(),
            Some(seen) = top.looks.next() => top.saw(seen),
            Some(found) = top.overviews.next() => top.saw_services(&found, Instant::now()),
            Some((order, ended)) = top.orders.next() => top.ended(&order, ended),
            _ = signals.end() => return Ok(Done::Well),
            // The terminal is gone.
            _ = signals.reload() => return Ok(Done::Well),
        }
    }
}

async fn end_service(file: &Path, name: &str, kill: bool) -> Result<&'static str, Failure> {
    let found = Supervisors::find(Some(file)).await?;
    found.of_service(name)?.0.stop(name, kill).await?;
    Ok(if kill { KILLED } else { "by its supervisor" })
}

struct Top {
    view: View,
    patience: Duration,
    /// By socket.
    targets: HashMap<String, Rc<Target>>,
    /// Services of supervisors, by what stands for a socket: the file, and the name in it.
    services: HashMap<String, (PathBuf, String)>,
    /// Sockets of daemons that have not answered yet.
    asked: HashSet<String>,
    /// One at most, from all supervisors.
    overviews: FuturesUnordered<LocalBoxFuture<'static, Supervisors>>,
    looks: FuturesUnordered<LocalBoxFuture<'static, (Seen, Instant)>>,
    orders: FuturesUnordered<LocalBoxFuture<'static, (Order, Result<&'static str, Failure>)>>,
}

impl Top {
    fn new(patience: Duration) -> Self {
        let view = View { colours: Style::of_stdout().has_colours(), ..View::default() };
        Self {
            view,
            patience,
            targets: HashMap::new(),
            services: HashMap::new(),
            asked: HashSet::new(),
            overviews: FuturesUnordered::new(),
            looks: FuturesUnordered::new(),
            orders: FuturesUnordered::new(),
        }
    }

    /// Asks all daemons that do not owe an answer.
    fn refresh(&mut self) {
        let (targets, _) = control::find();
        self.targets = targets
            .into_iter()
            .map(|target| (target.socket().display().to_string(), Rc::new(target)))
            .collect();
        self.forget_others();
        if self.overviews.is_empty() {
            let patience = self.patience;
            // What is wrong with one is for `autod ps`.
            let find =
                async move { Supervisors::find_within(None, patience).await.unwrap_or_default() };
            self.overviews.push(find.boxed_local());
        }
        for (socket, target) in &self.targets {
            if self.asked.insert(socket.clone()) {
                let (target, patience) = (Rc::clone(target), self.patience);
                let look = async move { (look(&target, patience).await, Instant::now()) };
                self.looks.push(look.boxed_local());
            }
        }
        self.read_log();
    }

    fn forget_others(&mut self) {
        let (targets, services) = (&self.targets, &self.services);
        let is_there = |key: &str| targets.contains_key(key) || services.contains_key(key);
        self.view.board.keep_only(is_there);
    }

    fn saw_services(&mut self, found: &Supervisors, at: Instant) {
        self.services.clear();
        for (owner, service) in found.services() {
            let seen = service.to_seen(owner);
            let place = (PathBuf::from(&owner.file), service.name.clone());
            self.services.insert(seen.socket.clone(), place);
            self.view.board.saw(seen, at);
        }
        self.forget_others();
    }

    /// Takes an answer, and all others that are there: one picture shows them all.
    fn saw(&mut self, first: (Seen, Instant)) {
        let mut next = Some(first);
        while let Some((seen, at)) = next {
            self.asked.remove(&seen.socket);
            // Its files may have gone meanwhile.
            if self.targets.contains_key(&seen.socket) {
                self.view.board.saw(seen, at);
            }
            next = self.looks.next().now_or_never().flatten();
        }
    }

    /// Whether that is the end.
    fn hear(&mut self, event: &Event) -> bool {
        // A change of the size needs no more than the next picture.
        let Event::Key(key) = event else { return false };
        match self.view.press(*key) {
            None => {}
            Some(Action::Quit) => return true,
            Some(Action::ReadLog) => self.read_log(),
            Some(Action::End(order)) => self.end(order),
        }
        false
    }

    fn end(&mut self, order: Order) {
        if let Some((file, name)) = self.services.get(&order.socket).cloned() {
            self.view.said = format!("{name} is told to end");
            let end = async move {
                let ended = end_service(&file, &name, order.kill).await;
                (order, ended)
            };
            return self.orders.push(end.boxed_local());
        }
        let Some(target) = self.targets.get(&order.socket).map(Rc::clone) else {
            self.view.said = format!("the {} daemon is gone already", order.name);
            return;
        };
        self.view.said = format!("{} is told to end", order.name);
        let end = async move {
            let ended = end_one(&target, order.kill, END).await;
            (order, ended)
        };
        self.orders.push(end.boxed_local());
    }

    fn ended(&mut self, order: &Order, ended: Result<&'static str, Failure>) {
        self.view.said = match ended {
            Ok(KILLED) => format!("{} was killed", order.name),
            Ok(_) => format!("{} has ended", order.name),
            Err(failure) => failure.in_a_line(),
        };
        self.refresh();
    }

    fn read_log(&mut self) {
        let Mode::Log(log) = &mut self.view.mode else { return };
        if self.services.contains_key(&log.socket) {
            self.view.said = format!("what {} writes goes where its supervisor writes", log.name);
            self.view.mode = Mode::List;
            return;
        }
        let Some(target) = self.targets.get(&log.socket) else { return };
        match target.log_tail(Some(LINES), false) {
            Ok(tail) => {
                let text = String::from_utf8_lossy(tail.text());
                log.lines = text.lines().map(|line| line.replace('\t', "    ")).collect();
                log.up = log.up.min(log.lines.len().saturating_sub(1));
            }
            Err(error) => {
                self.view.said = Told::from(&error).in_a_line();
                self.view.mode = Mode::List;
            }
        }
    }
}
