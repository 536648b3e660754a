//! What happens to the app, and what is done about it: the machine decides, this acts.

use rustix::process::Signal;
use tokio::time::Instant;

use super::Keeper;
use super::orders::Answer;
use super::visits::reset_queue;
use crate::client::Word;
use crate::error::Cause;
use crate::event::What;
use crate::generation::{Generation, News, Told};
use crate::machine::{Action, Event, Phase, State};
use crate::notify::Notice;
use crate::relay::End;
use crate::service::Mode;

impl Keeper {
    pub(super) fn hear(&mut self, news: News) {
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

    pub(super) fn start_failed(&mut self, cause: Cause) {
        self.tell(What::StartFailed { cause: cause.clone() });
        self.failure = Some(cause);
    }

    pub(super) fn forget_app(&mut self) {
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

    pub(super) fn on(&mut self, event: Event) {
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

    pub(super) fn act(&mut self, action: Action) {
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

    pub(super) fn spawn(&mut self, generation: u64) {
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
        self.generation = Some(Generation::begin(
            generation,
            &self.service,
            &self.publics,
            format!("{}-{generation}", self.surroundings.number),
            self.surroundings.guard.clone(),
            self.teller.clone(),
        ));
    }

    pub(super) fn serve(&mut self) {
        let Some(app) = self.app.clone() else { return };
        let took = self.began.elapsed();
        self.tell(What::Ready { pid: app.group.pid(), took });
        self.failure = None;
        self.wanted = false;
        self.tell_waiting(Word::Serve(app));
        let started = self.starters.drain(..).map(|starter| Answer::Started(starter, Ok(())));
        self.answers.extend(started);
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(app) = &self.app {
            app.group.signal(signal);
        }
    }
}

fn jitter() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness there is no jitter.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::NONBLOCK);
    f64::from(u32::from_ne_bytes(bytes)) / f64::from(u32::MAX)
}
