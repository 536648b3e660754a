//! Calls that come together are answered together, and each gets its own answer.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_util::future::{join, join_all};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use super::*;
use crate::error::Error;
use crate::mux::answers::{Draft, Turn};

/// What becomes of an answer while it is encoded.
enum Odd {
    Fails,
    Panics,
}

impl Serialize for Odd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let pair = serializer.serialize_tuple(2)?;
        match self {
            Self::Fails => {
                drop(pair);
                Err(S::Error::custom("half of it is written"))
            }
            Self::Panics => panic!("while it is encoded"),
        }
    }
}

static SIZED: Method = method("sized");
static FAILS: Method = method("fails");
static PANICS: Method = method("panics");

async fn answer(request: Incall) -> Answered {
    let id = request.method();
    if id == UNKNOWN.id {
        return request.unknown();
    }
    let ((number,), request) = match request.arguments::<(usize,)>() {
        Ok(arguments) => arguments,
        Err(answered) => return answered,
    };
    if id == SIZED.id {
        request.reply(vec![u8::try_from(number % 251).unwrap(); number])
    } else if id == FAILS.id {
        request.reply(Odd::Fails)
    } else {
        request.reply(Odd::Panics)
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_many_calls_gets_its_own_answer() {
    let connection = pair_of(answer);
    // Short and long ones, and more than is kept back at once.
    let sizes = [0, 1, 30, 4 << 10, (4 << 10) - 3, 5 << 10, 100 << 10];
    let calls = (0..40).map(|n| {
        let size = sizes[n % sizes.len()];
        let wrong = n % 8;
        let connection = connection.clone();
        async move {
            let method = match wrong {
                3 => &FAILS,
                5 => &PANICS,
                7 => &UNKNOWN,
                _ => &SIZED,
            };
            let answer: Result<Vec<u8>, Error> =
                call(&connection, method, (size,), Upstream::NONE).await;
            (wrong, size, answer)
        }
    });
    for (wrong, size, answer) in join_all(calls).await {
        match (wrong, answer) {
            (3, Err(error)) => assert!(error.to_string().contains("cannot be answered"), "{error}"),
            (5, Err(error)) => assert!(error.to_string().contains("panicked"), "{error}"),
            (7, Err(error)) => assert!(error.to_string().contains("no method"), "{error}"),
            (_, Ok(bytes)) => assert!(
                bytes.len() == size
                    && bytes.iter().all(|byte| { usize::from(*byte) == size % 251 })
            ),
            (_, Err(error)) => panic!("{wrong}: {error}"),
        }
    }
    connection.shared_arc().assert_idle();
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_larger_than_the_caller_receives_takes_no_other_with_it() {
    let small = Receives { message: 1 << 10, ..ROOMY };
    let pair = Pair::with(small, ROOMY);
    let calls = (0..20).map(|n| pair.echo(vec![7; if n % 2 == 0 { 2 << 10 } else { 100 }]));
    for (n, answer) in join_all(calls).await.into_iter().enumerate() {
        match answer {
            Ok(bytes) => assert!(n % 2 == 1 && bytes == [7; 100]),
            Err(error) => assert!(n % 2 == 0, "{error}"),
        }
    }
    pair.assert_idle();
}

/// Panics when it goes.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("after the answer");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_given_stays_if_its_handler_panics_then() {
    let connection = pair_of(async |request| {
        let waits = request.method() == LATER.id;
        if waits {
            tokio::task::yield_now().await;
        }
        let _bomb = Bomb;
        request.reply(7_u8)
    });
    for method in [&ECHO, &LATER] {
        let answer = call::<u8>(&connection, method, (), Upstream::NONE).await;
        assert_eq!(answer.map_err(|error| error.to_string()), Ok(7), "{}", method.name);
    }
    connection.shared_arc().assert_idle();
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_was_given_away_is_over_for_the_next_handler_of_the_turn() {
    let given: Arc<Mutex<Option<Incoming<u8>>>> = Arc::default();
    let connection = pair_of(move |request| {
        let given = Arc::clone(&given);
        async move {
            if request.method() == ECHO.id {
                let ((), items, request) = request.arguments_and_items().ok().unwrap();
                *given.lock().unwrap() = Some(items);
                return request.reply(());
            }
            let mut items = given.lock().unwrap().take().expect("it was given before");
            let context = &mut Context::from_waker(Waker::noop());
            let polled = Pin::new(&mut items).poll_next(context);
            let is_over = matches!(polled, Poll::Ready(Some(Err(error))) if error.is_cancelled());
            request.reply(is_over)
        }
    });
    let items = Upstream::items(stream::pending::<u8>());
    let giving = call::<()>(&connection, &ECHO, (), items);
    let looking = call::<bool>(&connection, &LATER, (), Upstream::NONE);
    let (given, is_over) = join(giving, looking).await;
    assert!(given.is_ok() && is_over.unwrap());
}

#[test]
fn a_lone_long_answer_is_not_copied() {
    let shared = Shared::new(Side::Acceptor, ROOMY, ROOMY, HOLDS);
    let turn = Turn::begin(&shared);
    let mut draft = Draft::begin(&shared).expect("a turn has begun");
    draft.bytes().resize(1 << 20, 7);
    let place = draft.bytes().as_ptr();
    let bytes = draft.into_bytes();
    assert_eq!((bytes.as_ptr(), bytes.len()), (place, 1 << 20));
    drop(turn);
}
