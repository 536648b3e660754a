//! The loads, for every kind that is a [`Peer`].

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tokio::task::JoinSet;

use crate::Result;
use crate::client;
use crate::peer::Peer;
use crate::probe::{Outcome, Probe, Running};
use crate::workload::{CHUNK, Load};

/// Calls before the measurement begins.
pub(crate) const WARM: u64 = 200;

/// Items between two looks at the clock.
const LOOK: u64 = 1024;

/// Measures one turn of a kind.
pub(crate) fn run<P: Peer>(probe: &Probe<'_>) -> Result<Outcome> {
    client::runtime()?.block_on(async {
        match probe.load {
            Load::Lone => lone::<P>(probe).await,
            Load::Callers(count) => {
                let client = P::connect(&probe.server.socket()).await?;
                callers(probe, vec![client; count]).await
            }
            Load::Connections(count) => {
                let mut clients = Vec::new();
                for _ in 0..count {
                    clients.push(P::connect(&probe.server.socket()).await?);
                }
                callers(probe, clients).await
            }
            Load::Echo { size, callers } => echo::<P>(probe, size, callers).await,
            Load::Items => items::<P>(probe).await,
            Load::Chunks => chunks::<P>(probe).await,
        }
    })
}

async fn lone<P: Peer>(probe: &Probe<'_>) -> Result<Outcome> {
    let client = P::connect(&probe.server.socket()).await?;
    for n in 0..2 * WARM {
        expect(client.next(n).await?, n + 1)?;
        if n == WARM {
            probe.settle()?;
        }
    }
    let running = probe.start()?;
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut before = Instant::now();
    let mut n = 0;
    while before < running.ends() {
        expect(client.next(n).await?, n + 1)?;
        let now = Instant::now();
        latencies.push(now - before);
        before = now;
        n += 1;
    }
    Ok(running.finish(n)?.with_latencies(latencies))
}

fn expect(found: u64, expected: u64) -> Result<()> {
    if found == expected { Ok(()) } else { Err(format!("{found} is not {expected}").into()) }
}

/// A caller for each of the clients, which may share connections.
async fn callers<P: Peer>(probe: &Probe<'_>, clients: Vec<P>) -> Result<Outcome> {
    let call = |client: P, _: usize, n: u64| async move {
        expect(client.next(n).await?, n + 1)?;
        Ok(client)
    };
    crowd(probe, clients, call).await
}

async fn echo<P: Peer>(probe: &Probe<'_>, size: usize, callers: usize) -> Result<Outcome> {
    let client = P::connect(&probe.server.socket()).await?;
    // Each caller sends again what it got, so nobody pays for a copy that a program would not make.
    let states = (0..callers).map(|_| (client.clone(), P::Bytes::from(vec![7; size]))).collect();
    let call = |(client, bytes): (P, P::Bytes), size: usize, _: u64| async move {
        let bytes = client.echo(bytes).await?;
        match bytes.as_ref() {
            [7, .., 7] if bytes.as_ref().len() == size => Ok((client, bytes)),
            _ => Err("other bytes came back".into()),
        }
    };
    crowd_of(probe, states, size, WARM / 20, call).await
}

async fn crowd<S, F>(
    probe: &Probe<'_>,
    states: Vec<S>,
    call: impl Fn(S, usize, u64) -> F + Copy + Send + 'static,
) -> Result<Outcome>
where
    S: Send + 'static,
    F: Future<Output = Result<S>> + Send,
{
    crowd_of(probe, states, 0, WARM / 10, call).await
}

/// A task for each state that makes one call after the other until the time is over.
async fn crowd_of<S, F>(
    probe: &Probe<'_>,
    mut states: Vec<S>,
    size: usize,
    warm: u64,
    call: impl Fn(S, usize, u64) -> F + Copy + Send + 'static,
) -> Result<Outcome>
where
    S: Send + 'static,
    F: Future<Output = Result<S>> + Send,
{
    let mut tasks = JoinSet::new();
    for mut state in states.drain(..) {
        tasks.spawn(async move {
            for n in 0..warm {
                state = call(state, size, n).await?;
            }
            Result::Ok(state)
        });
    }
    while let Some(state) = tasks.join_next().await {
        states.push(state??);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let running = probe.start()?;
    for mut state in states {
        let stop = Arc::clone(&stop);
        tasks.spawn(async move {
            let mut count = 0;
            while !stop.load(Ordering::Relaxed) {
                state = call(state, size, count).await?;
                count += 1;
            }
            Result::Ok((count, state))
        });
    }
    tokio::time::sleep_until(running.ends().into()).await;
    stop.store(true, Ordering::Relaxed);
    let mut count = 0;
    // Kept to the end, so that no connection is closed within the time.
    let mut states = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (calls, state) = done??;
        count += calls;
        states.push(state);
    }
    running.finish(count)
}

async fn items<P: Peer>(probe: &Probe<'_>) -> Result<Outcome> {
    let client = P::connect(&probe.server.socket()).await?;
    let mut flow = Flow::new(probe, 16 * LOOK, LOOK);
    client.items(|item| flow.take(item == flow.count)).await?;
    flow.finish()
}

async fn chunks<P: Peer>(probe: &Probe<'_>) -> Result<Outcome> {
    let client = P::connect(&probe.server.socket()).await?;
    let mut flow = Flow::new(probe, WARM, 1);
    client.chunks(|chunk| flow.take(chunk.len() == CHUNK)).await?;
    flow.finish()
}

/// A stream that is measured from some item on until the time is over.
pub(crate) struct Flow<'a> {
    probe: &'a Probe<'a>,
    warm: u64,
    /// Items between two looks at the clock.
    look: u64,
    /// When to look again. A remainder of the count would cost more than an item of a fast kind.
    next_look: u64,
    pub(crate) count: u64,
    begin: u64,
    running: Option<Running<'a>>,
    failure: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl<'a> Flow<'a> {
    pub(crate) fn new(probe: &'a Probe<'a>, warm: u64, look: u64) -> Self {
        Self {
            probe,
            warm,
            look,
            next_look: look,
            count: 0,
            begin: 0,
            running: None,
            failure: None,
        }
    }

    /// Counts an item; `false` if no more are wanted.
    pub(crate) fn take(&mut self, is_right: bool) -> bool {
        if !is_right {
            self.failure = Some(format!("item {} is wrong", self.count).into());
            return false;
        }
        self.count += 1;
        self.count < self.next_look || self.look_at_clock()
    }

    #[cold]
    fn look_at_clock(&mut self) -> bool {
        self.next_look = self.count + self.look;
        match &self.running {
            Some(running) => !running.is_over(),
            None if self.count < self.warm => true,
            None => match self.probe.start() {
                Ok(running) => {
                    self.begin = self.count;
                    self.running = Some(running);
                    true
                }
                Err(error) => {
                    self.failure = Some(error);
                    false
                }
            },
        }
    }

    pub(crate) fn finish(self) -> Result<Outcome> {
        match (self.failure, self.running) {
            (Some(error), _) => Err(error),
            (None, Some(running)) => running.finish(self.count - self.begin),
            (None, None) => Err("the stream ended".into()),
        }
    }
}
