//! The supervisor as a program has it: services that come and go, events, limits, inherited sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use autod_activator::{Address, Listen, Phase, Restart, Shutdown, Stop, Supervisor};
use rustix::process::Signal;

use crate::world::{World, any_port, ask, connect, eventually, kill};

fn tcp(supervisor: &Supervisor, name: &str) -> SocketAddr {
    match supervisor.addresses(name).unwrap()[..] {
        [Address::Tcp(address)] => address,
        ref other => panic!("{other:?}"),
    }
}

/// A client whose first words came back.
fn served(address: SocketAddr) -> TcpStream {
    let mut client = connect(address).unwrap();
    client.write_all(b"hello").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    client
}

/// Nobody listens to the events.
#[test]
fn services_come_and_go_while_it_runs() {
    let world = World::new();
    world.block_on(async {
        let supervisor = Supervisor::builder().open().unwrap();
        assert!(supervisor.list().is_empty());
        supervisor.add(world.service(&["serve"])).await.unwrap();
        let address = tcp(&supervisor, "it");
        let meet = || tokio::task::spawn_blocking(move || ask(address));
        assert_eq!(meet().await.unwrap().unwrap(), "hello");

        supervisor.add(world.service(&["serve"])).await.unwrap();
        assert_eq!(tcp(&supervisor, "it"), address, "the same again changes nothing");
        for other in [world.service(&["exit", "3"]), world.service(&["serve"]).dir("/")] {
            let error = supervisor.add(other).await.unwrap_err();
            assert!(error.is_duplicate_service(), "{error}");
        }
        let wrong = supervisor.add(world.bare(&["serve"])).await.unwrap_err();
        assert!(wrong.is_duplicate_service() || wrong.is_description(), "{wrong}");
        assert_eq!(supervisor.list().len(), 1);
        assert_eq!(meet().await.unwrap().unwrap(), "hello");
        assert_eq!(world.starts().len(), 1, "the one that was there is not touched");

        assert!(supervisor.remove("it").await.unwrap());
        assert!(!supervisor.remove("it").await.unwrap());
        assert!(meet().await.unwrap().is_err(), "nobody listens");
        for error in [
            supervisor.start("it").await.unwrap_err(),
            supervisor.stop("it", Stop::Soft).await.unwrap_err(),
            supervisor.status("it").unwrap_err(),
            supervisor.hold("it", "").unwrap_err(),
        ] {
            assert!(error.is_unknown_service(), "{error}");
        }

        let same = world.bare(&["serve"]).listen(Listen::tcp(address));
        supervisor.add(same).await.unwrap();
        assert_eq!(meet().await.unwrap().unwrap(), "hello");
        assert_eq!(world.starts().len(), 2);

        supervisor.close(Shutdown::Force).await;
        supervisor.close(Shutdown::Drain(Duration::from_secs(9))).await;
        assert!(supervisor.list().is_empty());
        for error in [
            supervisor.add(world.service(&["serve"])).await.unwrap_err(),
            supervisor.remove("it").await.unwrap_err(),
            supervisor.start("it").await.unwrap_err(),
            supervisor.stop("it", Stop::Force).await.unwrap_err(),
            supervisor.status("it").unwrap_err(),
        ] {
            assert!(error.is_closed(), "{error}");
        }
    });
    assert!(world.processes().is_empty());
}

#[test]
fn nothing_is_begun_if_one_service_of_several_cannot_be() {
    let world = World::new();
    let taken = TcpListener::bind(any_port()).unwrap();
    let free = TcpListener::bind(any_port()).unwrap();
    let [first, second] = [&free, &taken].map(|socket| socket.local_addr().unwrap());
    drop(free);
    let one = || world.bare(&["serve"]).listen(Listen::tcp(first));
    world.block_on(async {
        let other = autod_activator::Service::new("other", "x").listen(Listen::tcp(second));
        let error = Supervisor::builder().service(one()).service(other).open().unwrap_err();
        assert!(error.is_in_use(), "{error}");
        let twin = world.service(&["serve"]);
        let error = Supervisor::builder().services([one(), twin]).open().unwrap_err();
        assert!(error.is_duplicate_service(), "{error}");
        let wrong = autod_activator::Service::new("a b", "").listen(Listen::tcp(second));
        let error = Supervisor::builder().service(one()).service(wrong).open().unwrap_err();
        assert!(error.is_description(), "{error}");
        let text = error.to_string();
        assert!(text.contains("is no name") && text.contains("command is empty"), "{text}");
    });
    // It was given back each time.
    drop(TcpListener::bind(first).unwrap());
}

#[test]
fn a_removed_service_lets_its_clients_come_to_their_end() {
    let world = World::new();
    let running = world.open(world.service(&["serve"]));
    let mut client = served(running.address());
    let supervisor = running.supervisor.clone();
    let removing = world.spawn(async move { assert!(supervisor.remove("it").await.unwrap()) });
    eventually("nobody is accepted any more", || ask(client.peer_addr().unwrap()).is_err());
    client.write_all(b"still here").unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(std::io::read_to_string(client).unwrap(), "still here");
    world.block_on(removing).unwrap();
    assert!(world.processes().is_empty());
}

#[test]
fn a_life_is_told_in_its_order() {
    let world = World::new();
    let restart = Restart { first: Duration::from_millis(10), ..Restart::default() };
    let service =
        world.service(&["serve"]).idle_timeout(Duration::from_millis(100)).restart(restart);
    let running = world.open(service);
    let mut told = Vec::new();
    let mut hear = |running: &mut crate::world::Running<'_>, last: &str| {
        running.event(|what| {
            told.push(what.name());
            (what.name() == last).then_some(())
        });
        std::mem::take(&mut told)
    };
    let mut running = running;
    assert_eq!(running.ask().unwrap(), "hello");
    let first = ["listening", "connection", "starting", "ready", "idle-stop", "stopped"];
    assert_eq!(hear(&mut running, "stopped"), first);

    let mut client = served(running.address());
    kill(*world.starts().last().unwrap(), Signal::KILL);
    assert!(client.read(&mut [0]).is_err());
    // The connection is broken by the end that is seen first.
    let mut second = hear(&mut running, "relay-error");
    if !second.contains(&"backoff") {
        second.extend(hear(&mut running, "backoff"));
    }
    second.retain(|name| *name != "relay-error");
    assert_eq!(second, ["connection", "starting", "ready", "crashed", "backoff"]);

    assert_eq!(running.ask().unwrap(), "hello");
    let supervisor = running.supervisor.clone();
    world.block_on(supervisor.close(Shutdown::Drain(Duration::from_secs(5))));
    let third = hear(&mut running, "closed");
    assert!(third.ends_with(&["draining", "stopped", "closed"]), "{third:?}");
    assert_eq!(hear(&mut running, "closed"), ["closed"], "that of the supervisor");
}

#[test]
fn more_connections_than_the_most_wait_for_their_turn() {
    let world = World::new();
    let running = world.open(world.service(&["serve"]).max_connections(2));
    let first = served(running.address());
    let _second = served(running.address());
    let mut third = connect(running.address()).unwrap();
    third.write_all(b"hello").unwrap();
    third.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let error = third.read(&mut [0]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(running.status().connections, 2);
    drop(first);
    third.set_read_timeout(Some(crate::world::PATIENCE)).unwrap();
    third.read_exact(&mut [0; 5]).unwrap();
    assert_eq!(running.status().connections, 2);
}

#[test]
fn no_more_than_the_most_are_held_while_it_starts() {
    let world = World::new();
    let running = world.open(world.service(&["sleep", "500", "serve"]).max_pending(2));
    let address = running.address();
    let clients: Vec<_> = (0..6).map(|_| std::thread::spawn(move || ask(address))).collect();
    eventually("two wait", || running.status().waiting == 2);
    while running.status().phase == Phase::Starting {
        assert!(running.status().waiting <= 2);
        std::thread::yield_now();
    }
    for client in clients {
        assert_eq!(client.join().unwrap().unwrap(), "hello");
    }
    assert_eq!(world.starts().len(), 1);
}

#[test]
fn a_stop_leaves_connections_to_themselves_up_to_the_limit() {
    let world = World::new();
    let limit = Duration::from_millis(400);
    let running = world.open(world.service(&["serve"]).drain_timeout(limit));
    let mut stuck = served(running.address());
    let began = Instant::now();
    world.block_on(running.supervisor.stop("it", Stop::Soft)).unwrap();
    let took = began.elapsed();
    assert!(took >= limit && took < limit + Duration::from_secs(5), "{took:?}");
    assert!(matches!(stuck.read(&mut [0]), Ok(0) | Err(_)), "it is over");

    // One that ends sooner is not waited for any longer.
    let long = Duration::from_secs(60);
    let world = World::new();
    let running = world.open(world.service(&["serve"]).drain_timeout(long));
    let client = served(running.address());
    let supervisor = running.supervisor.clone();
    let stopping = world.spawn(async move { supervisor.stop("it", Stop::Soft).await.unwrap() });
    eventually("it drains", || running.status().phase == Phase::Stopping);
    // Whoever comes now is served by the next one.
    let address = running.address();
    let next = std::thread::spawn(move || ask(address));
    eventually("it waits", || running.status().waiting == 1);
    drop(client);
    world.block_on(stopping).unwrap();
    assert_eq!(next.join().unwrap().unwrap(), "hello");
    assert_eq!(world.starts().len(), 2);
}

#[test]
fn sockets_that_listen_already_are_used_by_address_or_by_name() {
    let world = World::new();
    let [one, other] = [(); 2].map(|()| TcpListener::bind(any_port()).unwrap());
    let addresses = [&one, &other].map(|socket| socket.local_addr().unwrap());
    // Both in the kernel's queue before there is a supervisor.
    let clients = addresses.map(|address| std::thread::spawn(move || ask(address)));
    let service = world
        .bare(&["serve"])
        .listen(Listen::tcp(addresses[0]).name("one"))
        .listen(Listen::tcp(any_port()).name("two"));
    let supervisor = world.block_on(async {
        let builder = Supervisor::builder().service(service);
        builder.inherit("any", one.into()).inherit("two", other.into()).open().unwrap()
    });
    assert_eq!(supervisor.addresses("it").unwrap(), addresses.map(Address::Tcp));
    for client in clients {
        assert_eq!(client.join().unwrap().unwrap(), "hello");
    }
    assert_eq!(world.starts().len(), 1);
}
