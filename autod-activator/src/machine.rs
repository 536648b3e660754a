//! The state of one service: a total table of state and event. Plain data; the time is a parameter.
//!
//! ```text
//!              wanted                ready
//!   Stopped ───────────► Starting ───────────► Running
//!      ▲                    │  │                │   │
//!      │ over     failed,   │  │ too slow,      │   │ crashed
//!      │          ended     │  │ stop           │   │
//!   Backoff ◄───────────────┘  │         stop,  │   │
//!      ▲  ▲                    ▼         idle   │   │
//!      │  └─────────────── Stopping ◄───────────┘   │
//!      │                      └──────► Stopped      │
//!      └────────────────────────────────────────────┘
//! ```
//!
//! Every event about a process carries the number of its generation; what belongs to another one is
//! ignored. What a transition asks to be done is an [`Action`]; how it is done is the keeper's.

use std::time::Duration;

use tokio::time::Instant;

use crate::backoff::{Backoff, Restart};
use crate::error::Exit;
pub(crate) use crate::state::{Phase, State};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    /// Somebody waits for the app.
    Wanted,
    /// The start cannot be made.
    Failed {
        generation: u64,
    },
    Ready {
        generation: u64,
    },
    /// The whole process group is gone. `hungry`: somebody waits for the next generation.
    Gone {
        generation: u64,
        exit: Exit,
        hungry: bool,
    },
    /// The app said that it ends.
    Leaving {
        generation: u64,
    },
    /// Nobody has needed it for the idle timeout.
    Idle {
        generation: u64,
    },
    /// The last open connection has ended.
    Drained {
        generation: u64,
    },
    /// The moment of [`State::deadline`] has come.
    Overdue,
    /// An order to end, after the open connections or at once.
    Stop {
        drain: bool,
    },
    Force,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Action {
    /// Start the process of this generation.
    Spawn { generation: u64 },
    /// Serve those who wait.
    Serve,
    /// Reset those who wait.
    Reset,
    /// SIGTERM to the group.
    Terminate,
    /// SIGKILL to the group.
    Kill,
    /// Break off the connections that are open.
    Cut,
    /// A pause began.
    Pause { delay: Duration },
}

/// How long each step may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) start: Duration,
    pub(crate) stop: Duration,
    pub(crate) drain: Duration,
    pub(crate) restart: Restart,
}

#[derive(Debug)]
pub(crate) struct Machine {
    state: State,
    latest: u64,
    limits: Limits,
    backoff: Backoff,
}

impl Machine {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { state: State::Stopped, latest: 0, limits, backoff: Backoff::new(limits.restart) }
    }

    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// The number of the last start.
    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }

    pub(crate) fn set_drain_limit(&mut self, limit: Duration) {
        self.limits.drain = limit;
    }

    /// Goes on by one event. `jitter` is a random number from 0 to 1.
    #[expect(clippy::too_many_lines, reason = "the table is one")]
    #[expect(clippy::match_same_arms, reason = "each row is a sentence of its own")]
    #[expect(clippy::unnested_or_patterns, reason = "each row is a sentence of its own")]
    pub(crate) fn on(&mut self, event: Event, now: Instant, jitter: f64) -> Vec<Action> {
        use Action::{Cut, Kill, Pause, Reset, Serve, Spawn, Terminate};
        if self.is_stale(event) {
            return Vec::new();
        }
        match (self.state, event) {
            (State::Stopped, Event::Wanted) => {
                self.latest += 1;
                let generation = self.latest;
                self.state = State::Starting { generation, until: now + self.limits.start };
                vec![Spawn { generation }]
            }
            (State::Stopped, Event::Stop { .. } | Event::Force) => {
                self.backoff.forget();
                vec![Reset]
            }

            (State::Starting { generation, .. }, Event::Ready { .. }) => {
                self.state = State::Running { generation, since: now };
                vec![Serve]
            }
            (State::Starting { .. }, Event::Failed { .. } | Event::Gone { .. }) => {
                let delay = self.pause(now, jitter);
                vec![Reset, Pause { delay }]
            }
            (State::Starting { generation, .. }, Event::Leaving { .. }) => {
                self.stopping(generation, Phase::Terminating, now, true);
                vec![Reset]
            }
            (State::Starting { generation, .. }, Event::Overdue) => {
                self.stopping(generation, Phase::Terminating, now, true);
                vec![Reset, Terminate]
            }
            (State::Starting { generation, .. }, Event::Stop { .. }) => {
                self.stopping(generation, Phase::Terminating, now, false);
                vec![Reset, Terminate]
            }
            (State::Starting { generation, .. }, Event::Force) => {
                self.stopping(generation, Phase::Killing, now, false);
                vec![Reset, Kill]
            }

            (State::Running { since, .. }, Event::Gone { exit, hungry, .. }) => {
                self.backoff.ran(since, now);
                if !exit.is_success() {
                    let delay = self.pause(now, jitter);
                    return vec![Pause { delay }];
                }
                // An app that comes and goes without serving anybody must not keep a processor busy.
                let breath = self.backoff.breathe();
                if hungry && now.duration_since(since) < breath {
                    self.state = State::Backoff { until: now + breath };
                    return vec![Pause { delay: breath }];
                }
                self.state = State::Stopped;
                Vec::new()
            }
            (State::Running { generation, since }, Event::Leaving { .. }) => {
                self.backoff.ran(since, now);
                self.stopping(generation, Phase::Terminating, now, false);
                Vec::new()
            }
            (State::Running { generation, since }, Event::Idle { .. }) => {
                self.backoff.ran(since, now);
                self.stopping(generation, Phase::Terminating, now, false);
                vec![Terminate]
            }
            (State::Running { generation, since }, Event::Stop { drain: true }) => {
                self.backoff.ran(since, now);
                self.stopping(generation, Phase::Draining, now, false);
                Vec::new()
            }
            (State::Running { generation, .. }, Event::Stop { drain: false }) => {
                self.stopping(generation, Phase::Terminating, now, false);
                vec![Terminate]
            }
            (State::Running { generation, .. }, Event::Force) => {
                self.stopping(generation, Phase::Killing, now, false);
                vec![Reset, Cut, Kill]
            }

            (State::Stopping { failed: true, .. }, Event::Gone { .. } | Event::Failed { .. }) => {
                let delay = self.pause(now, jitter);
                vec![Pause { delay }]
            }
            (State::Stopping { failed: false, .. }, Event::Gone { .. } | Event::Failed { .. }) => {
                self.state = State::Stopped;
                Vec::new()
            }
            (
                State::Stopping { generation, phase: Phase::Draining, failed, .. },
                Event::Drained { .. } | Event::Overdue | Event::Stop { drain: false },
            ) => {
                self.stopping(generation, Phase::Terminating, now, failed);
                vec![Terminate]
            }
            (State::Stopping { generation, phase: Phase::Draining, .. }, Event::Leaving { .. }) => {
                self.stopping(generation, Phase::Terminating, now, false);
                Vec::new()
            }
            (
                State::Stopping { generation, phase: Phase::Terminating, failed, .. },
                Event::Overdue,
            ) => {
                self.stopping(generation, Phase::Killing, now, failed);
                vec![Cut, Kill]
            }
            (State::Stopping { generation, .. }, Event::Force) => {
                self.stopping(generation, Phase::Killing, now, false);
                vec![Reset, Cut, Kill]
            }
            // Whoever came meanwhile waits for the next generation; whoever stops it means them too.
            (State::Stopping { .. }, Event::Stop { .. }) => vec![Reset],

            (State::Backoff { .. }, Event::Overdue) => {
                self.state = State::Stopped;
                Vec::new()
            }
            (State::Backoff { .. }, Event::Stop { .. } | Event::Force) => {
                self.backoff.forget();
                self.state = State::Stopped;
                vec![Reset]
            }

            // Nothing to do: it is there, or on its way, or will be looked for again.
            (
                State::Starting { .. }
                | State::Running { .. }
                | State::Stopping { .. }
                | State::Backoff { .. },
                Event::Wanted,
            )
            | (State::Stopped | State::Running { .. }, Event::Overdue)
            | (State::Stopping { phase: Phase::Killing, .. }, Event::Overdue)
            // Ready twice, or after the order to stop.
            | (State::Running { .. } | State::Stopping { .. }, Event::Ready { .. })
            // What is ready was started.
            | (State::Running { .. }, Event::Failed { .. })
            | (State::Starting { .. } | State::Stopping { .. }, Event::Idle { .. })
            | (State::Starting { .. } | State::Running { .. }, Event::Drained { .. })
            | (
                State::Stopping { phase: Phase::Terminating | Phase::Killing, .. },
                Event::Drained { .. } | Event::Leaving { .. },
            )
            // Without a process every event about one is stale.
            | (
                State::Stopped | State::Backoff { .. },
                Event::Ready { .. }
                | Event::Failed { .. }
                | Event::Gone { .. }
                | Event::Leaving { .. }
                | Event::Idle { .. }
                | Event::Drained { .. },
            ) => Vec::new(),
        }
    }

    fn is_stale(&self, event: Event) -> bool {
        let about = match event {
            Event::Failed { generation }
            | Event::Ready { generation }
            | Event::Gone { generation, .. }
            | Event::Leaving { generation }
            | Event::Idle { generation }
            | Event::Drained { generation } => generation,
            Event::Wanted | Event::Overdue | Event::Stop { .. } | Event::Force => return false,
        };
        self.state.generation() != Some(about)
    }

    fn stopping(&mut self, generation: u64, phase: Phase, now: Instant, failed: bool) {
        let limit = match phase {
            Phase::Draining => self.limits.drain,
            Phase::Terminating | Phase::Killing => self.limits.stop,
        };
        self.state = State::Stopping { generation, phase, until: now + limit, failed };
    }

    fn pause(&mut self, now: Instant, jitter: f64) -> Duration {
        let delay = self.backoff.fail(jitter);
        self.state = State::Backoff { until: now + delay };
        delay
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
