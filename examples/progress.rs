//! A daemon whose work is watched as a bar.
//!
//! ```text
//! progress [COUNT]
//! ```
//!
//! Adds the squares up to COUNT (40), and prints the sum. The daemon says how far it is, also while it
//! starts; on a terminal that shows as a bar, on a pipe as nothing. Build it with the feature
//! `progress`.

use std::pin::pin;
use std::process::ExitCode;
use std::time::Duration;

use autod::progress::{Bar, Step};
use futures::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};

/// The sum so far.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Part {
    /// So many squares are in it.
    pub count: u64,
    /// The sum.
    pub sum: u64,
}

/// Slow arithmetic.
#[autod::service]
pub trait Squares {
    /// Adds the squares from 1 to `count`, and tells each sum.
    fn add(&self, count: u64) -> impl Stream<Item = Part>;
}

struct Slow;

impl Squares for Slow {
    fn add(&self, count: u64) -> impl Stream<Item = Part> {
        stream::unfold(Part { count: 0, sum: 0 }, move |part| async move {
            if part.count == count {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            let next = part.count + 1;
            let part = Part { count: next, sum: part.sum + next * next };
            Some((part.clone(), part))
        })
    }
}

async fn add(squares: SquaresClient, count: u64) -> autod::Result<()> {
    let step = |part: &autod::Result<Part>| match part {
        Ok(part) => Step { done: part.count, total: Some(count), text: "squares".to_owned() },
        Err(_) => Step::default(),
    };
    let mut parts = pin!(Bar::new("adding").follow(squares.add(count), step));
    let mut sum = 0;
    while let Some(part) = parts.next().await {
        sum = part?.sum;
    }
    println!("{sum}");
    Ok(())
}

fn main() -> ExitCode {
    let count = std::env::args().nth(1).map_or(Ok(40), |word| word.parse());
    let Ok(count) = count else {
        eprintln!("usage: progress [COUNT]");
        return ExitCode::from(2);
    };
    let daemon = autod::Daemon::new("progress").init(async |start: autod::Start| {
        for part in 1..=10 {
            start.progress_of(part, 10, "reading");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    });
    let daemon = daemon.serve(|_state, _session| Slow);
    let done = daemon.run(async |squares: SquaresClient| add(squares, count).await);
    if let Err(error) = done {
        eprintln!("progress: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
