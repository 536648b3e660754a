//! Links that are dead and do not say so.

use std::time::Duration;

use autod::Client as _;
use tokio::time::{Instant, sleep, timeout};

use super::link::World;

const INTERVAL: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn both_ends_of_a_dead_link_notice() {
    let world = World::new(Duration::from_millis(20)).await;
    let client = world.connect_alive(INTERVAL).await.unwrap();
    assert_eq!(world.connections(), 1);
    let waiting = tokio::spawn(client.hang());
    sleep(Duration::from_millis(100)).await;
    world.freeze();
    let begun = Instant::now();
    let error = waiting.await.unwrap().unwrap_err();
    let took = begun.elapsed();
    assert!(took > INTERVAL * 2 && took <= INTERVAL * 4, "it took {took:?}");
    assert!(error.is_lost() && error.may_have_executed(), "{error:?}");
    assert!(error.to_string().contains("has said nothing for 15s"), "{error}");
    client.connection().ended().await;
    // The service has heard nothing for as long.
    sleep(INTERVAL * 2).await;
    assert_eq!(world.connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_idle_link_that_works_stays() {
    let world = World::new(Duration::from_millis(20)).await;
    let client = world.connect_alive(INTERVAL).await.unwrap();
    sleep(INTERVAL * 1000).await;
    assert_eq!(world.connections(), 1);
    assert!(timeout(INTERVAL * 100, client.hang()).await.is_err(), "it is still asked");
    client.write(1).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_it_nobody_looks() {
    let world = World::new(Duration::from_millis(20)).await;
    let client = world.connect_once().await.unwrap();
    world.freeze();
    assert!(timeout(INTERVAL * 1000, client.write(1)).await.is_err());
    assert_eq!(world.connections(), 1);
}
