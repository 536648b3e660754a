//! As many as possible, as fast as possible.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::Ground;
use super::peer::{CALLS, CANCEL, END, FAIL, REPLY, call, frame, number};

#[test]
fn half_a_million_cancelled_calls() {
    const PAIRS: u32 = 500_000;
    const BATCH: u32 = CALLS;
    let ground = Ground::new();
    ground.endures("cancels", CALLS as usize * (8 << 10), || {
        let began = Instant::now();
        let mut peer = ground.peer();
        let batch: Vec<u8> = (0..BATCH)
            .flat_map(|slot| {
                [call(slot, "sleep", &number(600_000)), frame(CANCEL, false, slot * 2, &[])]
            })
            .flatten()
            .collect();
        let mut sent = 0;
        while sent < PAIRS {
            peer.send(&batch);
            sent += BATCH;
            let mut open = vec![true; BATCH as usize];
            for _ in 0..BATCH {
                let end = peer.next().unwrap();
                assert_eq!((end.kind, end.payload[0]), (FAIL, 4), "{end:?}");
                assert!(std::mem::take(&mut open[end.id as usize / 2]), "answered twice");
            }
        }
        println!("{sent} pairs in {:?}", began.elapsed());
    });
}

#[test]
fn cancels_of_what_was_answered_are_ignored() {
    let ground = Ground::new();
    let mut peer = ground.peer();
    assert_eq!(peer.ask(0, "add", &[0]).kind, REPLY);
    for _ in 0..10_000 {
        peer.send(&frame(CANCEL, false, 0, &[]));
    }
    peer.send(&call(1, "count", &[3]));
    while peer.next().unwrap().kind != END {}
}

#[test]
fn fifty_thousand_connections_that_close_at_once() {
    const CONNECTIONS: usize = 50_000;
    let ground = Ground::new();
    let hello = super::peer::hello(0, &ground.fingerprint);
    // Some thousands may wait to be noticed.
    ground.endures("connects and closes", 64 << 20, || {
        let began = Instant::now();
        let sock = ground.sock();
        for number in 0..CONNECTIONS {
            let mut stream = UnixStream::connect(&sock).expect("the daemon listens");
            match number % 4 {
                0 => {}
                1 => drop(stream.write_all(&hello[..number % hello.len()])),
                2 => drop(stream.write_all(&hello)),
                _ => drop(stream.shutdown(std::net::Shutdown::Both)),
            }
        }
        println!("{CONNECTIONS} connections in {:?}", began.elapsed());
    });
}
