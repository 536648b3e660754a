use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use super::*;
use crate::daemon::locks::life_record;
use crate::daemon::record::State;
use crate::daemon::testing::{Ended, Home, eventually, wait_gone};

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

/// What a client does, without its hello.
async fn connect(place: &Place, launch: &Launch) -> Result<(UnixStream, Option<u32>)> {
    let mut starter = Starter::new(place, launch, Began::now(), soon());
    loop {
        match place.knock()? {
            Knock::Open(stream) => return Ok((stream, None)),
            Knock::Full => drop(place.wait_for_room(Duration::from_secs(1)).await?),
            Knock::Absent | Knock::Refused => match starter.turn().await? {
                Turn::Again => {}
                Turn::Knocked(stream) => return Ok((stream, None)),
                Turn::Started(starting) => {
                    let pid = starting.pid();
                    let knock = place.knock()?;
                    starting.outcome(|_| {}).await?;
                    let Knock::Open(stream) = knock else { panic!("ready and no door") };
                    return Ok((stream, Some(pid)));
                }
            },
        }
    }
}

async fn started<'a>(starter: &mut Starter<'a>) -> Starting<'a> {
    loop {
        match starter.turn().await.unwrap() {
            Turn::Again => {}
            Turn::Knocked(_) => panic!("somebody else started it"),
            Turn::Started(starting) => return *starting,
        }
    }
}

fn life(place: &Place) -> std::result::Result<LifeLock, LifeRecord> {
    let spawn = eventually(|| SpawnLock::try_take(place).unwrap());
    match LifeLock::try_take(place, &spawn, "").unwrap() {
        LifeAttempt::Taken(life) => Ok(life),
        LifeAttempt::Held(record) => Err(record),
    }
}

#[tokio::test]
async fn the_daemon_alone_holds_its_life() {
    let home = Home::with_processes();
    let place = home.place();
    let launch = home.launch("serve");
    let (_stream, pid) = connect(&place, &launch).await.unwrap();
    let pid = pid.unwrap();
    let ended = Ended(pid);
    let record = life(&place).unwrap_err();
    assert_eq!((record.pid, record.state), (pid, State::Running));
    assert_eq!(record.build, "test");
    drop(ended);
    wait_gone(pid);
    drop(eventually(|| life(&place).ok()));
    let (_stream, second) = connect(&place, &launch).await.unwrap();
    assert_ne!(second.unwrap(), pid, "and the next call starts another one");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_daemon_gets_what_it_needs_and_nothing_else() {
    let home = Home::with_processes();
    let place = home.private_place();
    let secret = home.path().join("secret");
    std::fs::write(&secret, "").unwrap();
    let flags = rustix::fs::OFlags::RDONLY;
    let leaked = rustix::fs::open(&secret, flags, rustix::fs::Mode::empty()).unwrap();
    assert!(rustix::io::fcntl_getfd(leaked.as_fd()).unwrap().is_empty(), "inheritable");
    let launch = Launch { payload: vec![1, 2, 3], ..home.launch("descriptors") };
    let (_stream, pid) = connect(&place, &launch).await.unwrap();
    let report = std::fs::read_to_string(place.dir().join("report")).unwrap();
    assert!(!report.contains("secret"), "{report}");
    assert!(report.starts_with("/dev/null\n"), "{report}");
    let logs = report.lines().filter(|line| *line == place.log_path().to_str().unwrap()).count();
    assert_eq!(logs, 2, "{report}");
    assert!(report.contains("payload [1, 2, 3]\n"), "{report}");
    assert!(report.contains(&format!("cwd {}\n", place.dir().display())), "{report}");
    assert!(report.contains("comm counter\n"), "{report}");
    let record = life_record(&place).unwrap();
    assert_eq!(record.pid, pid.unwrap());
    assert!(report.contains("state: Starting"), "{report}");
}

#[test]
fn a_herd_starts_one_daemon() {
    let home = Home::with_processes();
    let pids = Arc::new(Mutex::new(Vec::new()));
    let barrier = Barrier::new(8);
    let seen = Arc::clone(&pids);
    let launch = Launch {
        on_spawn: Some(Arc::new(move |pid| seen.lock().unwrap().push(pid))),
        ..home.launch("serve")
    };
    let starters = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let place = home.private_place();
                barrier.wait();
                let (_stream, pid) = runtime.unwrap().block_on(connect(&place, &launch)).unwrap();
                starters.fetch_add(usize::from(pid.is_some()), Ordering::SeqCst);
            });
        }
    });
    assert_eq!(pids.lock().unwrap().len(), 1);
    assert_eq!(starters.load(Ordering::SeqCst), 1);
}

#[test]
fn a_herd_on_a_failing_daemon_starts_it_twice_at_most() {
    let home = Home::with_processes();
    let barrier = Barrier::new(8);
    let spawned = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&spawned);
    let launch = Launch {
        on_spawn: Some(Arc::new(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
        })),
        ..home.launch("exit")
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let place = home.private_place();
                barrier.wait();
                // The door that opens leads to nobody; a client would learn that from its hello.
                if let Err(error) = runtime.unwrap().block_on(connect(&place, &launch)) {
                    assert!(error.message().contains("exited with status 3"), "{error}");
                }
            });
        }
    });
    assert!(spawned.load(Ordering::SeqCst) <= 2);
    let place = home.private_place();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mended = home.launch("serve");
    let began = std::time::Instant::now();
    runtime.block_on(connect(&place, &mended)).unwrap();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(place.find(&place.names().failed).unwrap().is_none(), "ready forgets the failure");
}

#[tokio::test]
async fn a_daemon_survives_its_starter_and_the_lock_is_free() {
    let home = Home::with_processes();
    let place = home.place();
    let launch = home.launch("slow");
    let mut starter = Starter::new(&place, &launch, Began::now(), soon());
    let starting = started(&mut starter).await;
    let _ended = Ended(starting.pid());
    assert!(SpawnLock::try_take(&place).unwrap().is_none());
    let pid = starting.pid();
    let heard = tokio::sync::Notify::new();
    tokio::select! {
        outcome = starting.outcome(|_| heard.notify_one()) => panic!("it is slow: {outcome:?}"),
        () = heard.notified() => {}
    }
    let record = life(&place).unwrap_err();
    assert!(matches!(place.knock().unwrap(), Knock::Open(_)), "clients queue");
    assert_eq!((record.pid, record.state), (pid, State::Starting));
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_eq!(life(&place).unwrap_err().pid, pid);
}

#[tokio::test]
async fn a_living_daemon_without_a_door_is_not_started_again() {
    let home = Home::with_processes();
    let place = home.place();
    let launch = home.launch("serve");
    let (_stream, pid) = connect(&place, &launch).await.unwrap();
    let _ended = Ended(pid.unwrap());
    std::fs::remove_file(place.sock()).unwrap();
    let deadline = Instant::now() + Duration::from_millis(300);
    let mut starter = Starter::new(&place, &launch, Began::now(), deadline);
    let error = loop {
        match starter.turn().await {
            Ok(Turn::Again) => {}
            Ok(_) => panic!("a second daemon"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.help().contains(&format!("kill {}", pid.unwrap())), "{error}");
}

#[tokio::test]
async fn a_file_at_the_door_is_an_error_and_survives() {
    let home = Home::with_processes();
    let place = home.place();
    std::fs::write(place.sock(), "precious").unwrap();
    let error = connect(&place, &home.launch("serve")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Place);
    assert_eq!(std::fs::read(place.sock()).unwrap(), b"precious");
}

#[tokio::test]
async fn a_large_payload_arrives() {
    let home = Home::with_processes();
    let place = home.private_place();
    let launch = Launch { payload: vec![7; 3 << 20], ..home.launch("serve") };
    connect(&place, &launch).await.unwrap();
}

#[tokio::test]
async fn a_deep_directory_works() {
    let home = Home::with_processes();
    let deep = home.path().join("d".repeat(200));
    std::fs::create_dir(&deep).unwrap();
    let place = Place::at(&deep.join("sock")).unwrap().named("counter");
    let (_stream, pid) = connect(&place, &home.launch("serve")).await.unwrap();
    assert!(pid.is_some());
}

/// A caller in the queue sees that nobody takes it any more, and knocks again.
fn assert_hung_up(mut caller: UnixStream) {
    match caller.read(&mut [0]) {
        Ok(count) => assert_eq!(count, 0),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
}

#[tokio::test]
async fn a_starter_that_goes_before_it_hands_over_leaves_nothing() {
    let home = Home::with_processes();
    let place = home.place();
    let gate = home.gate();
    let launch = home.launch("late");
    let mut starter = Starter::new(&place, &launch, Began::now(), soon());
    let starting = started(&mut starter).await;
    let pid = starting.pid();
    let _ended = Ended(pid);
    let (in_main, _) = gate.accept().unwrap();
    let Knock::Open(caller) = place.knock().unwrap() else { panic!("clients queue") };
    drop(starting);
    drop(eventually(|| life(&place).ok()));
    assert_hung_up(caller);
    // The process is not waited for, and does not come back.
    let serving = home.launch("serve");
    let (_stream, second) = connect(&place, &serving).await.unwrap();
    drop(in_main);
    wait_gone(pid);
    assert_eq!(life(&place).unwrap_err().pid, second.unwrap());
    let log = std::fs::read_to_string(place.path_of(&place.names().previous_log)).unwrap();
    assert!(log.contains("the starter went away before it had handed over"), "{log}");
}

#[tokio::test]
async fn a_daemon_that_was_not_handed_over_to_is_its_starters_to_give_up() {
    let home = Home::with_processes();
    let place = home.place();
    let _gate = home.gate();
    let launch = Launch { silence: Duration::from_millis(300), ..home.launch("late") };
    let mut starter = Starter::new(&place, &launch, Began::now(), soon());
    let starting = started(&mut starter).await;
    let Knock::Open(caller) = place.knock().unwrap() else { panic!("clients queue") };
    let error = starting.outcome(|_| {}).await.unwrap_err();
    assert!(error.message().contains("main() has not called autod's run"), "{error}");
    assert!(matches!(place.knock().unwrap(), Knock::Absent));
    assert_hung_up(caller);
    drop(eventually(|| life(&place).ok()));
}

#[tokio::test]
async fn a_daemon_rotates_its_own_log() {
    let home = Home::with_processes();
    let place = home.place();
    connect(&place, &home.launch("rotate")).await.unwrap();
    let log = std::fs::read_to_string(place.log_path()).unwrap();
    assert_eq!(log, "after on standard output\nafter\n");
    let previous = place.path_of(&place.names().previous_log);
    let previous = std::fs::read_to_string(previous).unwrap();
    assert!(previous.ends_with("before\nstill before\n"), "{previous}");
}

/// The last lines of the log and of the one before it.
async fn rotated(mode: &str) -> [String; 2] {
    let home = Home::with_processes();
    let place = home.place();
    connect(&place, &home.launch(mode)).await.unwrap();
    [&place.names().log, &place.names().previous_log]
        .map(|name| std::fs::read_to_string(place.path_of(name)).unwrap_or_default())
}

#[tokio::test]
async fn a_log_that_could_not_be_rotated_is_rotated_later() {
    let [log, previous] = rotated("rotate without descriptors").await;
    assert_eq!(log, "after on standard output\nafter\n");
    assert!(previous.ends_with("before\nstill before\n"), "{previous}");
}

#[tokio::test]
async fn a_stream_that_the_program_turned_elsewhere_stays_there() {
    let [log, previous] = rotated("rotate errors").await;
    assert_eq!(log, "after\n");
    assert!(previous.ends_with("before\nstill before\n"), "{previous}");
}

#[tokio::test]
async fn the_futures_may_move_between_threads() {
    fn check<T: Send>(future: T) -> T {
        future
    }
    let home = Home::with_processes();
    let place = home.place();
    let launch = home.launch("serve");
    let mut starter = Starter::new(&place, &launch, Began::now(), soon());
    let Turn::Started(starting) = check(starter.turn()).await.unwrap() else { return };
    let pid = starting.pid();
    check(starting.outcome(|_| {})).await.unwrap();
    drop(check(place.wait_for_room(Duration::ZERO)));
    drop(Ended(pid));
}
