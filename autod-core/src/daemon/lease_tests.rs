use super::*;

const LINGER: Duration = Duration::from_secs(10);

async fn has_expired(lease: &Lease) -> bool {
    tokio::time::timeout(Duration::ZERO, lease.expired()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn an_unused_daemon_goes_after_the_linger() {
    let lease = Lease::new(Some(LINGER), Instant::now());
    tokio::time::advance(LINGER / 2).await;
    assert!(!has_expired(&lease).await);
    tokio::time::advance(LINGER).await;
    assert!(has_expired(&lease).await);
}

#[tokio::test(start_paused = true)]
async fn without_a_linger_it_stays() {
    let lease = Lease::new(None, Instant::now());
    drop(lease.connect());
    tokio::time::advance(LINGER * 1000).await;
    assert!(!has_expired(&lease).await);
}

#[tokio::test(start_paused = true)]
async fn connections_and_holds_both_count() {
    let lease = Lease::new(Some(LINGER), Instant::now());
    let connection = lease.connect();
    let hold = lease.hold("indexing".to_owned());
    tokio::time::advance(LINGER * 2).await;
    assert!(!has_expired(&lease).await);
    assert_eq!(lease.holds(), [("indexing".to_owned(), LINGER * 2)]);
    drop(connection);
    tokio::time::advance(LINGER * 2).await;
    assert!(!has_expired(&lease).await);
    drop(hold);
    tokio::time::advance(LINGER / 2).await;
    assert!(!has_expired(&lease).await);
    tokio::time::advance(LINGER / 2).await;
    assert!(has_expired(&lease).await);
}

#[tokio::test(start_paused = true)]
async fn the_last_drop_wakes_who_waits() {
    let lease = Lease::new(Some(LINGER), Instant::now());
    let connection = lease.connect();
    let begin = Instant::now();
    let waiting = tokio::spawn({
        let lease = lease.clone();
        async move { lease.expired().await }
    });
    tokio::time::sleep(LINGER * 3).await;
    assert!(!waiting.is_finished());
    drop(connection);
    waiting.await.unwrap();
    assert_eq!(begin.elapsed(), LINGER * 4);
}

#[tokio::test(start_paused = true)]
async fn a_probe_does_not_touch_the_linger() {
    let lease = Lease::new(Some(LINGER), Instant::now());
    tokio::time::advance(LINGER / 2).await;
    let probe = lease.connect();
    tokio::time::advance(LINGER / 4).await;
    probe.discount();
    tokio::time::advance(LINGER / 4).await;
    assert!(has_expired(&lease).await);
}

#[tokio::test(start_paused = true)]
async fn nobody_can_slip_in_once_it_is_over() {
    let lease = Lease::new(Some(LINGER), Instant::now());
    let hold = lease.hold("busy".to_owned());
    assert!(!lease.end_if_idle());
    drop(hold);
    assert!(lease.end_if_idle());
}

#[tokio::test(start_paused = true)]
async fn a_probe_beside_a_user_does_not_touch_the_linger_either() {
    let lease = Lease::new(Some(LINGER), Instant::now());
    let probe = lease.connect();
    let user = lease.connect();
    tokio::time::advance(LINGER / 2).await;
    drop(user);
    tokio::time::advance(LINGER / 2).await;
    probe.discount();
    assert!(!has_expired(&lease).await, "the linger begins with the user's end");
    tokio::time::advance(LINGER / 2).await;
    assert!(has_expired(&lease).await, "and not with the probe's");
}

/// What a model of the lease remembers of one that is taken.
enum Taken {
    Connection(Connected),
    Hold(Hold, String, Instant),
}

/// Random sequences against the plainest model there is: a list of what is taken, and when
/// something that counts was last given back.
#[tokio::test(start_paused = true)]
async fn every_sequence_counts_like_the_list_of_what_is_taken() {
    for seed in 0..300_u64 {
        let mut state = seed;
        let mut draw = |limit: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
            usize::try_from(state >> 33).unwrap() % limit
        };
        let lease = Lease::new(Some(LINGER), Instant::now());
        let (mut taken, mut used_until) = (Vec::new(), Instant::now());
        for step in 0..80 {
            match draw(7) {
                0 | 1 => taken.push(Taken::Connection(lease.connect())),
                2 => {
                    let reason = format!("{step}");
                    let hold = lease.hold(reason.clone());
                    taken.push(Taken::Hold(hold, reason, Instant::now()));
                }
                3 => {
                    let tenths = u32::try_from(draw(12)).unwrap();
                    tokio::time::advance(LINGER / 10 * tenths).await;
                }
                given_back if !taken.is_empty() => {
                    match (taken.remove(draw(taken.len())), given_back) {
                        (Taken::Connection(probe), 4) => probe.discount(),
                        (Taken::Connection(user), _) => {
                            drop(user);
                            used_until = Instant::now();
                        }
                        (Taken::Hold(hold, ..), _) => {
                            drop(hold);
                            used_until = Instant::now();
                        }
                    }
                }
                _ => {}
            }
            let at = format!("seed {seed}, step {step}");
            let expiry = taken.is_empty().then(|| used_until + LINGER);
            assert_eq!(lease.count().expiry(), expiry, "{at}");
            let over = expiry.is_some_and(|expiry| expiry <= Instant::now());
            assert_eq!(has_expired(&lease).await, over, "{at}");
            let holds: Vec<_> = taken
                .iter()
                .filter_map(|taken| match taken {
                    Taken::Connection(_) => None,
                    Taken::Hold(_, reason, since) => Some((reason.clone(), since.elapsed())),
                })
                .collect();
            assert_eq!(lease.connections(), taken.len() - holds.len(), "{at}");
            assert_eq!(lease.holds(), holds, "{at}");
        }
        let idle = taken.is_empty();
        assert_eq!(lease.end_if_idle(), idle, "seed {seed}");
    }
}
