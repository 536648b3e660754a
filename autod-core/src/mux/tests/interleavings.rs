//! Two ends as plain data that call each other, driven by arbitrary acts of their users, and bytes that
//! come in arbitrary parts.
//!
//! What is shown after each act: items come in order, each once; memory is bounded. When all bytes
//! have come: what was spent of the credit is what the receiver holds. At the end: whoever goes on
//! taking gets everything, and every slot is free.

use std::collections::{BTreeMap, VecDeque};
use std::task::Waker;

use proptest::prelude::*;

use crate::codec::Message;
use crate::mux::asked::{End, Expect, Opening};
use crate::mux::batch::Batch;
use crate::mux::flow::{Received, Role, Sent};
use crate::mux::serving::Ticket;
use crate::mux::state::{Side, State};
use crate::wire::frame::{FailCode, Kind};
use crate::wire::limits::{Holds, Receives};

const WINDOW: u32 = 1024;
const CALLS: u32 = 3;
const LARGEST: usize = 200_000;

/// Windows grow, and there is room for all.
const GROWN: usize = 8 << 10;
const HOLDS: Holds = Holds { memory: 8 << 20, window: GROWN };

#[derive(Clone, Copy, Debug)]
enum Act {
    Call {
        side: Side,
        expect: u8,
        sends: bool,
        length: usize,
    },
    /// Of the n-th call that is open.
    Send {
        call: u8,
        caller: bool,
        length: usize,
    },
    Take {
        call: u8,
        caller: bool,
    },
    HalfClose {
        call: u8,
        caller: bool,
    },
    Refuse {
        call: u8,
    },
    Answer {
        call: u8,
        fails: bool,
    },
    Drop {
        call: u8,
    },
    /// So many bytes arrive.
    Carry {
        to_server: bool,
        length: usize,
    },
    CarryAll,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let length = prop_oneof![4 => 4..200_usize, 2 => 200..3000_usize, 1 => 60_000..LARGEST];
    let act = prop_oneof![
        2 => (any::<bool>(), 0..3_u8, any::<bool>(), length.clone())
            .prop_map(|(back, expect, sends, length)| {
                let side = if back { Side::Acceptor } else { Side::Connector };
                Act::Call { side, expect, sends, length }
            }),
        6 => (any::<u8>(), any::<bool>(), length.clone())
            .prop_map(|(call, caller, length)| Act::Send { call, caller, length }),
        6 => (any::<u8>(), any::<bool>()).prop_map(|(call, caller)| Act::Take { call, caller }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(call, caller)| Act::HalfClose { call, caller }),
        1 => any::<u8>().prop_map(|call| Act::Refuse { call }),
        1 => (any::<u8>(), any::<bool>()).prop_map(|(call, fails)| Act::Answer { call, fails }),
        1 => any::<u8>().prop_map(|call| Act::Drop { call }),
        6 => (any::<bool>(), 1..100_000_usize)
            .prop_map(|(to_server, length)| Act::Carry { to_server, length }),
        2 => Just(Act::CarryAll),
    ];
    proptest::collection::vec(act, 1..120)
}

/// One direction of a call.
#[derive(Debug, Default)]
struct Flow {
    sent: u64,
    /// What its receiver has to get next.
    expected: VecDeque<(u64, usize)>,
    /// Bytes of a byte stream that came and are not compared yet.
    bytes: VecDeque<u8>,
    closed: bool,
    refused: bool,
}

#[derive(Debug)]
struct Open {
    expect: Expect,
    sends: bool,
    ticket: Option<Ticket>,
    up: Flow,
    down: Flow,
    answered: bool,
    caller: Caller,
}

/// What has become of the caller's interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Waits,
    Dropped,
    Answered,
}

struct World {
    /// The connector and the acceptor.
    ends: [State; 2],
    /// What is on its way to each.
    lines: [VecDeque<u8>; 2],
    /// By id.
    calls: BTreeMap<u32, Open>,
}

/// A message that can be told from others: its number and its length are in it.
fn message(number: u64, length: usize) -> Vec<u8> {
    let first = u8::try_from(number * 31 % 251).unwrap();
    (first..=250).chain(0..first).cycle().take(length).collect()
}

/// Which end is the caller of this id, or the callee.
fn end_of(id: u32, caller: bool) -> usize {
    (id as usize & 1) ^ usize::from(!caller)
}

impl World {
    fn new() -> Self {
        let receives = Receives { message: 1 << 20, calls: CALLS, window: WINDOW };
        Self {
            ends: [Side::Connector, Side::Acceptor]
                .map(|side| State::new(side, receives, receives, HOLDS)),
            lines: [VecDeque::new(), VecDeque::new()],
            calls: BTreeMap::new(),
        }
    }

    fn pick(&self, call: u8) -> Option<u32> {
        let live: Vec<_> = self.calls.keys().copied().collect();
        (!live.is_empty()).then(|| live[usize::from(call) % live.len()])
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Call { side, expect, sends, length } => self.call(side, expect, sends, length),
            Act::Send { call, caller, length } => {
                if let Some(id) = self.pick(call) {
                    self.send(id, caller, length);
                }
            }
            Act::Take { call, caller } => {
                if let Some(id) = self.pick(call) {
                    self.take(id, caller);
                }
            }
            Act::HalfClose { call, caller } => {
                if let Some(id) = self.pick(call) {
                    self.half_close(id, caller);
                }
            }
            Act::Refuse { call } => {
                if let Some(id) = self.pick(call)
                    && let Some(open) = self.calls.get_mut(&id)
                    && let Some(ticket) = open.ticket
                {
                    self.ends[end_of(id, false)].refuse(ticket);
                    open.up.refused = true;
                }
            }
            Act::Answer { call, fails } => {
                if let Some(id) = self.pick(call) {
                    self.answer(id, fails);
                }
            }
            Act::Drop { call } => {
                if let Some(id) = self.pick(call) {
                    self.drop_call(id);
                }
            }
            Act::Carry { to_server, length } => self.carry(to_server, length),
            Act::CarryAll => self.carry_all(),
        }
        self.check_memory();
    }

    fn call(&mut self, side: Side, expect: u8, sends: bool, length: usize) {
        let expect = [Expect::Value, Expect::Items, Expect::Bytes][usize::from(expect)];
        let sends = sends || expect == Expect::Bytes;
        let mut body = vec![0; 9 + length];
        body[8] = match (expect, sends) {
            (Expect::Bytes, _) => 2,
            (_, true) => 1,
            _ => 0,
        };
        let opening = Opening { expect, sends };
        let mut place = None;
        let caller = &mut self.ends[side as usize];
        match caller.begin(opening, &mut body.into(), &mut place, Waker::noop()) {
            Some(index) => {
                let open = Open {
                    expect,
                    sends,
                    ticket: None,
                    up: Flow::default(),
                    down: Flow::default(),
                    answered: false,
                    caller: Caller::Waits,
                };
                let before = self.calls.insert(index << 1 | side as u32, open);
                assert!(before.is_none_or(|open| open.caller != Caller::Waits));
            }
            None => caller.outgoing.give_up(place.unwrap(), &mut Vec::new()),
        }
    }

    fn role(&self, id: u32, caller: bool) -> Option<Role> {
        let open = &self.calls[&id];
        if caller {
            (open.caller == Caller::Waits).then_some(Role::Caller(id >> 1))
        } else {
            open.ticket.map(Role::Callee)
        }
    }

    fn send(&mut self, id: u32, caller: bool, length: usize) {
        let Some(role) = self.role(id, caller) else { return };
        let open = self.calls.get_mut(&id).unwrap();
        let bytes_only = open.expect == Expect::Bytes;
        // A callee sends what its method promises.
        if !caller && (open.answered || open.expect == Expect::Value) || caller && !open.sends {
            return;
        }
        let flow = if caller { &mut open.up } else { &mut open.down };
        let payload = message(flow.sent, length);
        let state = &mut self.ends[end_of(id, caller)];
        // Some in two parts, of which the other end may get each apart.
        let sent = if length.is_multiple_of(3) && !bytes_only {
            let (head, tail) = payload.split_at(payload.len() / 20);
            let mut parts = Message { head: head.to_vec().into(), tail: tail.to_vec() };
            state.send_long(role, &mut parts, Waker::noop())
        } else {
            state.send(role, 0, &payload, Waker::noop())
        };
        match sent {
            Sent::Yes => {
                assert!(!flow.closed);
                if bytes_only {
                    flow.bytes.extend(payload);
                } else {
                    flow.expected.push_back((flow.sent, length));
                }
                flow.sent += 1;
            }
            Sent::Wait | Sent::Over => {}
        }
    }

    fn take(&mut self, id: u32, caller: bool) -> bool {
        let Some(role) = self.role(id, caller) else { return false };
        let open = self.calls.get_mut(&id).unwrap();
        // Whoever refuses a stream has it no more.
        if !caller && (!open.sends || open.up.refused) {
            return false;
        }
        let flow = if caller { &mut open.down } else { &mut open.up };
        let state = &mut self.ends[end_of(id, caller)];
        match state.receive(role, Waker::noop(), &mut Vec::new()) {
            None => return false,
            Some(Received::Chunk(chunk)) => {
                if open.expect == Expect::Bytes {
                    let expected: Vec<u8> = flow.bytes.drain(..chunk.bytes.len()).collect();
                    assert!(chunk.bytes.into_bytes() == expected);
                } else {
                    let (number, length) = flow.expected.pop_front().expect("it was sent");
                    assert!(
                        chunk.bytes.into_bytes() == message(number, length),
                        "in order, and whole"
                    );
                }
            }
            Some(Received::Finished) => {
                assert!(flow.closed && flow.expected.is_empty() && flow.bytes.is_empty());
                return false;
            }
            Some(Received::End(end)) => {
                assert!(open.answered, "nobody but the callee ends a call");
                if !matches!(end, End::Fail(..)) {
                    assert!(flow.expected.is_empty() && flow.bytes.is_empty(), "all has come");
                }
                open.caller = Caller::Answered;
                return false;
            }
            Some(Received::Cut(_)) => {
                assert!(open.caller == Caller::Dropped || open.answered);
                return false;
            }
        }
        true
    }

    fn half_close(&mut self, id: u32, caller: bool) {
        let Some(role) = self.role(id, caller) else { return };
        let open = self.calls.get_mut(&id).unwrap();
        if caller && open.sends {
            self.ends[end_of(id, true)].half_close(role);
            open.up.closed = true;
        }
        if !caller && open.expect == Expect::Bytes && !open.answered {
            self.ends[end_of(id, false)].half_close(role);
            open.down.closed = true;
        }
    }

    fn answer(&mut self, id: u32, fails: bool) {
        let open = self.calls.get_mut(&id).unwrap();
        let Some(ticket) = open.ticket.filter(|_| !open.answered) else { return };
        let wakers = &mut Vec::new();
        let callee = &mut self.ends[end_of(id, false)];
        match open.expect {
            _ if fails => callee.fail(ticket, FailCode::Panicked, "no", wakers),
            Expect::Items => callee.finish(ticket, Kind::End, Message::default(), wakers),
            _ => callee.finish(ticket, Kind::Reply, vec![7; 90_000].into(), wakers),
        }
        open.answered = true;
    }

    fn drop_call(&mut self, id: u32) {
        let open = self.calls.get_mut(&id).unwrap();
        if open.caller == Caller::Waits {
            open.caller = Caller::Dropped;
            self.ends[end_of(id, true)].abandon(id >> 1, &mut Vec::new());
        }
    }

    fn carry_all(&mut self) {
        loop {
            let before = [self.lines[0].len(), self.lines[1].len()];
            self.carry(true, usize::MAX);
            self.carry(false, usize::MAX);
            let quiet = self.ends.iter().all(|end| end.outbox.is_empty());
            if quiet && before == [self.lines[0].len(), self.lines[1].len()] {
                break;
            }
        }
        assert!(self.lines.iter().all(VecDeque::is_empty), "no part of a frame");
        self.check_credit();
    }

    /// Brings bytes from one end to the other; what is not a whole frame waits.
    fn carry(&mut self, to_server: bool, length: usize) {
        let [connector, acceptor] = &mut self.ends;
        let (from, to) = if to_server { (connector, acceptor) } else { (acceptor, connector) };
        let line = &mut self.lines[usize::from(to_server)];
        if line.len() < length {
            let mut batch = Batch::default();
            from.outbox.take(&mut batch);
            from.call_next(&mut Vec::new());
            if batch.is_empty() {
                from.call_more(&mut Vec::new());
            }
            line.extend(batch.to_vec());
        }
        let come = length.min(line.len());
        let bytes: Vec<u8> = line.iter().copied().take(come).collect();
        let mut arrived = VecDeque::new();
        let mut used = 0;
        // As the driver does it, but for some parts, which come together with other frames.
        if length.is_multiple_of(2)
            && let Some(mut loan) = to.lend()
        {
            used = loan.make_room().min(bytes.len());
            loan.message.extend_from_slice(&bytes[..used]);
            let mut behind = Vec::new();
            loan.part(&mut behind);
            used -= behind.len();
            let taken = to.give_back(loan, &mut arrived, &mut Vec::new());
            taken.unwrap_or_else(|broken| panic!("{broken}"));
        }
        let taken = to.on_bytes(&bytes[used..], &mut arrived, &mut Vec::new());
        used += taken.unwrap_or_else(|broken| panic!("{broken}")).used;
        line.drain(..used);
        for call in arrived {
            let index = crate::mux::serving::Serving::index(call.ticket);
            let id = index << 1 | u32::from(!to_server);
            let open = self.calls.get_mut(&id).expect("somebody called");
            open.ticket = Some(call.ticket);
        }
    }

    /// When nothing is on its way, what the sender has spent is what the receiver holds.
    fn check_credit(&mut self) {
        for (&id, open) in &self.calls {
            let [asks, serves] = [true, false].map(|caller| end_of(id, caller));
            let Some(ticket) = open.ticket.filter(|_| open.caller == Caller::Waits) else {
                continue;
            };
            let down = self.ends[asks].outgoing.room_of(id >> 1).filter(|_| !open.answered);
            if let (Some(room), Some(outflow)) = (down, self.ends[serves].serving.outflow(ticket)) {
                assert_eq!(outflow.credit(), room, "of the callee");
            }
            let up = self.ends[serves].serving.room(ticket);
            if let (Some(room), Some(outflow)) = (up, self.ends[asks].outgoing.outflow(id >> 1)) {
                assert_eq!(outflow.credit(), room, "of the caller");
            }
        }
    }

    /// At either end, of the calls of both: a call with its arguments, or an answer, and for each direction a window and
    /// one message; some frames of a few bytes.
    fn check_memory(&self) {
        let call = 2 * (LARGEST + 200) + 2 * (GROWN + LARGEST) + 4096;
        let most = 2 * CALLS as usize * call;
        for state in &self.ends {
            let waiting = state.outbox.waiting();
            assert!(waiting <= most, "{waiting} bytes to be written");
            let waiting = state.outgoing.waiting() + state.serving.waiting();
            assert!(waiting <= most, "{waiting} bytes to be taken");
        }
    }

    /// Everybody takes what there is and comes to an end.
    fn finish(mut self) {
        self.carry_all();
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            self.half_close(id, true);
        }
        loop {
            self.carry_all();
            let mut some = false;
            for id in self.calls.keys().copied().collect::<Vec<_>>() {
                some |= self.take(id, true) | self.take(id, false);
            }
            if !some {
                break;
            }
        }
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            let open = &self.calls[&id];
            if open.caller == Caller::Waits && !open.up.refused && !open.answered {
                assert!(open.up.expected.is_empty() && open.up.bytes.is_empty(), "{open:?}");
            }
            self.answer(id, false);
        }
        self.carry_all();
        for id in self.calls.keys().copied().collect::<Vec<_>>() {
            while self.take(id, true) {}
            if matches!(
                self.calls[&id],
                Open { expect: Expect::Bytes | Expect::Value, caller: Caller::Waits, .. }
            ) && let Some(Role::Caller(index)) = self.role(id, true)
            {
                let caller = &mut self.ends[end_of(id, true)];
                let end = caller.outgoing.poll_end(index, Waker::noop(), &mut Vec::new());
                assert!(end.is_some(), "every call has an answer");
            }
        }
        self.carry_all();
        for end in &self.ends {
            assert!(end.is_idle(), "{end:#?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_whatever_the_order(acts in acts()) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
        }
        world.finish();
    }
}
