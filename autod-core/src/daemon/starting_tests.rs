use std::time::Instant as Clock;

use super::*;
use crate::daemon::breaker::Began;
use crate::daemon::door::Knock;
use crate::daemon::spawn::Launch;
use crate::daemon::start::{Starter, Turn};
use crate::daemon::testing::{Ended, Home, eventually, wait_gone};

async fn started<'a>(place: &'a Place, launch: &'a Launch) -> Starting<'a> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let turn = Starter::new(place, launch, Began::now(), deadline).turn().await;
    let Turn::Started(starting) = turn.unwrap() else { panic!("nothing was started") };
    *starting
}

/// The error of a daemon that fails as told, and how long it took to come.
async fn failure(mode: &str, silence: Duration) -> (String, Duration) {
    let home = Home::with_processes();
    let place = home.place();
    let launch = Launch { silence, ..home.launch(mode) };
    let began = Began::now();
    let starting = started(&place, &launch).await;
    let (pid, spawned) = (starting.pid(), Clock::now());
    let error = starting.outcome(|_| {}).await.unwrap_err();
    let took = spawned.elapsed();
    assert_eq!(error.kind(), ErrorKind::StartFailed);
    if mode != "fail" {
        assert!(place.find(place.door_name()).unwrap().is_none(), "a dead door was left");
    }
    wait_gone(pid);
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut again = Starter::new(&place, &launch, began, deadline);
    let told = loop {
        match again.turn().await {
            // A daemon that said that it failed may still be on its way out.
            Ok(Turn::Again | Turn::Knocked(_)) => {}
            Ok(Turn::Started(_)) => panic!("a caller that began before the failure gets it"),
            Err(error) => break error,
        }
    };
    assert_eq!((told.kind(), told.message()), (ErrorKind::StartFailed, error.message()));
    (error.to_string(), took)
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn its_own_error_is_what_the_caller_reads() {
    let (error, _) = failure("fail", LONG).await;
    assert_eq!(error, "counter daemon failed to start: no index: /x is empty");
}

#[tokio::test]
async fn a_panic_is_told_with_its_place() {
    let (error, _) = failure("panic", LONG).await;
    let expected = "counter daemon panicked while starting: index 7 is broken (at ";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.contains("testing.rs:"), "{error}");
}

#[tokio::test]
async fn an_exit_is_told_with_its_status_and_the_log() {
    let (error, _) = failure("exit", LONG).await;
    let expected = "counter daemon exited with status 3 before it was ready; its log ";
    assert!(error.starts_with(expected), "{error}");
    assert!(error.ends_with("last words"), "{error}");
}

#[tokio::test]
async fn a_kill_is_told_with_its_signal() {
    let (error, _) = failure("kill", LONG).await;
    let expected = "counter daemon was killed by signal 9 (SIGKILL) before it was ready";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn a_main_that_never_hands_over_is_told_apart() {
    let (error, _) = failure("never", LONG).await;
    let expected =
        "counter daemon exited with status 0 before it was ready: main() never called autod's run";
    assert!(error.starts_with(expected), "{error}");
}

#[tokio::test]
async fn a_main_that_connects_instead_of_serving_is_stopped() {
    let (error, _) = failure("connect", LONG).await;
    assert!(error.contains("exited with status 2"), "{error}");
    assert!(error.contains("connects instead of serving"), "{error}");
}

#[tokio::test]
async fn a_silent_daemon_is_ended_within_the_limit() {
    for (mode, more) in [("silent", false), ("never hang", true)] {
        let (error, took) = failure(mode, Duration::from_millis(700)).await;
        let expected = "counter daemon said nothing for 700 ms while starting";
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(error.contains("main() has not called autod's run"), more, "{error}");
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_named() {
    let home = Home::with_processes();
    let place = home.place();
    let launch = Launch { exec_path: Some("/nonexistent/program".into()), ..home.launch("serve") };
    let turn = Starter::new(&place, &launch, Began::now(), Instant::now()).turn().await;
    let error = turn.err().unwrap();
    assert!(error.message().contains("cannot execute /nonexistent/program"), "{error}");
    assert!(place.find(place.door_name()).unwrap().is_none());
}

#[tokio::test]
async fn progress_keeps_a_slow_daemon_alive() {
    let home = Home::with_processes();
    let place = home.place();
    let launch = Launch { silence: Duration::from_secs(2), ..home.launch("slow") };
    let starting = started(&place, &launch).await;
    let mut heard = Vec::new();
    let outcome = starting.outcome(|text| {
        heard.push((text.to_owned(), SpawnLock::holder(&place).unwrap().phase));
    });
    outcome.await.unwrap();
    assert_eq!(heard.len(), 6);
    assert_eq!(heard[5], ("step 5".to_owned(), "step 5".to_owned()));
}

#[test]
fn the_message_of_a_panic_is_found_in_a_log() {
    let log = "x\nthread 'main' (12) panicked at src/main.rs:1:2:\none\ntwo\nnote: run with more";
    assert_eq!(panic_in(log).unwrap(), "one two (at src/main.rs:1:2)");
    assert_eq!(panic_in("all is well"), None);
    assert_eq!(in_words(Duration::from_secs(10)), "10 s");
}

/// What a process has under the number that its environment names.
#[cfg(target_os = "linux")]
fn inherited_socket(pid: u32) -> String {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    let (_, status) = environment.split_once("AUTOD_STATUS_FD=").unwrap();
    let (number, _) = status.split_once(':').unwrap();
    std::fs::read_link(format!("/proc/{pid}/fd/{number}")).unwrap().display().to_string()
}

/// The daemon dies with the lock and the door in the queue of its socket, and a process that main
/// had started before it was seen lives on with all that it inherited.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_was_on_its_way_to_a_dead_daemon_is_free() {
    let home = Home::with_processes();
    let place = home.place();
    let launch = home.launch("dies before it receives");
    let starting = started(&place, &launch).await;
    let pid = starting.pid();
    let error = starting.outcome(|_| {}).await.unwrap_err();
    let expected = "counter daemon was killed by signal 9 (SIGKILL) before it was ready; its log ";
    assert!(error.message().starts_with(expected), "{error}");
    let helper = error.message().rsplit_once("helper ").unwrap().1.parse().unwrap();
    let _helper = Ended(helper);
    wait_gone(pid);
    let inherited = inherited_socket(helper);
    assert!(inherited.starts_with("socket:"), "the helper has {inherited}");
    let lock = SpawnLock::try_take(&place).unwrap().unwrap();
    let life = eventually(|| match LifeLock::try_take(&place, &lock, "").unwrap() {
        LifeAttempt::Taken(life) => Some(life),
        LifeAttempt::Held(_) => None,
    });
    assert!(matches!(place.knock().unwrap(), Knock::Absent), "a dead door was left");
    drop(life);
}
