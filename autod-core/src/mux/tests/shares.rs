//! Many streams of one connection: what they hold together, and that none waits for ever.

use std::collections::VecDeque;
use std::task::Waker;

use proptest::prelude::*;

use crate::mux::asked::{End, Expect, Opening};
use crate::mux::batch::Batch;
use crate::mux::flow::{Received, Role, Sent};
use crate::mux::serving::Ticket;
use crate::mux::state::{Side, State};
use crate::mux::turns::CROWDED;
use crate::wire::frame::FailCode;
use crate::wire::limits::{Holds, Limits, Receives};

const STREAMS: usize = 40;
const MESSAGE: u32 = 64 << 10;
const MEMORY: usize = 256 << 10;
const WINDOW: u32 = 1 << 10;
const GROWN: usize = 16 << 10;

/// Two ends with streams in both directions.
struct World {
    client: State,
    server: State,
    tickets: Vec<Ticket>,
}

impl World {
    fn new() -> Self {
        Self::with(MEMORY)
    }

    fn with(memory: usize) -> Self {
        let receives = Receives { message: MESSAGE, calls: 40, window: WINDOW };
        let holds = Holds { memory, window: GROWN };
        let mut world = Self {
            client: State::new(Side::Connector, receives, receives, holds),
            server: State::new(Side::Acceptor, receives, receives, holds),
            tickets: Vec::new(),
        };
        for _ in 0..STREAMS {
            let mut call = vec![0; 9];
            call[8] = 1;
            let opening = Opening { expect: Expect::Items, sends: true };
            world
                .client
                .begin(opening, &mut call.into(), &mut None, Waker::noop())
                .expect("a slot");
        }
        world.tickets = world.carry(true);
        assert_eq!(world.tickets.len(), STREAMS);
        world
    }

    /// Brings one batch from one end to the other.
    fn carry(&mut self, to_server: bool) -> Vec<Ticket> {
        let (from, to) = if to_server {
            (&mut self.client, &mut self.server)
        } else {
            (&mut self.server, &mut self.client)
        };
        let mut batch = Batch::default();
        from.outbox.take(&mut batch);
        from.call_next(&mut Vec::new());
        if batch.is_empty() {
            from.call_more(&mut Vec::new());
        }
        let mut arrived = VecDeque::new();
        let taken = to.on_bytes(&batch.to_vec(), &mut arrived, &mut Vec::new());
        taken.unwrap_or_else(|broken| panic!("{broken}"));
        arrived.into_iter().map(|call| call.ticket).collect()
    }

    fn carry_all(&mut self) {
        while !self.client.outbox.is_empty() || !self.server.outbox.is_empty() {
            self.carry(true);
            self.carry(false);
        }
    }

    fn role(&self, stream: usize, caller: bool) -> Role {
        if caller {
            Role::Caller(u32::try_from(stream).unwrap())
        } else {
            Role::Callee(self.tickets[stream])
        }
    }

    fn end(&mut self, caller: bool) -> &mut State {
        if caller { &mut self.client } else { &mut self.server }
    }

    fn send(&mut self, stream: usize, caller: bool, length: usize) -> Sent {
        let role = self.role(stream, caller);
        let mut payload = vec![1; length.max(4)];
        payload[..4].copy_from_slice(&1_u32.to_le_bytes());
        self.end(caller).send(role, 0, &payload, Waker::noop())
    }

    fn receive(&mut self, stream: usize, caller: bool) -> Option<Received> {
        let role = self.role(stream, caller);
        self.end(caller).receive(role, Waker::noop(), &mut Vec::new())
    }

    fn check(&self) {
        // First windows, what they have grown by, and what passes them.
        let most = 2 * STREAMS * WINDOW as usize + MEMORY + MEMORY / 4;
        for end in [&self.client, &self.server] {
            let taken = end.outgoing.waiting() + end.serving.waiting();
            assert!(taken <= most, "{taken} bytes to be taken, at most {most}");
            let written = end.outbox.waiting();
            assert!(written <= CROWDED + MESSAGE as usize + 4096, "{written} bytes to be written");
        }
    }
}

fn failed(received: Option<&Received>) -> bool {
    match received {
        Some(Received::End(End::Fail(code, _))) => {
            assert_eq!(*code, FailCode::Overfull);
            true
        }
        Some(Received::Cut(error)) => {
            assert!(error.is_limit() || error.is_cancelled(), "{error}");
            true
        }
        _ => false,
    }
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Send { stream: usize, caller: bool, length: usize },
    Take { stream: usize, caller: bool },
    Carry { to_server: bool },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let stream = 0..STREAMS;
    let length = prop_oneof![3 => 4..2000_usize, 1 => 2000..MESSAGE as usize];
    let act = prop_oneof![
        6 => (stream.clone(), any::<bool>(), length)
            .prop_map(|(stream, caller, length)| Act::Send { stream, caller, length }),
        2 => (stream, any::<bool>()).prop_map(|(stream, caller)| Act::Take { stream, caller }),
        2 => any::<bool>().prop_map(|to_server| Act::Carry { to_server }),
    ];
    proptest::collection::vec(act, 1..600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the users do, what all streams hold is bounded; and while all but one of them are
    /// stalled for ever, that one brings over as much as it likes, in messages of its window.
    #[test]
    fn streams_that_nobody_takes_neither_hold_much_nor_hold_up_another(
        acts in acts(),
        chosen in 0..STREAMS,
        up in any::<bool>(),
    ) {
        let mut world = World::new();
        for act in acts {
            match act {
                Act::Send { stream, .. } | Act::Take { stream, .. } if stream == chosen => {}
                Act::Send { stream, caller, length } => {
                    world.send(stream, caller, length);
                }
                Act::Take { stream, caller } => {
                    world.receive(stream, caller);
                }
                Act::Carry { to_server } => {
                    world.carry(to_server);
                }
            }
            world.check();
        }
        let (mut sent, mut taken) = (0, 0);
        for _ in 0..200 {
            sent += u32::from(world.send(chosen, up, WINDOW as usize) == Sent::Yes);
            world.carry(true);
            world.carry(false);
            while let Some(received) = world.receive(chosen, !up) {
                assert!(matches!(received, Received::Chunk(_)), "{received:?}");
                taken += 1;
            }
            world.check();
        }
        world.carry_all();
        while let Some(Received::Chunk(_)) = world.receive(chosen, !up) {
            taken += 1;
        }
        prop_assert_eq!(sent, taken);
        prop_assert!(sent >= 60, "{} of 200", sent);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// A connection that is crowded with the messages of others lets each stream have its turn.
    #[test]
    fn every_stream_gets_its_turn(order in proptest::collection::vec(0..STREAMS, 1..10)) {
        let mut world = World::with(STREAMS * MESSAGE as usize);
        let mut sent = [0_u32; STREAMS];
        // Whoever is greedy tries all the time; all others once in a round.
        for _ in 0..240 {
            for &greedy in &order {
                sent[greedy] += u32::from(world.send(greedy, false, MESSAGE as usize) == Sent::Yes);
                prop_assert!(world.server.outbox.waiting() < CROWDED + MESSAGE as usize + 4096);
            }
            for (stream, sent) in sent.iter_mut().enumerate() {
                *sent += u32::from(world.send(stream, false, MESSAGE as usize) == Sent::Yes);
            }
            world.carry(false);
            for stream in 0..STREAMS {
                while let Some(Received::Chunk(_)) = world.receive(stream, true) {}
            }
            world.carry(true);
        }
        let least = sent.iter().min().unwrap();
        let most = sent.iter().max().unwrap();
        // 4 messages go at a time, 24 for each stream; whoever comes first of all may have more.
        prop_assert!(*least >= 16 && *most <= 60, "{:?}", sent);
    }
}

#[test]
fn a_message_for_which_there_is_no_room_ends_its_stream_alone() {
    for up in [true, false] {
        let mut world = World::new();
        let mut ended = 0;
        for stream in 0..STREAMS - 1 {
            assert_eq!(world.send(stream, up, MESSAGE as usize), Sent::Yes);
            world.carry_all();
            world.check();
        }
        let mut taken = 0;
        for stream in 0..STREAMS - 1 {
            let first = world.receive(stream, !up);
            if failed(first.as_ref()) {
                ended += 1;
            } else {
                assert!(matches!(first, Some(Received::Chunk(_))), "{first:?}");
                taken += 1;
            }
        }
        let excess = (MESSAGE - WINDOW) as usize;
        assert_eq!(taken, (MEMORY / excess), "as many as there is room for");
        assert_eq!(ended, STREAMS - 1 - taken);
        world.carry_all();
        // What was taken makes room.
        let last = STREAMS - 1;
        for stream in 0..taken {
            assert!(world.receive(stream, !up).is_none());
        }
        assert_eq!(world.send(last, up, MESSAGE as usize), Sent::Yes);
        world.carry_all();
        assert!(matches!(world.receive(last, !up), Some(Received::Chunk(_))));
    }
}

/// A handler that has taken all of a stream may run on for long.
#[test]
fn what_was_taken_of_a_stream_that_has_ended_makes_room() {
    let mut world = World::new();
    let fit = MEMORY / (MESSAGE - WINDOW) as usize;
    for stream in 0..fit {
        assert_eq!(world.send(stream, true, MESSAGE as usize), Sent::Yes);
        let role = world.role(stream, true);
        world.client.half_close(role);
    }
    world.carry_all();
    for stream in 0..fit {
        assert!(matches!(world.receive(stream, false), Some(Received::Chunk(_))));
        assert!(matches!(world.receive(stream, false), Some(Received::Finished)));
    }
    for stream in fit..2 * fit {
        assert_eq!(world.send(stream, true, MESSAGE as usize), Sent::Yes);
    }
    world.carry_all();
    for stream in fit..2 * fit {
        let received = world.receive(stream, false);
        assert!(matches!(received, Some(Received::Chunk(_))), "{received:?}");
    }
}

#[test]
fn first_windows_take_a_quarter_of_the_memory() {
    let mut limits = Limits::default();
    let first = |limits: &Limits| Receives::from(limits).window;
    assert_eq!(first(&limits), 32 << 10);
    limits.calls = 16;
    assert_eq!(first(&limits), limits.window, "not above the window");
    limits.memory = 0;
    assert_eq!(first(&limits), 1 << 10, "the least that the protocol allows");
}
