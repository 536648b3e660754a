//! Apps that do not start, and apps that die.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use autod_activator::{Cause, Exit, Mode, Phase, Ready, Restart, What};
use rustix::fs::Mode as FileMode;
use rustix::process::Signal;

use crate::world::{World, ask, connect, eventually, is_gone, is_reset, kill};

fn failure(what: &What) -> Option<Cause> {
    match what {
        What::StartFailed { cause } => Some(cause.clone()),
        _ => None,
    }
}

/// From an app's end during its start to the reset that the last of those who wait has seen. The app
/// reads the clock just before it ends, so that all of its end counts, and nothing of its start.
fn time_to_reset(mode: Mode, ready: &Ready, last_words: &[&str], exit: Exit) -> Duration {
    const CLIENTS: usize = 50;
    let world = World::new();
    let gate = world.join("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, FileMode::RUSR | FileMode::WUSR).unwrap();
    let end = world.join("end");
    let words = [&["gate", path(&gate), "clock", path(&end)], last_words].concat();
    let mut running = world.open(world.service(&words).mode(mode).ready(ready.clone()));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = connect(running.address()).unwrap();
            client.write_all(b"hello").unwrap();
            std::thread::spawn(move || {
                let answer = client.read_to_end(&mut Vec::new());
                (answer, monotonic())
            })
        })
        .collect();
    if mode == Mode::Proxy {
        eventually("all wait", || running.status().waiting == CLIENTS);
    }
    let opened = std::fs::File::options().write(true).open(&gate).unwrap();
    drop(opened);
    assert_eq!(running.event(failure), Cause::Exited(exit));
    let mut last = Duration::ZERO;
    for client in clients {
        let (answer, at) = client.join().unwrap();
        is_reset(&answer);
        last = last.max(at);
    }
    running.event(|what| matches!(what, What::Backoff { .. }).then_some(()));
    eventually("the pause is over", || running.status().phase == Phase::Stopped);
    let ended: u64 = world.lines("end")[0].parse().unwrap();
    last.checked_sub(Duration::from_nanos(ended)).unwrap()
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

/// By the clock that the app reads too.
fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.try_into().unwrap()
}

#[test]
fn clients_of_an_app_that_ends_while_it_starts_are_reset_within_100_ms() {
    // The limit is of the supervisor's work. Other tests have the processors too, and take single
    // rounds out of it; what the supervisor itself waits for would be in all of them.
    const ROUNDS: usize = 7;
    let ways: [(&[&str], Exit); 3] = [
        (&["exit", "0"], Exit::Code(0)),
        (&["exit", "3"], Exit::Code(3)),
        (&["die", "9"], Exit::Signal(9)),
    ];
    for (mode, ready) in [(Mode::Proxy, Ready::Connect), (Mode::Fd, Ready::Notify)] {
        for (words, exit) in ways {
            let mut took: Vec<Duration> =
                (0..ROUNDS).map(|_| time_to_reset(mode, &ready, words, exit)).collect();
            took.sort();
            println!(
                "{mode:?}, {exit}: {:.1?}, at most {:.1?}",
                took[ROUNDS / 2],
                took[ROUNDS - 1]
            );
            assert!(took[ROUNDS / 2] <= Duration::from_millis(100), "{mode:?}, {exit}: {took:?}");
        }
    }
}

#[test]
fn a_missing_program_is_an_error_and_heals() {
    let world = World::new();
    let program = world.join("program");
    let service = world.program(program.to_str().unwrap()).arg("serve");
    let mended = service.listen(autod_activator::Listen::tcp(crate::world::any_port()));
    let mut running = world.open(mended);
    is_reset(&running.ask());
    assert!(matches!(running.event(failure), Cause::Program { .. }));
    let error = world.block_on(running.supervisor.start("it")).unwrap_err();
    assert!(error.is_start_failed(), "{error}");
    std::os::unix::fs::symlink(crate::world::app(), &program).unwrap();
    assert_eq!(running.ask().unwrap(), "hello");
}

#[test]
fn a_missing_directory_is_an_error_and_heals() {
    let world = World::new();
    let dir = world.join("dir");
    let mut running = world.open(world.service(&["serve"]).dir(&dir));
    is_reset(&running.ask());
    assert!(matches!(running.event(failure), Cause::Directory { path, .. } if path == dir));
    std::fs::create_dir(&dir).unwrap();
    assert_eq!(running.ask().unwrap(), "hello");
}

#[test]
fn no_kind_of_readiness_outlasts_the_app_or_the_limit() {
    let pattern = regex_lite::Regex::new("never").unwrap();
    let limit = Duration::from_millis(400);
    for ready in [
        Ready::Notify,
        Ready::Fd(9),
        Ready::Connect,
        Ready::Http("/health".to_owned()),
        Ready::Log(pattern),
        Ready::Delay(Duration::from_secs(60)),
    ] {
        for (words, cause) in [
            (&["sleep", "50", "exit", "3"][..], Cause::Exited(Exit::Code(3))),
            (&["ignore-term", "print", "here"], Cause::TimedOut(limit)),
        ] {
            let world = World::new();
            let limit = if words.len() == 4 { Duration::from_secs(30) } else { limit };
            let service = world.service(words).ready(ready.clone()).start_timeout(limit);
            let mut running = world.open(service.stop_timeout(Duration::from_millis(50)));
            is_reset(&running.ask());
            assert_eq!(running.event(failure), cause, "{ready:?}");
            running.event(|what| matches!(what, What::Backoff { .. }).then_some(()));
            assert!(world.starts().into_iter().all(is_gone), "{ready:?}");
        }
    }
}

#[test]
fn an_app_that_is_never_ready_is_ended_with_its_group() {
    let world = World::new();
    let helper = world.join("helper");
    let words = ["ignore-term", "fork", helper.to_str().unwrap(), "serve"];
    let service = world
        .service(&words)
        .ready(Ready::Notify)
        .start_timeout(Duration::from_secs(3))
        .stop_timeout(Duration::from_millis(300));
    let mut running = world.open(service);
    let address = running.address();
    let clients: Vec<_> = (0..200).map(|_| std::thread::spawn(move || ask(address))).collect();
    assert_eq!(running.event(failure), Cause::TimedOut(Duration::from_secs(3)));
    for client in clients {
        is_reset(&client.join().unwrap());
    }
    eventually("the group is gone", || {
        let group = [world.starts(), world.numbers("helper")].concat();
        group.len() >= 2 && group.into_iter().all(is_gone)
    });
    eventually("nobody is left", || running.status().waiting + running.status().connections == 0);
}

#[test]
fn an_app_that_always_dies_is_started_a_few_times_only() {
    let world = World::new();
    let running = world.open(world.service(&["exit", "1"]));
    let address = running.address();
    let mut clients = Vec::new();
    let began = Instant::now();
    for number in 1..=400_u32 {
        clients.push(std::thread::spawn(move || ask(address)));
        std::thread::sleep(
            (began + number * Duration::from_millis(10)).saturating_duration_since(Instant::now()),
        );
    }
    for client in clients {
        is_reset(&client.join().unwrap());
    }
    eventually("nobody is left", || running.status().waiting + running.status().connections == 0);
    let starts = world.starts().len();
    assert!((2..=6).contains(&starts), "{starts} starts");
}

#[test]
fn a_client_of_an_app_that_is_killed_is_reset_and_the_next_is_served() {
    let world = World::new();
    let restart =
        Restart { first: Duration::from_millis(10), stable: Duration::ZERO, ..Restart::default() };
    let mut running = world.open(world.service(&["greet", "i-am", "serve"]).restart(restart));
    for round in 0..20 {
        let mut stream = connect(running.address()).unwrap();
        let mut greeting = [0; 64];
        let length = stream.read(&mut greeting).unwrap();
        let greeting = std::str::from_utf8(&greeting[..length]).unwrap().trim();
        let pid = greeting.strip_prefix("i-am ").unwrap().parse().unwrap();
        assert_eq!(Some(&pid), world.starts().last());
        kill(pid, Signal::KILL);
        let answer = stream.read_to_end(&mut Vec::new());
        is_reset(&answer);
        let _ = stream.write_all(b"for nobody");
        let exit = running.event(|what| match what {
            What::Crashed { exit } => Some(*exit),
            _ => None,
        });
        assert_eq!(exit, Exit::Signal(9), "round {round}");
    }
    let answer = running.ask().unwrap();
    assert!(answer.starts_with("i-am ") && answer.ends_with("hello"), "{answer}");
}

/// Bytes are on their way through every buffer that there is, and are those of one life only.
#[test]
fn a_client_of_an_app_that_is_killed_in_the_middle_of_a_stream_is_reset() {
    let world = World::new();
    let restart =
        Restart { first: Duration::from_millis(10), stable: Duration::ZERO, ..Restart::default() };
    let running = world.open(world.service(&["flood", "1073741824", "serve"]).restart(restart));
    for round in 0..10 {
        let mut stream = connect(running.address()).unwrap();
        let mut buffer = vec![0; 1 << 20];
        // In the third and later ones it is a pipe that the bytes go through.
        let enough = [1, 64 << 10, 8 << 20][round % 3];
        let mut total = 0;
        while total < enough {
            total += stream.read(&mut buffer).unwrap();
        }
        kill(*world.starts().last().unwrap(), Signal::KILL);
        let answer = loop {
            match stream.read(&mut buffer) {
                Ok(0) => break Ok(0),
                Ok(length) => total += length,
                Err(error) => break Err(error),
            }
        };
        is_reset(&answer);
        assert!(total < 1 << 30, "{total}");
        eventually("it is over", || running.status().connections == 0);
        assert_eq!(world.starts().len(), round + 1, "nobody asked for another");
    }
}
