//! Each limit of a connection below it, exactly at it and above it, for both directions and with
//! whichever end names it. What has no direction is in the tests of the module that keeps it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{ECHO, MEMORY, Pair, ROOMY, dispatcher, method, nowhere, settle};
use crate::codec;
use crate::error::{CallError, Error};
use crate::mux::driver::Driver;
use crate::mux::request::Incall;
use crate::mux::shared::Shared;
use crate::mux::state::Side;
use crate::mux::{Connection, Upstream, call, call_fallible, open};
use crate::service::{Answered, Method, Policy, Request};
use crate::wire::frame::{self, HEADER, Header, Kind};
use crate::wire::limits::{Holds, Receives};

pub(super) static GIVE: Method = method("give");
pub(super) static REFUSE: Method = method("refuse");
pub(super) static SEND: Method = method("send");
pub(super) static TAKE: Method = method("take");
pub(super) static SHOUT: Method = method("shout");

pub(super) const METHODS: [u64; 5] = [GIVE.id, REFUSE.id, SEND.id, TAKE.id, SHOUT.id];

/// Bytes, errors and items of any length.
pub(super) async fn handle(request: Incall) -> Answered {
    let id = request.method();
    if id == TAKE.id {
        let ((), items, request) = match request.arguments_and_items::<(), Vec<u8>>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        let lengths = items.map(|item| item.map_or(u64::MAX, |item| item.len() as u64));
        let lengths: Vec<u64> = lengths.collect().await;
        return request.reply(lengths);
    }
    let ((length,), request) = match request.arguments::<(usize,)>() {
        Ok(arguments) => arguments,
        Err(answered) => return answered,
    };
    let bytes = vec![7_u8; length];
    if id == GIVE.id {
        request.reply(bytes)
    } else if id == REFUSE.id {
        request.reply_result(Err::<(), _>(bytes))
    } else if id == SEND.id {
        request.stream(stream::iter([bytes]), Policy::BackPressure).await
    } else {
        panic!("{}", "é".repeat(length));
    }
}

/// Where a message stands.
#[derive(Clone, Copy, Debug)]
enum Place {
    Arguments,
    Answer,
    ServiceError,
    ItemDown,
    ItemUp,
}

impl Place {
    const ALL: [Self; 5] =
        [Self::Arguments, Self::Answer, Self::ServiceError, Self::ItemDown, Self::ItemUp];

    /// Whether the callee receives it.
    fn goes_up(self) -> bool {
        matches!(self, Self::Arguments | Self::ItemUp)
    }

    /// Sends bytes of this length in this place.
    async fn send(self, connection: &Connection, length: usize) -> Result<(), Error> {
        let bytes = vec![7_u8; length];
        match self {
            Self::Arguments => {
                let echo = call::<Vec<u8>>(connection, &ECHO, (bytes,), Upstream::NONE);
                assert_eq!(echo.await?.len(), length);
            }
            Self::Answer => {
                let give = call::<Vec<u8>>(connection, &GIVE, (length,), Upstream::NONE);
                assert_eq!(give.await?.len(), length);
            }
            Self::ServiceError => {
                let refuse =
                    call_fallible::<(), Vec<u8>>(connection, &REFUSE, (length,), Upstream::NONE);
                match refuse.await.unwrap_err() {
                    CallError::Service(error) => assert_eq!(error.len(), length),
                    CallError::Autod(error) => return Err(error),
                }
            }
            Self::ItemDown => {
                let mut items = open::<Vec<u8>>(connection, &SEND, (length,), Upstream::NONE);
                assert_eq!(items.next().await.expect("one")?.len(), length);
                assert!(items.next().await.is_none());
            }
            Self::ItemUp => {
                let items = Upstream::items(stream::iter([bytes]));
                let take = call::<Vec<u64>>(connection, &TAKE, (), items);
                assert_eq!(take.await?, [length as u64]);
            }
        }
        Ok(())
    }
}

/// The bytes of a vector whose encoding is this long.
fn vector(encoded: usize) -> usize {
    let length = (1..=9).map(|prefix| encoded - prefix).find(|length| {
        let mut bytes = Vec::new();
        codec::encode_into(&mut bytes, &(*length as u64)).unwrap();
        length + bytes.len() == encoded
    });
    length.expect("each length has one")
}

#[tokio::test(start_paused = true)]
async fn a_message_up_to_the_limit_of_its_receiver_arrives_and_a_longer_one_fails_alone() {
    let small = Receives { message: 4000, ..ROOMY };
    for place in Place::ALL {
        for back in [false, true] {
            // Who is called by the connector receives what goes up.
            let acceptor_receives = place.goes_up() != back;
            let pair =
                if acceptor_receives { Pair::with(ROOMY, small) } else { Pair::with(small, ROOMY) };
            let connection = if back { &pair.back } else { &pair.connection };
            for length in [1, 3999, 4000] {
                let sent = place.send(connection, vector(length.max(2))).await;
                assert!(sent.is_ok(), "{place:?} of {length} bytes, back {back}: {sent:?}");
            }
            for length in [4001, 1 << 20] {
                let error = place.send(connection, vector(length)).await.unwrap_err();
                assert!(error.is_limit(), "{place:?} of {length} bytes, back {back}: {error:?}");
                let executed = !matches!(place, Place::Arguments);
                assert_eq!(error.may_have_executed(), executed, "{place:?}: {error:?}");
                // Nothing else has come to harm.
                assert!(place.send(connection, vector(4000)).await.is_ok(), "{place:?}");
            }
            pair.quiet().await;
            pair.assert_idle();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_is_longer_than_the_caller_receives_is_cut() {
    for (message, longest) in [(1024, 1024), (1 << 20, 16 << 10)] {
        let pair = Pair::with(Receives { message, ..ROOMY }, ROOMY);
        for length in [1, 300, 1 << 20] {
            let shout = call::<()>(&pair.connection, &SHOUT, (length,), Upstream::NONE);
            let error = shout.await.unwrap_err();
            assert!(error.is_panic() && error.may_have_executed(), "{error:?}");
            let text = std::error::Error::source(&error).expect("the panic's text").to_string();
            assert_eq!(text, "é".repeat(length.min(longest / 2)), "{message}");
        }
        assert_eq!(pair.echo(vec![1]).await.unwrap(), [1]);
        pair.quiet().await;
    }
}

/// A caller whose callee is played by the test.
fn lonely(ours: Receives, theirs: Receives) -> (Connection, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    let holds = Holds { memory: MEMORY, window: 64 << 10 };
    let shared = Shared::new(Side::Connector, ours, theirs, holds);
    let dispatch = dispatcher(&Arc::new(Semaphore::new(0)), &Arc::default());
    tokio::spawn(Driver::new(near, Arc::clone(&shared), dispatch, Vec::new()).run());
    (Connection::new(shared, nowhere()), far)
}

/// The frames that come until there is silence.
async fn heard(far: &mut DuplexStream) -> Vec<(Kind, usize)> {
    let mut frames = Vec::new();
    loop {
        let mut header = [0; HEADER];
        let Ok(read) = timeout(Duration::from_secs(1), far.read_exact(&mut header)).await else {
            return frames;
        };
        read.unwrap();
        let header = Header::parse(&header).unwrap().unwrap();
        let mut payload = vec![0; header.length];
        far.read_exact(&mut payload).await.unwrap();
        frames.push((header.kind, header.length));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_too_long_is_known_before_anything_is_sent() {
    let (connection, mut far) = lonely(ROOMY, Receives { message: 4000, ..ROOMY });
    let error = Place::Arguments.send(&connection, 4001).await.unwrap_err();
    let text = "the arguments of echo take 4004 bytes, the daemon receives at most 4000";
    assert_eq!(error.to_string(), text);
    assert_eq!(heard(&mut far).await, []);
    let error = Place::ItemUp.send(&connection, 4001).await.unwrap_err();
    let text = "an item for take takes 4004 bytes, the daemon receives at most 4000";
    assert_eq!(error.to_string(), text);
    // No part of the item: the call, and that it is taken back.
    let kinds: Vec<_> = heard(&mut far).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Kind::Call, Kind::Cancel]);
}

#[tokio::test(start_paused = true)]
async fn a_call_above_the_number_waits_for_its_turn() {
    const CALLS: u32 = 3;
    for (back, named) in [(false, false), (true, false), (false, true), (true, true)] {
        // The number that the callee names counts, whatever the caller receives itself.
        let few = Receives { calls: CALLS, ..ROOMY };
        let callee_is_acceptor = !back;
        let pair = if callee_is_acceptor == named {
            Pair::with(ROOMY, few)
        } else {
            Pair::with(few, ROOMY)
        };
        let connection = if back { pair.back.clone() } else { pair.connection.clone() };
        let call =
            |method, byte: u8| call::<Vec<u8>>(&connection, method, (vec![byte],), Upstream::NONE);
        let mut held = Vec::new();
        for open in 0..=CALLS {
            let echo = timeout(Duration::from_secs(60), call(&ECHO, 1)).await;
            let waits = named && open == CALLS;
            assert_eq!(echo.is_err(), waits, "back {back}: {open} of {CALLS} are open");
            held.push(tokio::spawn(call(&super::LATER, 2)));
            settle().await;
        }
        // It waits behind the one that waits already; both get their turn.
        let late = tokio::spawn(call(&ECHO, 3));
        settle().await;
        assert_eq!(late.is_finished(), !named);
        pair.gate.add_permits(held.len());
        for call in held {
            assert_eq!(call.await.unwrap().unwrap(), [2]);
        }
        assert_eq!(late.await.unwrap().unwrap(), [3]);
        pair.quiet().await;
    }
}

/// How many bytes of Items stand among these frames.
fn items(frames: &[(Kind, usize)]) -> usize {
    frames.iter().filter(|(kind, _)| *kind == Kind::Items).map(|(_, length)| length).sum()
}

#[tokio::test(start_paused = true)]
async fn a_stream_begins_with_the_smaller_window_and_goes_on_with_a_byte_of_credit() {
    // With its number of items each is a message of 100 bytes.
    const ITEM: usize = 100;
    for (ours, theirs) in [(2000, 2000), (2000, 6000), (6000, 2000), (2001, 6000), (6000, 1999)] {
        let window = usize::try_from(ours.min(theirs)).unwrap();
        let receives = |window| Receives { window, ..ROOMY };
        let (connection, mut far) = lonely(receives(ours), receives(theirs));
        // Nothing is packed together: the next item is there only when the one before is sent.
        let endless = stream::repeat(vec![7_u8; ITEM - 5]).then(async |item| {
            tokio::time::sleep(Duration::from_millis(1)).await;
            item
        });
        let taking = call::<Vec<u64>>(&connection, &TAKE, (), Upstream::items(endless));
        let taking = tokio::spawn(taking);
        let sent = items(&heard(&mut far).await);
        // A message begins while there is credit.
        assert_eq!(sent, window.next_multiple_of(ITEM), "windows {ours} and {theirs}");
        for (credit, more) in [(0, 0), (sent - window, 0), (1, ITEM), (ITEM - 1, 0), (1, ITEM)] {
            let mut bytes = Vec::new();
            let credit = u32::try_from(credit).unwrap().to_le_bytes();
            frame::put(&mut bytes, Kind::Credit, 0, false, &credit);
            far.write_all(&bytes).await.unwrap();
            assert_eq!(items(&heard(&mut far).await), more, "{credit:?} of {ours} and {theirs}");
        }
        taking.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn arguments_up_to_the_memory_are_taken_and_a_byte_more_is_not() {
    /// What a call holds beside its vector: the method, the options, and a length of five bytes.
    const BESIDE: usize = 9 + 5;
    let most = Receives { message: 900_000, ..ROOMY };
    for back in [false, true] {
        let pair = Pair::with(most, most);
        let connection = if back { pair.back.clone() } else { pair.connection.clone() };
        let later = |length| {
            let bytes = vec![7_u8; length];
            call::<Vec<u8>>(&connection, &super::LATER, (bytes,), Upstream::NONE)
        };
        for (excess, fits) in [(-1, true), (0, true), (1, false)] {
            let first = tokio::spawn(later(500_000));
            settle().await;
            let rest = MEMORY - 500_000 - 2 * BESIDE;
            let second = tokio::spawn(later(rest.checked_add_signed(excess).unwrap()));
            settle().await;
            assert_eq!(second.is_finished(), !fits, "{excess}");
            if fits {
                pair.gate.add_permits(2);
                assert!(second.await.unwrap().is_ok());
            } else {
                let error = second.await.unwrap().unwrap_err();
                assert!(error.is_limit() && !error.may_have_executed(), "{error:?}");
                pair.gate.add_permits(1);
            }
            assert!(first.await.unwrap().is_ok());
            pair.quiet().await;
        }
    }
}
