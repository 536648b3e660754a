//! How apps go: idle, stopped, drained, forced, and with their supervisor.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use autod_activator::{Exit, Kind, Mode, Phase, Shutdown, Stop, What};
use rustix::process::Signal;

use crate::apart::Apart;
use crate::world::{PATIENCE, World, app, ask, connect, eventually, is_gone, is_reset, kill};

/// What the apps of these tests are let go after.
const IDLE: Duration = Duration::from_millis(50);

/// Clients that come around the moment at which the app is let go, each at another distance from it:
/// so many, and more until it was let go twice at least. How many meet it depends on the machine.
fn visit_around_the_end(world: &World, address: SocketAddr, clients: u32) {
    let limit = Instant::now() + PATIENCE;
    let mut number = 0;
    while number < clients || world.starts().len() < 3 {
        assert!(number < clients || Instant::now() < limit, "it is not let go");
        assert_eq!(ask(address).expect("an answer"), "hello", "client {number}");
        let step = number % clients;
        let around = Duration::from_millis(45) + Duration::from_millis(10) * step / clients;
        std::thread::sleep(around);
        number += 1;
    }
}

#[test]
fn no_client_is_lost_when_the_app_is_let_go() {
    for (shutdown, clients) in [("0", 150), ("100", 60), ("1500", 8)] {
        let world = World::new();
        let service = world.service(&["shutdown", shutdown, "serve"]).idle_timeout(IDLE);
        let running = world.open(service);
        visit_around_the_end(&world, running.address(), clients);
    }
}

#[test]
fn no_client_is_lost_when_an_app_in_fd_mode_goes() {
    for (shutdown, clients) in [("0", 150), ("100", 60), ("1500", 8)] {
        let world = World::new();
        let words = ["shutdown", shutdown, "serve-until-idle", "50"];
        let service = world.service(&words).kind(Kind::Autod).mode(Mode::Fd);
        let running = world.open(service);
        visit_around_the_end(&world, running.address(), clients);
    }
}

#[test]
fn an_app_is_let_go_when_it_was_idle_for_long_enough() {
    let world = World::new();
    let service = world
        .service(&["serve"])
        .idle_timeout(Duration::from_millis(200))
        .min_uptime(Duration::from_millis(600));
    let mut running = world.open(service);
    let began = Instant::now();
    assert_eq!(running.ask().unwrap(), "hello");
    running.event(|what| matches!(what, What::IdleStop).then_some(()));
    assert!(began.elapsed() >= Duration::from_millis(600), "{:?}", began.elapsed());
    running.event(|what| matches!(what, What::Stopped { exit: Exit::Code(0) }).then_some(()));

    // An open connection keeps it.
    let client = connect(running.address()).unwrap();
    eventually("it runs", || running.status().connections == 1);
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(running.status().phase, Phase::Running);
    drop(client);
    running.event(|what| matches!(what, What::IdleStop).then_some(()));
}

#[test]
fn holds_keep_an_app_without_connections() {
    let world = World::new();
    let mut running = world.open(world.service(&["serve"]).idle_timeout(IDLE));
    let hold = world.block_on(async {
        let hold = running.supervisor.hold("it", "a test").unwrap();
        running.supervisor.start("it").await.unwrap();
        hold
    });
    eventually("it is held", || running.status().holds == ["a test"]);
    std::thread::sleep(4 * IDLE);
    assert_eq!(running.status().phase, Phase::Running);
    drop(hold);
    running.event(|what| matches!(what, What::IdleStop).then_some(()));
}

#[test]
fn an_app_at_work_holds_itself_until_it_is_done_or_dead() {
    let world = World::new();
    let words =
        ["serve", "say", "X_AUTOD_HOLD=a job", "sleep", "700", "say", "X_AUTOD_RELEASE=a job"];
    let mut running = world.open(world.service(&words).idle_timeout(IDLE));
    let began = Instant::now();
    assert_eq!(running.ask().unwrap(), "hello");
    running.event(|what| matches!(what, What::IdleStop).then_some(()));
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());

    running.event(|what| matches!(what, What::Stopped { .. }).then_some(()));
    assert_eq!(running.ask().unwrap(), "hello");
    eventually("it is held", || running.status().holds == ["a job"]);
    kill(*world.starts().last().unwrap(), Signal::KILL);
    eventually("it is not held any more", || running.status().holds.is_empty());
    assert_eq!(running.ask().unwrap(), "hello");
}

#[test]
fn a_stop_while_it_starts_leaves_nothing() {
    let world = World::new();
    let running = world.open(world.service(&["sleep", "300", "serve"]));
    for how in [Stop::Soft, Stop::Force] {
        let address = running.address();
        let client = std::thread::spawn(move || ask(address));
        eventually("it starts", || running.status().pid.is_some());
        let pid = running.status().pid.unwrap();
        world.block_on(async {
            let starting = running.supervisor.start("it");
            let (started, stopped) = tokio::join!(starting, running.supervisor.stop("it", how));
            stopped.unwrap();
            assert!(started.unwrap_err().is_stopped());
        });
        assert!(is_gone(pid));
        is_reset(&client.join().unwrap());
        assert_eq!(running.status().phase, Phase::Stopped);
    }
    // Stopped twice is stopped.
    for how in [Stop::Soft, Stop::Force] {
        world.block_on(running.supervisor.stop("it", how)).unwrap();
        assert_eq!(running.status().phase, Phase::Stopped);
    }
    assert_eq!(running.status().generation, 2);
}

#[test]
fn a_close_while_it_starts_leaves_nothing() {
    for how in [Shutdown::Drain(Duration::from_secs(5)), Shutdown::Force] {
        let world = World::new();
        let running = world.open(world.service(&["sleep", "300", "serve"]));
        let address = running.address();
        let client = std::thread::spawn(move || ask(address));
        eventually("it starts", || running.status().pid.is_some());
        world.block_on(async {
            tokio::join!(running.supervisor.close(how), running.supervisor.close(how));
            assert!(running.supervisor.start("it").await.unwrap_err().is_closed());
        });
        is_reset(&client.join().unwrap());
        assert!(ask(address).is_err(), "nobody listens");
        assert!(world.processes().is_empty(), "nothing is left over");
        assert!(world.starts().len() <= 1);
    }
}

#[test]
fn a_stop_and_a_start_at_a_time_are_one_after_the_other() {
    let world = World::new();
    let running = world.open(world.service(&["serve"]));
    world.block_on(async {
        for _ in 0..20 {
            let (stopped, started) = tokio::join!(
                running.supervisor.stop("it", Stop::Soft),
                running.supervisor.start("it")
            );
            stopped.unwrap();
            started.unwrap();
        }
    });
    assert_eq!(running.ask().unwrap(), "hello");
    let living = world.starts().into_iter().filter(|pid| !is_gone(*pid)).count();
    assert_eq!(living, 1);
}

#[test]
fn open_connections_end_in_their_own_time_within_the_limit() {
    let world = World::new();
    let running = world.open(world.service(&["serve"]));
    let mut done = connect(running.address()).unwrap();
    done.write_all(b"first").unwrap();
    let mut stuck = connect(running.address()).unwrap();
    stuck.write_all(b"first").unwrap();
    stuck.read_exact(&mut [0; 5]).unwrap();
    let supervisor = running.supervisor.clone();
    let limit = Duration::from_millis(700);
    let began = Instant::now();
    let closing = world.spawn(async move { supervisor.close(Shutdown::Drain(limit)).await });
    eventually("nobody is accepted any more", || ask(running_address(&done)).is_err());
    // This one goes on, and comes to its end.
    done.write_all(b" and last").unwrap();
    done.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(std::io::read_to_string(done).unwrap(), "first and last");
    world.block_on(closing).unwrap();
    let took = began.elapsed();
    assert!(took >= limit && took < limit + Duration::from_secs(5), "{took:?}");
    let _ = stuck.read_to_end(&mut Vec::new());
    assert!(world.processes().is_empty());
}

fn running_address(client: &std::net::TcpStream) -> SocketAddr {
    client.peer_addr().unwrap()
}

#[test]
fn force_ends_a_group_that_hears_nothing() {
    let world = World::new();
    let helper = world.join("helper");
    let words = ["ignore-term", "fork", helper.to_str().unwrap(), "serve"];
    let running = world.open(world.service(&words));
    let mut client = connect(running.address()).unwrap();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    eventually("the helper is there", || !world.numbers("helper").is_empty());
    world.block_on(running.supervisor.stop("it", Stop::Force)).unwrap();
    for pid in [world.starts(), world.numbers("helper")].concat() {
        eventually("the group is gone", || is_gone(pid));
    }
    is_reset(&client.read_to_end(&mut Vec::new()));
    assert_eq!(running.ask().unwrap(), "hello");
}

#[test]
fn a_soft_stop_kills_what_does_not_end() {
    let world = World::new();
    let helper = world.join("helper");
    // The leader ends at once, its helper never.
    let words = ["fork", helper.to_str().unwrap(), "serve"];
    let service = world.service(&words).stop_timeout(Duration::from_millis(300));
    let running = world.open(service);
    assert_eq!(running.ask().unwrap(), "hello");
    eventually("the helper is there", || !world.numbers("helper").is_empty());
    let began = Instant::now();
    world.block_on(running.supervisor.stop("it", Stop::Soft)).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(300), "it was given its time");
    assert!(world.numbers("helper").into_iter().all(is_gone));
}

#[test]
fn nothing_outlives_a_supervisor_that_is_killed() {
    for signal in [Signal::TERM, Signal::KILL] {
        let world = World::new();
        let helper = world.join("helper");
        let words = ["ignore-term", "fork", helper.to_str().unwrap(), "serve"];
        let supervisor = Apart::supervise(&world, &words);
        assert_eq!(ask(supervisor.address).unwrap(), "hello");
        eventually("the helper is there", || !world.numbers("helper").is_empty());
        assert_eq!(world.private_directories().len(), 1);
        kill(supervisor.pid(), signal);
        let killed = Instant::now();
        for pid in [world.starts(), world.numbers("helper")].concat() {
            eventually("it is gone", || is_gone(pid));
        }
        eventually("the guard is gone", || world.processes().iter().all(|pid| is_gone(*pid)));
        // One second by the contract, and the time that a busy machine takes.
        assert!(killed.elapsed() < Duration::from_secs(3), "{:?}", killed.elapsed());
        assert!(world.private_directories().is_empty());
    }
}

#[test]
fn nothing_is_left_of_a_supervisor_that_is_killed_before_its_first_app() {
    let world = World::new();
    let supervisor = Apart::supervise(&world, &["serve"]);
    assert!(world.private_directories().is_empty(), "there is no use for one yet");
    drop(supervisor);
    assert!(world.private_directories().is_empty());
    assert!(world.processes().is_empty());
}

/// At any moment of the first start.
#[test]
fn nothing_is_left_of_a_supervisor_that_is_killed_while_it_starts_its_first_app() {
    let world = World::new();
    for round in 0..60 {
        let supervisor = Apart::supervise(&world, &["serve"]);
        let client = connect(supervisor.address).unwrap();
        std::thread::sleep(Duration::from_micros(150 * round));
        drop(supervisor);
        drop(client);
    }
    eventually("all are gone", || world.processes().into_iter().all(is_gone));
    assert!(world.private_directories().is_empty(), "{:?}", world.private_directories());
}

#[test]
fn with_few_descriptors_clients_wait_for_their_turn() {
    let world = World::new();
    let mut command = world.command("/bin/sh");
    let script = "ulimit -n 64; exec \"$0\" \"$@\"";
    command.args(["-c", script, app().to_str().unwrap(), "supervise"]);
    let supervisor = Apart::run(&world, command, &["serve"]);
    let address = supervisor.address;
    let clients: Vec<_> = (0..200)
        .map(|_| std::thread::Builder::new().stack_size(128 << 10).spawn(move || ask(address)))
        .collect::<Result<_, _>>()
        .unwrap();
    for client in clients {
        assert_eq!(client.join().unwrap().unwrap(), "hello");
    }
    assert_eq!(world.starts().len(), 1);
    assert!(!is_gone(supervisor.pid()));
}
