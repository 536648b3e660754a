//! As many as possible, as fast as possible.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use super::Ground;
use super::peer::{CALLS, CANCEL, END, FAIL, REPLY, call, field, frame, number, read_greeting};
use crate::home::eventually;

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
    // Some hundreds may wait to be noticed.
    ground.endures("connects and closes", 8 << 20, || {
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

#[test]
fn whoever_connects_and_says_nothing_takes_a_bounded_number_of_places() {
    const PLACES: usize = 50;
    const SPARE: usize = 64;
    let ground = Ground::with(&[("FIX_CONNECTIONS", "50")]);
    let before = ground.descriptors();
    ground.endures("silent connections", 8 << 20, || {
        let hello = super::peer::hello(0, &ground.fingerprint);
        let probe = super::peer::hello(1, &[0; 8]);
        // With the bystander one below the limit.
        let mut silent: Vec<_> = (0..PLACES - 2).map(|_| ground.open()).collect();
        eventually("they are taken", || ground.descriptors() >= before + PLACES - 2);
        let mut peer = ground.peer();
        assert_eq!(peer.ask(0, "add", &[0]).kind, REPLY, "the last place");
        // Above it a session is told so, and a probe is answered.
        for (hello, kind) in [(&hello, 5), (&probe, 2)] {
            let mut stream = ground.open();
            stream.write_all(hello).unwrap();
            let answer = read_greeting(&mut stream).unwrap();
            assert_eq!(answer[6], kind, "{}", String::from_utf8_lossy(&answer));
        }
        // Far above it everybody is told so, heard or unheard.
        for _ in 0..2000 {
            let stream = ground.open();
            assert!(ground.descriptors() <= before + PLACES + SPARE + 8);
            silent.push(stream);
        }
        for stream in silent.iter_mut().rev().take(1000) {
            let answer = read_greeting(stream).unwrap();
            assert_eq!((answer[6], field(&answer, 15)), (5, Some(vec![5])));
        }
        // Those that were spared are let go soon: a probe is answered again.
        eventually("a probe is answered", || {
            let mut stream = ground.open();
            let _ = stream.write_all(&probe);
            read_greeting(&mut stream).is_ok_and(|answer| answer[6] == 2)
        });
        assert_eq!(peer.ask(0, "add", &[0]).kind, REPLY, "whoever was served is served");
    });
}
