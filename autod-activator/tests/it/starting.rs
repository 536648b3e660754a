//! From the first connection to the first answer.

use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use autod_activator::{Address, Listen, Mode, Phase, Ready, Target, What};

use crate::world::{PATIENCE, World, any_port, ask, eventually};

#[test]
fn the_first_client_of_an_app_that_takes_its_time_is_answered() {
    for delay in ["20", "1500"] {
        let world = World::new();
        let running = world.open(world.service(&["sleep", delay, "serve"]));
        assert_eq!(running.ask().unwrap(), "hello");
        assert_eq!(running.ask().unwrap(), "hello");
        assert_eq!(world.starts().len(), 1);
    }
}

#[test]
fn the_first_client_of_an_app_that_says_ready_too_early_is_answered() {
    let world = World::new();
    let service = world.service(&["say", "READY=1", "sleep", "200", "serve"]);
    let running = world.open(service.ready(Ready::Notify));
    assert_eq!(running.ask().unwrap(), "hello");
}

#[test]
fn every_kind_of_readiness_is_waited_for() {
    let pattern = regex_lite::Regex::new("^listening on [0-9]+$").unwrap();
    let kinds: [(Ready, &[&str]); 5] = [
        (Ready::Notify, &["serve", "sleep", "100", "say", "X=1\nREADY=1"]),
        (Ready::Fd(7), &["serve", "sleep", "100", "newline", "7"]),
        (
            Ready::Log(pattern),
            &["print", "not listening", "serve", "sleep", "100", "print", "listening on 80"],
        ),
        (Ready::Http("/health".to_owned()), &["sleep", "100", "http", "serve"]),
        (Ready::Delay(Duration::from_millis(100)), &["serve"]),
    ];
    for (ready, words) in kinds {
        let world = World::new();
        let mut running = world.open(world.service(words).ready(ready.clone()));
        let address = running.address();
        let client = std::thread::spawn(move || ask(address));
        let took = running.event(|what| match what {
            What::Ready { took, .. } => Some(*took),
            _ => None,
        });
        assert!(took >= Duration::from_millis(100), "{ready:?}: {took:?}");
        let answer = client.join().unwrap().unwrap();
        assert!(answer == "hello" || answer.starts_with("HTTP/1.0 404"), "{ready:?}: {answer}");
    }
}

#[test]
fn an_http_probe_waits_for_a_good_answer() {
    let world = World::new();
    let service = world.service(&["http", "serve"]).ready(Ready::Http("/other".to_owned()));
    let running = world.open(service.start_timeout(Duration::from_millis(300)));
    let error = world.block_on(running.supervisor.start("it")).unwrap_err();
    assert!(error.is_start_failed(), "{error}");
    assert!(error.to_string().contains("not ready within 300ms"), "{error}");
}

#[test]
fn sockets_of_both_kinds_lead_to_sockets_of_both_kinds() {
    let world = World::new();
    let path = world.join("public");
    let service = world
        .bare(&["serve"])
        .listen(Listen::tcp(any_port()).name("one").to(Target::PrivateSocket))
        .listen(Listen::unix(&path).name("two").to(Target::FreePort));
    let running = world.open(service);
    assert_eq!(running.ask().unwrap(), "hello");
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    std::io::Write::write_all(&mut stream, b"unix").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(std::io::read_to_string(stream).unwrap(), "unix");
    assert_eq!(world.starts().len(), 1);
}

#[test]
fn in_fd_mode_the_app_itself_accepts() {
    let world = World::new();
    let path = world.join("public");
    let service = world
        .bare(&["serve"])
        .mode(Mode::Fd)
        .listen(Listen::tcp(any_port()).name("one"))
        .listen(Listen::unix(&path).name("two"));
    let running = world.open(service);
    for _ in 0..3 {
        assert_eq!(running.ask().unwrap(), "hello");
    }
    let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(std::io::read_to_string(stream).unwrap(), "");
    assert_eq!(running.status().connections, 0, "they do not pass through the supervisor");
    assert_eq!(world.starts().len(), 1);
}

#[test]
fn the_address_of_an_app_may_be_its_own_choice() {
    let world = World::new();
    let socket = world.join("private");
    let service = world
        .bare(&["serve"])
        .env("SOCKET_it", socket.to_str().unwrap())
        .listen(Listen::tcp(any_port()).to(Target::At(Address::Unix(socket))));
    let running = world.open(service);
    assert_eq!(running.ask().unwrap(), "hello");
}

#[test]
fn six_hundred_clients_of_a_cold_start_are_all_answered() {
    let world = World::new();
    let running = world.open(world.service(&["sleep", "1500", "serve"]));
    let address = running.address();
    let barrier = Arc::new(Barrier::new(600));
    let clients: Vec<_> = (0..600)
        .map(|_| {
            let barrier = Arc::clone(&barrier);
            let small = std::thread::Builder::new().stack_size(128 << 10);
            small.spawn(move || {
                barrier.wait();
                let began = Instant::now();
                (ask(address), began.elapsed())
            })
        })
        .collect::<Result<_, _>>()
        .unwrap();
    for client in clients {
        let (answer, took) = client.join().unwrap();
        assert_eq!(answer.unwrap(), "hello");
        assert!(took < Duration::from_secs(8), "a client's retries were waited for: {took:?}");
    }
    assert_eq!(world.starts().len(), 1);
}

/// More than the limits of the service and of the kernel's usual queue.
#[test]
fn five_thousand_clients_of_a_cold_start_are_all_answered() {
    let world = World::new();
    let running = world.open(world.service(&["sleep", "1000", "serve"]));
    let address = running.address();
    let answered = world.block_on(async {
        let mut clients = tokio::task::JoinSet::new();
        for _ in 0..5000 {
            clients.spawn(async move {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let mut stream = tokio::net::TcpStream::connect(address).await?;
                stream.write_all(b"hello").await?;
                stream.shutdown().await?;
                let mut answer = String::new();
                stream.read_to_string(&mut answer).await?;
                std::io::Result::Ok(answer)
            });
        }
        let mut answered = 0;
        while let Some(answer) = clients.join_next().await {
            assert_eq!(answer.unwrap().unwrap(), "hello");
            answered += 1;
        }
        answered
    });
    assert_eq!(answered, 5000);
    assert_eq!(world.starts().len(), 1);
}

#[test]
fn two_starts_at_a_time_are_one() {
    let world = World::new();
    let running = world.open(world.service(&["sleep", "50", "serve"]));
    world.block_on(async {
        let (one, other) =
            tokio::join!(running.supervisor.start("it"), running.supervisor.start("it"));
        one.unwrap();
        other.unwrap();
        running.supervisor.start("it").await.unwrap();
    });
    assert_eq!(running.status().phase, Phase::Running);
    assert_eq!(world.starts().len(), 1);
}

#[test]
fn a_client_that_breaks_off_while_it_waits_is_forgotten() {
    let world = World::new();
    let running = world.open(world.service(&["sleep", "1000", "serve"]));
    let stream = crate::world::connect(running.address()).unwrap();
    eventually("it waits", || running.status().waiting == 1);
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
    eventually("it is gone", || running.status().waiting == 0);
    assert_ne!(running.status().phase, Phase::Running, "before the app was there");
}
