//! Arguments whose bytes claim more than they hold, or nothing that there is.

use std::time::{Duration, Instant};

use super::Ground;
use super::peer::{FAIL, Peer, REPLY, number, sequence};

/// Code 2 of a Fail: not executed, the arguments did not decode.
const ARGUMENTS: u8 = 2;

#[track_caller]
fn is_refused(peer: &mut Peer, method: &str, arguments: &[u8]) {
    let began = Instant::now();
    let answer = peer.ask(0, method, arguments);
    let start = &arguments[..arguments.len().min(20)];
    assert_eq!((answer.kind, answer.payload[0]), (FAIL, ARGUMENTS), "{method} {start:x?}");
    assert!(began.elapsed() < Duration::from_secs(5), "{method} {start:x?}");
}

const HUGE: [u64; 5] = [1 << 31, (1 << 31) - 1, 1 << 40, u64::MAX >> 1, u64::MAX];

#[test]
fn a_claimed_length_is_not_believed() {
    let ground = Ground::new();
    // Nothing of what is claimed is allocated.
    ground.endures("huge lengths", 4 << 20, || {
        let mut peer = ground.peer();
        for claim in HUGE.map(number) {
            is_refused(&mut peer, "echo", &claim);
            is_refused(&mut peer, "mark", &claim);
            is_refused(&mut peer, "measure", &[&[1][..], &claim].concat());
            // A leaf, then empty elements.
            is_refused(&mut peer, "measure", &[&[0][..], &claim].concat());
        }
        is_refused(&mut peer, "echo", &[&number(1000)[..], &[7; 999]].concat());
        // Many lengths that claim as much as they may.
        let trees = [&[1][..], &number(100_000), &[1, 252, 0, 0, 1, 0].repeat(100_000)].concat();
        is_refused(&mut peer, "measure", &trees);
    });
}

#[test]
fn empty_elements_are_taken_up_to_the_limit() {
    let ground = Ground::new();
    let mut peer = ground.peer();
    let most = [&[0][..], &number(65_536)].concat();
    assert_eq!(peer.ask(0, "measure", &most).kind, REPLY);
    is_refused(&mut peer, "measure", &[&[0][..], &number(65_537)].concat());
}

#[test]
fn a_value_is_nested_no_deeper_than_the_stack_allows() {
    let ground = Ground::new();
    ground.endures("deep values", 32 << 20, || {
        let mut peer = ground.peer();
        // The tuple of the arguments is a level, each branch an enum and a sequence.
        for (depth, is_taken) in
            [(1, true), (63, true), (64, false), (1000, false), (1 << 20, false)]
        {
            let mut arguments = [1, 1].repeat(depth);
            arguments.extend_from_slice(&[0, 0]);
            if is_taken {
                let answer = peer.ask(0, "measure", &arguments);
                assert_eq!(answer.kind, REPLY, "{depth}");
                assert_eq!(u64::from(answer.payload[0]), depth as u64);
            } else {
                is_refused(&mut peer, "measure", &arguments);
            }
        }
    });
}

#[test]
fn bytes_that_are_no_value_fail_their_call() {
    let ground = Ground::new();
    ground.endures("no values", 4 << 20, || {
        let mut peer = ground.peer();
        let good = [&[1][..], "é".as_bytes(), &sequence(0), &[1, 5]].concat();
        assert_eq!(peer.ask(0, "judge", &good).kind, REPLY);
        let with = |flag: u8, letter: &[u8], text: &[u8], maybe: &[u8]| {
            [&[flag][..], letter, text, maybe].concat()
        };
        for flag in 2..=255 {
            is_refused(&mut peer, "judge", &with(flag, b"a", &[0], &[0]));
        }
        for letter in [&[0xff][..], &[0xed, 0xa0, 0x80], &[0xf4, 0x90, 0x80, 0x80], &[0xc0, 0x80]] {
            is_refused(&mut peer, "judge", &with(1, letter, &[0], &[0]));
        }
        for text in [&[1, 0xff][..], &[2, 0xc3, 0x28], &[3, 0xed, 0xa0, 0x80]] {
            is_refused(&mut peer, "judge", &with(1, b"a", text, &[0]));
        }
        for maybe in [2, 3, 255] {
            is_refused(&mut peer, "judge", &with(1, b"a", &[0], &[maybe, 0]));
        }
        for variant in [2, 250] {
            is_refused(&mut peer, "measure", &[variant, 0]);
        }
        for mark in [254, 255] {
            is_refused(&mut peer, "add", &[mark; 20]);
        }
        is_refused(&mut peer, "add", &[2, 2]);
        is_refused(&mut peer, "add", &[]);
    });
}
