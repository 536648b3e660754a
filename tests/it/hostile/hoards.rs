//! Peers that make the daemon hold what it can, or leave much of it open.

use std::io::{ErrorKind, Write};
use std::time::{Duration, Instant};

use super::Ground;
use super::peer::{
    CALL, CALLS, CANCEL, CREDIT, END, FAIL, GOODBYE, ITEMS, PIECE, REPLY, WINDOW, call, frame,
    message, number, sequence,
};
use crate::home::eventually;

/// The limits of the daemons that are to hold something.
const MEMORY: usize = 16 << 20;
const MESSAGE: usize = 4 << 20;
const HIGH_WATER: usize = 4 << 20;

/// What may wait to be written before streams have to wait.
const CROWDED: usize = 256 << 10;

/// No stream may have more credit.
const MOST_CREDIT: u32 = 64 << 20;

/// For each open call its handler; a debug build's are not small.
const HANDLERS: usize = CALLS as usize * (8 << 10);

fn bounded() -> Ground {
    let (memory, message) = (MEMORY.to_string(), MESSAGE.to_string());
    Ground::with(&[("FIX_MEMORY", &memory), ("FIX_MESSAGE", &message)])
}

#[test]
fn arguments_that_never_end_are_bounded() {
    let ground = bounded();
    ground.endures("unfinished calls", 2 * MEMORY + HANDLERS, || {
        let mut peer = ground.peer();
        let piece = message("echo", &sequence(PIECE - 20));
        // Four times what it may hold, none of it finished.
        let slots = u32::try_from(4 * MEMORY / piece.len()).unwrap();
        for slot in 0..slots {
            peer.send(&frame(CALL, true, slot * 2, &piece));
        }
        for slot in 0..slots {
            // A byte too many, so that the answers are short.
            peer.send(&frame(CALL, false, slot * 2, &[0]));
        }
        let mut full = 0;
        for _ in 0..slots {
            let end = loop {
                let frame = peer.next().unwrap();
                if !frame.more {
                    break frame;
                }
            };
            match (end.kind, end.payload[0]) {
                (FAIL, 10) => full += 1,
                (FAIL, 2) => {}
                _ => panic!("{end:?}"),
            }
        }
        let taken = MEMORY / piece.len();
        assert_eq!(full, slots as usize - taken, "the others found it full");
        // All of it is free again.
        let answer = peer.ask(0, "echo", &sequence(1000));
        assert_eq!(answer.kind, REPLY);
    });
}

#[test]
fn a_peer_that_never_reads_its_answers_is_bounded() {
    let ground = bounded();
    let allowance = 2 * MEMORY + MEMORY + MESSAGE + 2 * HIGH_WATER + HANDLERS;
    ground.endures("unread answers", allowance, || {
        let mut ready = ground.peer();
        ready.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let echo = |slot| call(slot, "echo", &sequence(60_000));
        // At some time nothing more is taken from it.
        let stuck = (0..CALLS).find_map(|slot| ready.stream.write_all(&echo(slot)).err());
        let stuck = stuck.expect("it may go on for ever");
        assert_eq!(stuck.kind(), ErrorKind::WouldBlock);
    });
    ground.endures("late unread answers", allowance, || {
        let mut later = ground.peer();
        // They come together, so all are begun before the first has its answer.
        let arguments = [number(1000), number(1 << 20)].concat();
        later.send(&(0..200).flat_map(|slot| call(slot, "grow", &arguments)).collect::<Vec<_>>());
        let mut other = ground.peer();
        let done = [251, 144, 1];
        eventually("200 answers were given", || other.ask(0, "add", &[0]).payload == done);
        // Whoever was refused was told so.
        let mut ends = [0; 2];
        while ends.iter().sum::<usize>() < 200 {
            let frame = later.next().unwrap();
            match (frame.kind, frame.more) {
                (REPLY, false) => ends[0] += 1,
                (FAIL, false) => {
                    assert_eq!(frame.payload[0], 9);
                    ends[1] += 1;
                }
                _ => {}
            }
        }
        let [answered, refused] = ends;
        assert!(answered >= MEMORY >> 20 && refused > 0, "{answered} answered, {refused} refused");
    });
}

#[test]
fn streams_without_credit_wait_and_hold_their_window() {
    const STREAMS: u32 = 1000;
    let ground = bounded();
    let each = WINDOW as usize + (64 << 10);
    ground.endures("no credit", STREAMS as usize * each, || {
        let mut peer = ground.peer();
        let opened = (0..STREAMS).flat_map(|slot| call(slot, "count", &number(u64::MAX)));
        peer.send(&opened.chain(call(STREAMS, "add", &[0])).collect::<Vec<_>>());
        // Each sends its window and what was begun in it; others are served.
        let mut sent = vec![0; STREAMS as usize];
        let mut answered = false;
        while !answered || sent.contains(&0) {
            let frame = peer.next().unwrap();
            match frame.kind {
                ITEMS => sent[frame.id as usize / 2] += frame.payload.len(),
                REPLY => answered = true,
                _ => panic!("{frame:?}"),
            }
        }
        assert_eq!(peer.ask(STREAMS, "add", &[0]).kind, REPLY, "nothing else is sent");
        let most = sent.iter().max().unwrap();
        assert!(*most < WINDOW as usize + (40 << 10), "{most} bytes without credit");
        // Ended by a Cancel without credit.
        let cancels = (0..STREAMS).flat_map(|slot| frame(CANCEL, false, slot * 2, &[]));
        peer.send(&cancels.collect::<Vec<_>>());
        for _ in 0..STREAMS {
            let end = peer.next().unwrap();
            assert_eq!((end.kind, end.payload[0]), (FAIL, 4), "{end:?}");
        }
    });
}

#[test]
fn too_much_credit_breaks_the_protocol() {
    let ground = Ground::new();
    for credit in [MOST_CREDIT - WINDOW + 1, u32::MAX] {
        let mut peer = ground.peer();
        peer.send(&call(0, "stall", &[]));
        let first = peer.next().unwrap();
        assert_eq!(first.kind, ITEMS);
        let used = u32::try_from(first.payload.len()).unwrap();
        peer.send(&frame(CREDIT, false, 0, &used.to_le_bytes()));
        peer.send(&frame(CREDIT, false, 0, &credit.to_le_bytes()));
        let last = peer.next().unwrap();
        assert_eq!((last.kind, last.payload[0]), (GOODBYE, 1), "{last:?}");
        assert_eq!(
            String::from_utf8_lossy(&last.payload[1..]),
            "stream 0 used more than its credit"
        );
        assert!(peer.next().is_err());
    }
}

#[test]
fn whoever_opens_all_it_may_and_leaves_leaves_nothing() {
    let ground = bounded();
    ground.endures("opens all and leaves", HANDLERS + (CALLS as usize) * (64 << 10), || {
        for round in 0..20 {
            let mut peer = ground.peer();
            let (method, arguments) =
                if round % 2 == 0 { ("sleep", number(600_000)) } else { ("stall", Vec::new()) };
            let calls: Vec<u8> =
                (0..CALLS).flat_map(|slot| call(slot, method, &arguments)).collect();
            peer.send(&calls);
            if round % 3 == 0 {
                // One more is against the rules.
                peer.send(&call(CALLS, method, &arguments));
                let last = loop {
                    let frame = peer.next().unwrap();
                    if frame.kind == GOODBYE {
                        break frame;
                    }
                };
                assert_eq!(last.payload[0], 1);
            }
        }
        // Their objects go with them.
        let mut peer = ground.peer();
        eventually("all objects are dropped", || peer.ask(0, "dropped", &[]).payload[0] >= 20);
    });
}

#[test]
fn whoever_stops_talking_ends_its_calls() {
    let ground = Ground::new();
    let began = Instant::now();
    let mut peer = ground.peer();
    peer.send(&call(0, "sleep", &number(600_000)));
    peer.send(&call(1, "stall", &[]));
    peer.send(&call(2, "add", &[0]));
    let bytes = peer.rest();
    let kinds: Vec<_> = super::peer::frames(&bytes).iter().map(|frame| frame.kind).collect();
    assert!(!kinds.contains(&END) && !kinds.contains(&GOODBYE), "{kinds:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn all_streams_that_nobody_reads_hold_one_queue() {
    let ground = bounded();
    // What is written, twice because buffers double, and the handlers with their streams.
    ground.endures("unread streams", 4 * CROWDED + 2 * HANDLERS, || {
        let mut peer = ground.peer();
        let opened = (0..CALLS).flat_map(|slot| call(slot, "count", &number(u64::MAX)));
        peer.send(&opened.collect::<Vec<_>>());
        let mut other = ground.peer();
        for _ in 0..300 {
            assert_eq!(other.ask(0, "add", &[0]).kind, REPLY);
        }
        // Each gets its turn.
        let mut heard = vec![false; CALLS as usize];
        while heard.contains(&false) {
            let frame = peer.next().unwrap();
            assert_eq!(frame.kind, ITEMS);
            heard[frame.id as usize / 2] = true;
        }
    });
}

#[test]
fn all_streams_that_no_handler_takes_hold_their_windows_and_what_there_is_room_for() {
    let ground = bounded();
    let first = MEMORY / 4 / CALLS as usize;
    let allowance = 2 * (CALLS as usize * first + MEMORY) + 4 * CROWDED + 2 * HANDLERS;
    ground.endures("untaken streams", allowance, || {
        let mut peer = ground.peer();
        let items = [&60_000_u32.to_le_bytes()[..], &vec![1; 60_000]].concat();
        let mut begin = message("double", &[]);
        begin[8] = 1;
        // What it answers with has no credit before all of it is taken.
        for slot in 0..CALLS {
            peer.send(&frame(CALL, false, slot * 2, &begin));
            peer.send(&frame(ITEMS, false, slot * 2, &items));
        }
        // Those for which there is no room end, and no others.
        let room = MEMORY / (items.len() - first);
        let mut fails = 0;
        while fails < CALLS as usize - room {
            let frame = peer.next().unwrap();
            if frame.kind == FAIL {
                assert_eq!(frame.payload[0], 12, "{frame:?}");
                fails += 1;
            }
        }
        let cancels = (0..CALLS).flat_map(|slot| frame(CANCEL, false, slot * 2, &[]));
        peer.send(&cancels.collect::<Vec<_>>());
        while fails < CALLS as usize {
            fails += usize::from(peer.next().unwrap().kind == FAIL);
        }
        assert_eq!(peer.ask(0, "add", &[0]).kind, REPLY);
    });
}
