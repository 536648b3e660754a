//! Faults at any moment: nothing is executed twice that may not be, nothing is lost in silence, and
//! who makes one call after the other keeps their order.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::link::{LedgerClient, World};

/// A generator of its own, so that a seed is a story.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What a caller knows of its lines.
#[derive(Default)]
struct Told {
    written: Vec<u64>,
    perhaps: Vec<u64>,
    not: Vec<u64>,
}

async fn caller(client: LedgerClient, lines: std::ops::Range<u64>, insist: bool) -> Told {
    let mut told = Told::default();
    for line in lines {
        let written = if insist { client.insist(line).await } else { client.write(line).await };
        match written {
            Ok(_) => told.written.push(line),
            Err(error) if error.may_have_executed() => told.perhaps.push(line),
            Err(_) => told.not.push(line),
        }
    }
    told
}

async fn break_things(world: Arc<World>, mut chance: Chance) {
    loop {
        sleep(Duration::from_millis(1 + chance.below(60))).await;
        match chance.below(3) {
            0 => world.cut(),
            1 => world.restart().await,
            _ => {
                world.down.send_replace(true);
                world.cut();
                sleep(Duration::from_millis(chance.below(300))).await;
                world.down.send_replace(false);
            }
        }
    }
}

const LINES: u64 = 40;
const CALLERS: u64 = 4;

async fn story(seed: u64) -> (usize, usize) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let world = World::new(Duration::from_millis(chance.below(5))).await;
    let client = world.client().connect().await.unwrap();
    let faults = tokio::task::spawn_local(break_things(Arc::clone(&world), chance));
    let callers: Vec<_> = (0..CALLERS)
        .map(|n| {
            let lines = n * LINES..(n + 1) * LINES;
            tokio::spawn(caller(client.clone(), lines, n % 2 == 1))
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        all.push(caller.await.unwrap());
    }
    faults.abort();
    world.down.send_replace(false);

    let book = world.book.lines();
    let mut times: HashMap<u64, usize> = HashMap::new();
    for line in &book {
        *times.entry(*line).or_default() += 1;
    }
    for (n, told) in (0..).zip(&all) {
        let insists = n % 2 == 1;
        for line in &told.written {
            let times = times.get(line).copied().unwrap_or(0);
            assert!(times == 1 || insists && times > 1, "seed {seed}: {line} {times} times");
        }
        for line in &told.perhaps {
            let times = times.get(line).copied().unwrap_or(0);
            assert!(times <= 1 || insists, "seed {seed}: {line} {times} times");
        }
        for line in &told.not {
            assert!(!times.contains_key(line), "seed {seed}: {line} was written");
        }
        let known = told.written.len() + told.perhaps.len() + told.not.len();
        assert_eq!(known as u64, LINES, "seed {seed}");
        if !insists {
            let of_one: Vec<u64> = book.iter().copied().filter(|line| line / LINES == n).collect();
            assert!(of_one.is_sorted(), "seed {seed}: {of_one:?}");
        }
    }
    // It is as good as new.
    client.write(u64::MAX).await.unwrap();
    let perhaps = all.iter().map(|told| told.perhaps.len()).sum();
    (all.iter().map(|told| told.written.len()).sum(), perhaps)
}

#[test]
fn no_call_is_executed_twice_or_lost_in_silence() {
    let (mut written, mut perhaps) = (0, 0);
    for seed in 1..=60 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (these, unknown) = tokio::task::LocalSet::new().block_on(&runtime, story(seed));
        written += these;
        perhaps += unknown;
    }
    // The faults strike, and most calls outlive them.
    assert!(perhaps > 20, "only {perhaps} calls were hit");
    assert!(written > 4 * perhaps, "{written} written, {perhaps} unknown");
}

async fn followed(seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let world = World::new(Duration::from_millis(chance.below(5))).await;
    // A pause of up to a tick of the clock takes one, so that a seed is a story: a stream ends with
    // the fifth loss in a row, and pauses by chance would make that a matter of chance too.
    let tick = Duration::from_millis(1);
    let client = world.client().backoff(tick, tick).connect().await.unwrap();
    let faults = tokio::task::spawn_local(break_things(Arc::clone(&world), chance));
    let last = 200;
    let writer = tokio::spawn({
        let client = client.clone();
        async move {
            for line in 0.. {
                let _ = client.insist(line).await;
            }
        }
    });
    let mut stream = autod::resume(|after| client.follow(after, last), |number: &u64| *number);
    let mut numbers = Vec::new();
    while let Some(number) = stream.next().await {
        numbers.push(number.unwrap_or_else(|error| panic!("seed {seed}: {error:?}")));
    }
    assert_eq!(numbers, (1..=last).collect::<Vec<_>>(), "seed {seed}");
    assert!(stream.next().await.is_none(), "it has ended");
    writer.abort();
    faults.abort();
}

#[test]
fn a_resumed_stream_neither_repeats_nor_leaves_out() {
    for seed in 1..=20 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        tokio::task::LocalSet::new().block_on(&runtime, followed(seed));
    }
}
