//! The limits of a daemon over its connections: below, at and above. Those of one connection are in
//! the tests of the library.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::home::{Home, PATIENCE, eventually};

#[autod::service]
trait Guest {
    async fn here(&self) -> bool;
}

struct Object;

impl Guest for Object {
    async fn here(&self) -> bool {
        true
    }
}

fn describe(home: &Home, limits: autod::Limits) -> autod::Daemon {
    autod::Daemon::new("inn").sockfile(home.join("sock")).limits(limits)
}

/// Serves with these limits while `use_it` runs.
fn serving(limits: &autod::Limits, use_it: impl FnOnce(&Home, &tokio::runtime::Runtime)) {
    let home = Home::new();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let serving = describe(&home, limits.clone()).serve(|_: Arc<()>, _| Object);
    let listening = runtime.block_on(async {
        let mut listening = serving.listen::<GuestClient>().await.unwrap();
        listening.ready().await.unwrap();
        listening
    });
    use_it(&home, &runtime);
    drop(listening);
}

#[test]
fn callers_beyond_the_places_are_told_and_a_place_that_is_free_is_taken() {
    for places in [1, 3] {
        let mut limits = autod::Limits::default();
        limits.connections = places;
        serving(&limits, |home, runtime| {
            let come = || {
                let guest = describe(home, autod::Limits::default());
                runtime.block_on(guest.connect_existing::<GuestClient>())
            };
            let mut guests: Vec<_> = (0..places).map(|_| come().expect("a place")).collect();
            for _ in 0..2 {
                let error = come().map(drop).unwrap_err();
                assert!(error.is_limit() && !error.may_have_executed(), "{error:?}");
                assert!(error.to_string().contains(&format!("serves {places} conn")), "{error}");
                let blocking = describe(home, autod::Limits::default())
                    .connect_existing_blocking()
                    .map(|_: GuestBlockingClient| ())
                    .unwrap_err();
                assert!(blocking.is_limit(), "{blocking:?}");
                for guest in &guests {
                    assert!(runtime.block_on(guest.here()).unwrap());
                }
                guests.pop();
                eventually("the place is free", || match come() {
                    Ok(guest) => {
                        guests.push(guest);
                        true
                    }
                    Err(error) => {
                        assert!(error.is_limit(), "{error:?}");
                        false
                    }
                });
            }
        });
    }
}

#[test]
fn a_hello_has_the_time_that_it_is_given_and_a_session_any() {
    const HANDSHAKE: Duration = Duration::from_millis(800);
    let mut limits = autod::Limits::default();
    limits.handshake = HANDSHAKE;
    serving(&limits, |home, runtime| {
        let guest: GuestClient =
            runtime.block_on(describe(home, autod::Limits::default()).connect_existing()).unwrap();
        let began = Instant::now();
        let mut silent = UnixStream::connect(home.join("sock")).unwrap();
        silent.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut slow = silent.try_clone().unwrap();
        // The beginning of a hello is not one.
        slow.write_all(b"AUTO").unwrap();
        let mut heard = Vec::new();
        match silent.read_to_end(&mut heard) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert_eq!(heard, b"", "it is closed without a word");
        assert!(began.elapsed() >= HANDSHAKE, "after {:?}", began.elapsed());
        assert!(runtime.block_on(guest.here()).unwrap(), "who was greeted stays");
    });
}

/// A time that no clock reaches is a long one.
#[test]
fn the_longest_times_are_no_error() {
    let mut limits = autod::Limits::default();
    limits.handshake = Duration::MAX;
    limits.busy_poll = Duration::MAX;
    limits.keep_alive = Duration::MAX;
    serving(&limits, |home, runtime| {
        let guest = || {
            describe(home, limits.clone())
                .connect_timeout(Duration::MAX)
                .silence_timeout(Duration::MAX)
        };
        let blocking: GuestBlockingClient = guest().connect_existing_blocking().unwrap();
        let client: GuestClient = runtime.block_on(guest().connect_existing()).unwrap();
        for _ in 0..100 {
            assert!(runtime.block_on(client.here()).unwrap());
            assert!(blocking.here().unwrap());
            let patient = client.here().deadline(Duration::MAX);
            assert!(runtime.block_on(patient).unwrap());
        }
    });
}
