//! Whole connections in virtual time: calls of all shapes at once over a line that takes bytes in
//! arbitrary parts, in both directions, with users that pause, that leave, and with a daemon that goes
//! meanwhile.
//!
//! In virtual time a deadlock is a limit that passes at once.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use super::flows::{COUNT_BYTES, FIRST, IGNORE, SUM, TWICE, UPPER};
use super::{COUNT, ECHO, Pair, ROOMY, settle};
use crate::error::{CallError, Error};
use crate::mux::{Upstream, call, call_fallible, open, pipe, pipe_fallible};
use crate::wire::frame::GoodbyeCode;
use crate::wire::limits::Receives;

#[derive(Clone, Copy, Debug)]
enum Shape {
    Echo,
    Count,
    Sum,
    Twice,
    First,
    Ignore,
    Upper,
    CountBytes,
}

#[derive(Clone, Copy, Debug)]
struct Visit {
    shape: Shape,
    /// It is the daemon that calls.
    back: bool,
    size: u64,
    /// It begins so late, in milliseconds.
    begins: u64,
    /// It pauses for a millisecond after so many items.
    pace: u64,
    /// It is dropped after so many milliseconds.
    leaves: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    None,
    Closing(u64),
    Disconnected(u64),
}

#[derive(Clone, Debug)]
struct World {
    line: usize,
    window: u32,
    calls: u32,
    visits: Vec<Visit>,
    fate: Fate,
}

fn visit() -> impl Strategy<Value = Visit> {
    use Shape::{Count, CountBytes, Echo, First, Ignore, Sum, Twice, Upper};

    let shape =
        proptest::sample::select(vec![Echo, Count, Sum, Twice, First, Ignore, Upper, CountBytes]);
    let size = prop_oneof![0..3_u64, 3..2000_u64, 2000..20_000_u64];
    let pace = prop_oneof![1..100_u64, Just(u64::MAX)];
    let leaves = proptest::option::weighted(0.3, 0..30_u64);
    (shape, any::<bool>(), size, 0..20_u64, pace, leaves).prop_map(
        |(shape, back, size, begins, pace, leaves)| Visit {
            shape,
            back,
            size,
            begins,
            pace,
            leaves,
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let fate = prop_oneof![
        3 => Just(Fate::None),
        1 => (0..40_u64).prop_map(Fate::Closing),
        1 => (0..40_u64).prop_map(Fate::Disconnected),
    ];
    let line = prop_oneof![1..100_usize, 100..100_000_usize];
    let visits = proptest::collection::vec(visit(), 1..12);
    (line, 1024..8192_u32, 1..6_u32, visits, fate)
        .prop_map(|(line, window, calls, visits, fate)| World { line, window, calls, visits, fate })
}

/// Numbers that come with pauses.
fn numbers(end: u64, pace: u64) -> Upstream {
    Upstream::items(stream::iter(0..end).then(move |n| async move {
        if n % pace == pace - 1 {
            sleep(Duration::from_millis(1)).await;
        }
        n
    }))
}

async fn pause(n: u64, pace: u64) {
    if n % pace == pace - 1 {
        sleep(Duration::from_millis(1)).await;
    }
}

fn broken(error: CallError<String>) -> Error {
    match error {
        CallError::Autod(error) => error,
        CallError::Service(text) => Error::custom(text),
    }
}

impl Visit {
    async fn run(self, pair: &Pair) -> Result<(), Error> {
        sleep(Duration::from_millis(self.begins)).await;
        let Self { size, pace, .. } = self;
        let connection = if self.back { &pair.back } else { &pair.connection };
        match self.shape {
            Shape::Echo => {
                let bytes = vec![7_u8; usize::try_from(size * 10).unwrap()];
                let echo = call::<Vec<u8>>(connection, &ECHO, (bytes.clone(),), Upstream::NONE);
                assert!(echo.await? == bytes);
            }
            Shape::Count => {
                let mut items = open::<u64>(connection, &COUNT, (size,), Upstream::NONE);
                for n in 0..size {
                    assert_eq!(items.next().await.expect("more")?, n);
                    pause(n, pace).await;
                }
                assert!(items.next().await.transpose()?.is_none());
            }
            Shape::Sum => {
                let sum = call_fallible(connection, &SUM, (0_u64,), numbers(size, pace));
                let sum: u64 = sum.await.map_err(broken)?;
                assert_eq!(sum, (0..size).sum::<u64>());
            }
            Shape::Twice => {
                let mut items = open::<u64>(connection, &TWICE, (0_u64,), numbers(size, pace));
                for n in 0..size {
                    // What the handler makes of an error.
                    let item = items.next().await.expect("more")?;
                    if item == u64::MAX {
                        return Err(Error::custom("cut"));
                    }
                    assert_eq!(item, n * 2);
                    pause(n, pace).await;
                }
                while let Some(item) = items.next().await {
                    assert_eq!(item?, u64::MAX);
                }
            }
            Shape::First => {
                let take = size.min(100);
                let first = call::<Vec<u64>>(connection, &FIRST, (take,), numbers(size, pace));
                let first = first.await?;
                assert!((0..take).zip(&first).all(|(n, item)| n == *item));
                if (first.len() as u64) < take {
                    return Err(Error::custom("cut"));
                }
            }
            Shape::Ignore => {
                let ignored = call::<u64>(connection, &IGNORE, (size,), numbers(u64::MAX, pace));
                assert_eq!(ignored.await?, size);
            }
            Shape::Upper => {
                let mut upper = pipe_fallible::<u64, String>(connection, &UPPER, ());
                let text = vec![b'a'; usize::try_from(size).unwrap()];
                let (mut read, mut write) = tokio::io::split(&mut upper);
                let mut heard = Vec::new();
                let sent = async {
                    for (n, part) in (0..).zip(text.chunks(777)) {
                        write.write_all(part).await?;
                        pause(n, pace).await;
                    }
                    write.shutdown().await
                };
                let (sent, received) = tokio::join!(sent, read.read_to_end(&mut heard));
                let total = upper.finish().await.map_err(broken)?;
                sent.and(received).expect("it was finished");
                assert!(total == size && heard == vec![b'A'; text.len()]);
            }
            Shape::CountBytes => {
                let mut count = pipe::<u64>(connection, &COUNT_BYTES, ());
                let mut failed = false;
                for (n, part) in (0..).zip(vec![1; usize::try_from(size).unwrap()].chunks(99)) {
                    failed |= count.write_all(part).await.is_err();
                    pause(n, pace).await;
                }
                let total = count.finish().await?;
                // A closing daemon cuts the stream; the handler answers with what it got.
                assert!(total == size || failed || total < size);
                if total < size {
                    return Err(Error::custom("cut"));
                }
            }
        }
        Ok(())
    }
}

/// At either end, for each call of either: its arguments or its answer, and for each direction a window and a
/// message.
fn check_memory(pair: &Pair, world: &World) {
    let most = 2 * world.calls as usize * (2 * 210_000 + 2 * (world.window as usize + 40_000));
    for shared in [&pair.server, pair.connection.shared_arc()] {
        let (written, taken) = shared.waiting();
        assert!(written <= most && taken <= most, "{written} and {taken} bytes wait");
    }
}

async fn run(world: &World) {
    let receives = Receives { calls: world.calls, window: world.window, ..ROOMY };
    let pair = Pair::over(world.line, receives, receives);
    pair.gate.add_permits(1 << 20);
    let visits = world.visits.iter().map(|visit| {
        let pair = &pair;
        async move {
            let run = visit.run(pair);
            match visit.leaves {
                Some(after) => timeout(Duration::from_millis(visit.begins + after), run).await,
                None => Ok(run.await),
            }
        }
    });
    let ending = async {
        let (after, code) = match world.fate {
            Fate::None => return,
            Fate::Closing(after) => (after, GoodbyeCode::Closing),
            Fate::Disconnected(after) => (after, GoodbyeCode::Disconnected),
        };
        sleep(Duration::from_millis(after)).await;
        pair.server.leave(code, "it is time");
    };
    let watch = async {
        loop {
            check_memory(&pair, world);
            sleep(Duration::from_millis(1)).await;
        }
    };
    let all = async { tokio::join!(futures_util::future::join_all(visits), ending).0 };
    let done = tokio::select! {
        done = timeout(Duration::from_secs(3600), all) => done.expect("nobody waits for ever"),
        () = watch => unreachable!("it has no end"),
    };
    if world.fate == Fate::None {
        for result in done.into_iter().flatten() {
            result.expect("nothing was in its way");
        }
        settle().await;
        timeout(Duration::from_secs(3600), pair.quiet()).await.expect("all slots become free");
    } else {
        timeout(Duration::from_secs(3600), pair.connection.ended()).await.expect("it ends");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everybody_gets_what_they_came_for(world in world()) {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap()
            .block_on(run(&world));
    }
}
