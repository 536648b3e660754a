//! Bytes on their way through the supervisor.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

use crate::apart::{Apart, descriptors};
use crate::world::{World, ask, connect, eventually};

#[test]
fn what_was_sent_before_the_last_word_comes_back_completely() {
    let world = World::new();
    let running = world.open(world.service(&["serve"]));
    let sent: Vec<u8> = (0..=250).cycle().take(200_000).collect();
    for _ in 0..20 {
        let mut client = connect(running.address()).unwrap();
        let mut writer = client.try_clone().unwrap();
        let bytes = sent.clone();
        let writing = std::thread::spawn(move || {
            writer.write_all(&bytes).unwrap();
            writer.shutdown(Shutdown::Write).unwrap();
        });
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).unwrap();
        writing.join().unwrap();
        assert!(answer == sent, "{} of {} bytes", answer.len(), sent.len());
    }
}

#[test]
fn an_app_may_say_its_last_word_first() {
    let world = World::new();
    let running = world.open(world.service(&["http", "serve"]));
    let mut client = connect(running.address()).unwrap();
    client.write_all(b"GET /health HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("hi\n"), "{answer}");
    drop(client);
    eventually("it is over", || running.status().connections == 0);
}

/// Random enough to meet every step of a connection's life, and the same in each run.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[test]
fn ten_thousand_resets_at_any_moment_leave_nothing() {
    let world = World::new();
    let supervisor = Apart::supervise(&world, &["serve"]);
    let address = supervisor.address;
    assert_eq!(ask(address).unwrap(), "hello");
    let app = world.starts()[0];
    // The first client may not be over yet: so much may be gone in the end, and nothing be there more.
    let before = [supervisor.descriptors(), descriptors(app)];
    let clients: Vec<_> = (1..=4)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut moments = Moments(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
                for _ in 0..2500 {
                    let mut client = connect(address).unwrap();
                    let bytes = vec![7; 1 + usize::try_from(moments.next(4095)).unwrap()];
                    let _ = client.write_all(&bytes);
                    if moments.next(3) == 0 {
                        let _ = client.shutdown(Shutdown::Write);
                    }
                    if moments.next(2) == 0 {
                        let _ = client.read(&mut bytes.clone());
                    }
                    std::thread::sleep(Duration::from_micros(moments.next(300)));
                    set_socket_linger(&client, Some(Duration::ZERO)).unwrap();
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(ask(address).unwrap(), "hello");
    eventually("all descriptors are given back", || {
        supervisor.descriptors() <= before[0] && descriptors(app) <= before[1]
    });
    assert_eq!(world.starts(), [app], "the same app");
}

#[test]
fn a_reader_that_stalls_holds_up_the_app_and_nothing_else() {
    let world = World::new();
    let bytes = 1 << 30;
    let supervisor = Apart::supervise(&world, &["flood", &bytes.to_string(), "serve"]);
    let mut client = connect(supervisor.address).unwrap();
    let mut first = [0; 4096];
    client.read_exact(&mut first).unwrap();
    let before = supervisor.resident();
    // Long enough for a gigabyte, if somebody took it.
    std::thread::sleep(Duration::from_secs(1));
    let grown = supervisor.resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes");
    let mut buffer = vec![0; 1 << 20];
    let mut total = first.len();
    loop {
        match client.read(&mut buffer).unwrap() {
            0 => break,
            length => total += length,
        }
    }
    assert_eq!(total, bytes);
    let grown = supervisor.resident().saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes");
    // Clients that hang up in the middle of it, and the signal that this is for other programs.
    for _ in 0..20 {
        let mut client = connect(supervisor.address).unwrap();
        client.read_exact(&mut first).unwrap();
    }
    crate::world::kill(supervisor.pid(), rustix::process::Signal::PIPE);
    let mut client = connect(supervisor.address).unwrap();
    client.read_exact(&mut first).unwrap();
    assert_eq!(world.starts().len(), 1, "the same app");
}
