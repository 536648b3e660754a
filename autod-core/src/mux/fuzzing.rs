//! The state of a connection under a script of any bytes.
//!
//! Either one end hears a stranger who says anything, or two ends talk to each other while their
//! users do anything. In both cases what an end writes is well-formed; two of our own ends never
//! break the protocol, and when a connection is over nobody waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::arrival::Taken;
use super::asked::{End, Expect, Opening};
use super::batch::Batch;
use super::flow::{Received, Role};
use super::loss::Loss;
use super::serving::Ticket;
use super::shared::{Next, Shared};
use super::state::{Arrived, Side};
use crate::codec::Message;
use crate::error::ErrorKind;
use crate::wire::frame::{
    BEFORE_ARGUMENTS, FailCode, GoodbyeCode, HEADER, Header, Kind, MAX_PIECE, Options,
};
use crate::wire::limits::{Holds, Receives};

const LIMITS: Receives = Receives { message: 150_000, calls: 4, window: 4096 };

/// Below the sum of what the calls may send.
const HOLDS: Holds = Holds { memory: 200_000, window: 16_384 };

/// The bytes of a script, of which there are always more: zeros.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit.max(1)
    }

    /// A length of which some are longer than a piece.
    fn length(&mut self) -> usize {
        let byte = usize::from(self.byte());
        if byte < 200 { byte } else { (byte - 199) * 2600 }
    }

    fn take(&mut self, length: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

/// Some have their end apart, behind a beginning of some length.
fn in_parts(mut head: Vec<u8>) -> Message {
    let tail =
        if head.len().is_multiple_of(3) { head.split_off(head.len() / 97) } else { Vec::new() };
    Message { head: head.into(), tail }
}

/// What a call of this shape is answered with.
fn answer_of(shape: u8) -> Expect {
    match shape {
        0 | 2 => Expect::Value,
        1 | 3 => Expect::Items,
        _ => Expect::Bytes,
    }
}

/// One end and what its users hold.
struct Party {
    shared: Arc<Shared>,
    side: Side,
    calls: Vec<(u32, Opening)>,
    arrived: VecDeque<Arrived>,
    running: Vec<(Ticket, Expect)>,
    /// Those that nobody stops.
    kept: Vec<Ticket>,
    /// What came and is not a whole frame yet.
    heard: Vec<u8>,
    said: Vec<u8>,
    over: bool,
}

impl Party {
    fn new(side: Side) -> Self {
        Self {
            shared: Shared::new(side, LIMITS, LIMITS, HOLDS),
            side,
            calls: Vec::new(),
            arrived: VecDeque::new(),
            running: Vec::new(),
            kept: Vec::new(),
            heard: Vec::new(),
            said: Vec::new(),
            over: false,
        }
    }

    /// What a user of this end does.
    fn act(&mut self, script: &mut Script<'_>) {
        let context = &mut Context::from_waker(Waker::noop());
        match script.below(10) {
            0 | 1 => self.call(script, context),
            2 if !self.calls.is_empty() => {
                let (index, opening) = self.calls.swap_remove(script.below(self.calls.len()));
                if opening.expect == Expect::Value && !opening.sends && script.byte() & 1 == 1 {
                    self.shared.forget(index);
                } else {
                    self.shared.abandon(index);
                }
            }
            3 => self.hear_answers(context),
            4 | 5 => self.answer(script),
            6 | 7 => self.stream(script, context),
            8 => {
                let waiting = self
                    .running
                    .iter()
                    .filter(|(ticket, _)| self.shared.attend(*ticket, context).is_some());
                let stopped: Vec<_> = waiting.copied().collect();
                self.running.retain(|one| !stopped.contains(one));
                for (ticket, _) in stopped {
                    self.shared.finish_stopped(ticket);
                }
            }
            9 if !self.running.is_empty() && script.byte() < 64 => {
                let (ticket, _) = self.running[script.below(self.running.len())];
                self.shared.keep(ticket);
                self.kept.push(ticket);
            }
            9 if script.byte() > 250 => {
                let codes = [GoodbyeCode::Closing, GoodbyeCode::Disconnected];
                self.shared.leave(codes[script.below(2)], "enough");
            }
            _ => {}
        }
    }

    fn call(&mut self, script: &mut Script<'_>, context: &Context<'_>) {
        let shape = script.byte() % 5;
        let opening = Opening { expect: answer_of(shape), sends: shape > 1 };
        let mut message = vec![shape; BEFORE_ARGUMENTS + script.length()];
        message[BEFORE_ARGUMENTS - 1] = match shape {
            0 | 1 => Options::Plain,
            2 | 3 => Options::Items,
            _ => Options::Bytes,
        } as u8;
        let mut place = None;
        if let Poll::Ready(Ok(index)) =
            self.shared.poll_begin(opening, &mut in_parts(message), &mut place, context.waker())
        {
            self.calls.push((index, opening));
        }
        if let Some(place) = place {
            self.shared.give_up(place);
        }
    }

    fn hear_answers(&mut self, context: &Context<'_>) {
        let shared = &self.shared;
        self.calls.retain(|(index, opening)| match opening.expect {
            Expect::Value => match shared.poll_end(*index, context) {
                Poll::Ready(end) => {
                    assert!(!matches!(end, End::Finished), "a value ends otherwise");
                    false
                }
                Poll::Pending => true,
            },
            Expect::Items | Expect::Bytes => loop {
                match shared.poll_receive(Role::Caller(*index), context) {
                    Poll::Ready(Received::Chunk(_)) => {}
                    Poll::Ready(Received::End(end)) => {
                        let is_value = matches!(end, End::Value(_));
                        assert!(!is_value || opening.expect == Expect::Bytes, "{end:?}");
                        break false;
                    }
                    // The answer is still to come.
                    Poll::Ready(Received::Finished) | Poll::Pending => break true,
                    Poll::Ready(Received::Cut(error)) => panic!("a caller is not cut off: {error}"),
                }
            },
        });
    }

    fn begin_arrived(&mut self) {
        for Arrived { ticket, body } in self.arrived.drain(..) {
            self.running.push((ticket, answer_of(body.head.first().map_or(0, |first| first % 5))));
        }
    }

    fn answer(&mut self, script: &mut Script<'_>) {
        self.begin_arrived();
        if self.running.is_empty() {
            return;
        }
        let (ticket, expect) = self.running.swap_remove(script.below(self.running.len()));
        match (script.byte() % 4, expect) {
            (0, _) => self.shared.fail(ticket, FailCode::Panicked, "it panicked"),
            (1, _) => self.shared.finish_stopped(ticket),
            (_, Expect::Value | Expect::Bytes) => {
                self.shared.finish(ticket, Kind::Reply, in_parts(vec![7; script.length()]));
            }
            (_, Expect::Items) => self.shared.finish(ticket, Kind::End, Message::default()),
        }
    }

    fn stream(&mut self, script: &mut Script<'_>, context: &Context<'_>) {
        self.begin_arrived();
        let items = vec![1; 4 + script.length()];
        let skipped = u64::from(script.byte() & 1);
        for (ticket, expect) in &self.running {
            let role = Role::Callee(*ticket);
            match expect {
                Expect::Items => {
                    self.shared.mark_stream(*ticket);
                    let _ = self.shared.poll_send(role, skipped, &items, context);
                }
                Expect::Bytes => {
                    let _ = self.shared.poll_send(role, 0, &items, context);
                }
                Expect::Value => {}
            }
            match script.below(4) {
                0 => drop(self.shared.poll_receive(role, context)),
                1 if *expect == Expect::Bytes => self.shared.half_close(role),
                2 if script.below(8) == 0 => self.shared.refuse(*ticket),
                _ => {}
            }
        }
        for (index, _) in self.calls.iter().filter(|(_, opening)| opening.sends) {
            let role = Role::Caller(*index);
            let _ = self.shared.poll_send(role, 0, &items, context);
            if script.below(8) == 0 {
                self.shared.half_close(role);
            }
        }
    }

    /// Says all that it has to say.
    fn speak(&mut self) {
        while self.say_some() {}
    }

    /// What one write takes, which is well-formed; `false` if there is no more.
    fn say_some(&mut self) -> bool {
        let mut batch = Batch::default();
        let next = self.shared.next(&mut batch);
        let written = batch.to_vec();
        let mut rest = &written[..];
        while !rest.is_empty() {
            let header = Header::parse(rest).expect("well-formed").expect("whole");
            let own = header.id & 1 == self.side as u32;
            match header.kind {
                Kind::Goodbye => assert_eq!(header.id, 0),
                Kind::Call => assert!(own, "{header:?}"),
                Kind::Reply | Kind::Fail => assert!(!own, "{header:?}"),
                // A stream has either direction.
                _ => {}
            }
            assert!(header.id >> 1 < LIMITS.calls, "{header:?}");
            rest = &rest[HEADER + header.length..];
        }
        self.said.extend_from_slice(&written);
        self.over |= next == Next::WriteAndEnd;
        matches!(next, Next::Write | Next::WriteAll)
    }

    /// Every slot can be used again.
    fn is_free(&self) -> bool {
        let context = &Context::from_waker(Waker::noop());
        (0..LIMITS.calls).all(|_| {
            let opening = Opening { expect: Expect::Value, sends: false };
            let mut message = vec![0; BEFORE_ARGUMENTS].into();
            self.shared.poll_begin(opening, &mut message, &mut None, context.waker()).is_ready()
        })
    }

    /// Takes all whole frames that it has heard; `false` if they break the protocol.
    fn listen(&mut self) -> bool {
        let taken = self.shared.on_bytes(&self.heard, &mut self.arrived);
        let Ok(Taken { used, .. }) = taken else { return false };
        self.heard.drain(..used);
        assert!(self.shared.is_lost() || self.heard.len() < HEADER + MAX_PIECE);
        true
    }

    /// The transport is gone.
    fn end(&mut self) {
        self.shared.lose(Loss::new(ErrorKind::Lost, "the end of the script"));
        self.hear_answers(&Context::from_waker(Waker::noop()));
        assert!(self.calls.is_empty(), "somebody still waits");
        self.begin_arrived();
        let context = &Context::from_waker(Waker::noop());
        for (ticket, _) in self.running.drain(..) {
            let stop = self.shared.attend(ticket, context);
            assert!(stop.is_none() == self.kept.contains(&ticket), "{stop:?}");
            self.shared.finish_stopped(ticket);
        }
    }
}

/// Plays a script on one end or on two.
pub fn connection(bytes: &[u8]) {
    let mut script = Script(bytes);
    match script.byte() % 3 {
        0 => with_stranger(Party::new(Side::Acceptor), &mut script),
        1 => with_stranger(Party::new(Side::Connector), &mut script),
        _ => with_each_other(&mut script),
    }
}

fn with_stranger(mut party: Party, script: &mut Script<'_>) {
    while !script.0.is_empty() {
        match script.byte() % 4 {
            0 => {
                let length = usize::from(u16::from_le_bytes([script.byte(), script.byte()]));
                let bytes = script.take(length).to_vec();
                party.heard.extend_from_slice(&bytes);
            }
            1 | 2 => {
                let word = [script.byte(), script.byte(), script.byte()];
                let payload = vec![word[2]; script.length().min(MAX_PIECE)];
                let mut header = Header::new(Kind::Call, u32::from(word[1] & 15), 0, false);
                header.length = payload.len();
                let mut header = header.to_bytes();
                header[3] = word[0] & 0x8f;
                party.heard.extend_from_slice(&header);
                party.heard.extend_from_slice(&payload);
            }
            _ => party.act(script),
        }
        if !party.listen() {
            party.shared.leave(GoodbyeCode::Protocol, "broken");
            party.speak();
            break;
        }
        party.speak();
        party.said.clear();
        if party.shared.is_lost() || party.over {
            break;
        }
    }
    party.end();
}

fn with_each_other(script: &mut Script<'_>) {
    let mut parties = [Party::new(Side::Connector), Party::new(Side::Acceptor)];
    while !script.0.is_empty() && parties.iter().all(|party| !party.over) {
        let operation = script.byte();
        let who = usize::from(operation & 1);
        if operation & 0x60 == 0 {
            let length = script.length() * 100;
            deliver(&mut parties, who, length);
        } else {
            parties[who].act(script);
            if operation & 0x18 == 0 {
                parties[who].say_some();
            }
        }
    }
    // Everything arrives and everybody answers, unless somebody has left.
    for _ in 0..64 {
        for who in [0, 1] {
            parties[who].speak();
            deliver(&mut parties, who, usize::MAX);
            let party = &mut parties[who];
            party.hear_answers(&Context::from_waker(Waker::noop()));
            while !party.arrived.is_empty() || !party.running.is_empty() {
                party.answer(&mut Script(&[]));
            }
            party.speak();
        }
    }
    let left = parties.iter().any(|party| party.over || party.shared.is_lost());
    for mut party in parties {
        assert!(left || party.calls.is_empty(), "a call was not answered");
        assert!(left || party.is_free(), "a slot is lost");
        party.end();
    }
}

/// Brings up to so many bytes of one to the other.
fn deliver(parties: &mut [Party; 2], from: usize, most: usize) {
    let said = &mut parties[from].said;
    let bytes: Vec<u8> = said.drain(..said.len().min(most)).collect();
    let to = &mut parties[1 - from];
    if to.shared.is_lost() {
        return;
    }
    to.heard.extend_from_slice(&bytes);
    assert!(to.listen(), "an end of ours broke the protocol");
}
