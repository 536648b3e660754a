//! What a stream that is always ready does before others get their turn: counted, not timed.

use std::pin::pin;
use std::sync::atomic::AtomicU32;

use super::*;
use crate::mux::dispatch::NoService;
use crate::mux::pump::{BEGINNING, SHARE};

const STREAMS: usize = 64;

/// The most items that one poll of a handler has made.
#[derive(Default)]
struct Most {
    /// In the driver's turn.
    begun: AtomicU32,
    /// In a task.
    later: AtomicU32,
    /// Of all polls in the driver's turn.
    together: AtomicU32,
}

/// Answers with items that take no bytes: neither credit nor the length of a message ends a poll.
async fn units(request: Incall, policy: Policy, most: Arc<Most>) -> Answered {
    let made = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&made);
    let items = stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let mut answer = pin!(request.stream(items, policy));
    let mut began = false;
    std::future::poll_fn(move |context| {
        made.store(0, Ordering::Relaxed);
        let polled = answer.as_mut().poll(context);
        let made = made.load(Ordering::Relaxed);
        if std::mem::replace(&mut began, true) {
            most.later.fetch_max(made, Ordering::Relaxed);
        } else {
            most.begun.fetch_max(made, Ordering::Relaxed);
            most.together.fetch_add(made, Ordering::Relaxed);
        }
        polled
    })
    .await
}

async fn streams_take_turns(policy: Policy) {
    let most = Arc::new(Most::default());
    let (near, far) = duplex(1 << 20);
    let server = Shared::new(Side::Acceptor, ROOMY, ROOMY, HOLDS);
    let begin = {
        let most = Arc::clone(&most);
        move |request| units(request, policy, Arc::clone(&most))
    };
    let dispatcher = Dispatcher::new(begin, Arc::default());
    let mut driver = pin!(Driver::new(far, server, dispatcher, Vec::new()).run());
    let client = Shared::new(Side::Connector, ROOMY, ROOMY, HOLDS);
    let mut caller = pin!(Driver::new(near, Arc::clone(&client), NoService, Vec::new()).run());
    let connection = Connection::new(client, nowhere());
    let mut streams: Vec<Incoming<()>> =
        (0..STREAMS).map(|_| open(&connection, &UNITS, (), Upstream::NONE)).collect();
    for stream in &mut streams {
        assert!(futures_util::poll!(pin!(stream.next())).is_pending());
    }
    // One poll writes all calls, and one begins them.
    assert!(futures_util::poll!(&mut caller).is_pending());
    assert!(futures_util::poll!(&mut driver).is_pending());
    let together = most.together.load(Ordering::Relaxed);
    assert_eq!(together as usize, STREAMS * BEGINNING as usize, "all of them have begun");
    assert!(together <= SHARE, "no longer than the turn of one stream");

    let all = async {
        for stream in &mut streams {
            for _ in 0..=BEGINNING {
                stream.next().await.unwrap().unwrap();
            }
        }
    };
    tokio::select! {
        biased;
        () = all => {}
        () = driver => panic!("the server's connection ended"),
        () = caller => panic!("the caller's connection ended"),
    }
    assert_eq!(most.begun.load(Ordering::Relaxed), BEGINNING);
    let later = most.later.load(Ordering::Relaxed);
    assert!((1..=SHARE).contains(&later), "{later} items before others had their turn");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_always_ready_lets_others_have_their_turn() {
    streams_take_turns(Policy::BackPressure).await;
}

#[tokio::test(start_paused = true)]
async fn so_does_one_whose_oldest_items_are_dropped() {
    streams_take_turns(Policy::DropOldest(1000)).await;
}
