//! Calls by name, with values that describe themselves.
//!
//! Only here a caller has another codec than the usual one, so that generated clients carry nothing
//! of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::asked::{End, Expect};
use super::call::Call;
use super::connection::Connection;
use super::incoming::Incoming;
use super::outcall::{Outcall, Upstream};
use super::pipe::Pipe;
use crate::codec::json;
use crate::error::CallError;
use crate::service::{Kind, Method, Policy, method_id};
use crate::wire::frame::FailCode;

/// Calls a method that answers with a value.
pub(crate) fn call<T, E>(
    connection: &Connection,
    method: &str,
    arguments: &impl Serialize,
    upstream: Option<Upstream>,
) -> Call<T, CallError<E>>
where
    T: DeserializeOwned + 'static,
    E: DeserializeOwned + 'static,
{
    let kind = if upstream.is_some() { Kind::ClientStream } else { Kind::Unary };
    let upstream = upstream.unwrap_or(Upstream::NONE);
    Call::of(outcall(connection, named(method, kind), Expect::Value, arguments, upstream), value)
}

/// Calls a method that answers with a stream of items.
pub(crate) fn open<T, E>(
    connection: &Connection,
    method: &str,
    arguments: &impl Serialize,
    upstream: Option<Upstream>,
) -> Incoming<T, CallError<E>>
where
    T: DeserializeOwned + 'static,
    E: DeserializeOwned + 'static,
{
    let kind = if upstream.is_some() { Kind::BothWays } else { Kind::Stream };
    let upstream = upstream.unwrap_or(Upstream::NONE);
    let outcall = outcall(connection, named(method, kind), Expect::Items, arguments, upstream);
    Incoming::of_answer(outcall, service_error, json::decode_prefix)
}

/// Calls a method with a byte stream.
pub(crate) fn pipe<T, E>(
    connection: &Connection,
    method: &str,
    arguments: &impl Serialize,
) -> Pipe<T, CallError<E>>
where
    T: DeserializeOwned + 'static,
    E: DeserializeOwned + 'static,
{
    let method = named(method, Kind::Bytes);
    Pipe::of(outcall(connection, method, Expect::Bytes, arguments, Upstream::NONE), value)
}

fn outcall(
    connection: &Connection,
    method: &'static Method,
    expect: Expect,
    arguments: &impl Serialize,
    upstream: Upstream,
) -> Outcall {
    Outcall::encoded(connection, method, expect, upstream, |mut head| {
        json::encode_borrowing(&mut head, arguments).map(|()| head.into())
    })
}

fn value<T: DeserializeOwned + 'static, E: DeserializeOwned + 'static>(
    end: End,
    outcall: &Outcall,
) -> Result<T, CallError<E>> {
    match end {
        End::Value(message) => {
            json::decode(&message.into_bytes()).map_err(|error| outcall.undecodable(error).into())
        }
        other => Err(service_error(other, outcall)),
    }
}

fn service_error<E: DeserializeOwned + 'static>(end: End, outcall: &Outcall) -> CallError<E> {
    match end {
        End::Fail(FailCode::Service, bytes) => match json::decode(&bytes) {
            Ok(error) => CallError::Service(error),
            Err(error) => outcall.undecodable(error).into(),
        },
        other => outcall.failure(other).into(),
    }
}

/// What is known of a method that somebody names. Each is kept as long as the process: a program has
/// few names to call, and they are those of a service.
fn named(name: &str, kind: Kind) -> &'static Method {
    static NAMED: Mutex<BTreeMap<(&str, &str), &Method>> = Mutex::new(BTreeMap::new());
    let mut known = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(method) = known.get(&(name, kind.word())) {
        return method;
    }
    let name: &'static str = name.to_owned().leak();
    let method = Box::leak(Box::new(Method {
        name,
        id: method_id(name),
        kind,
        arguments: &[],
        input: None,
        output: "",
        error: None,
        policy: Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    }));
    known.insert((name, kind.word()), method);
    method
}
