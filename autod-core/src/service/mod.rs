//! What `#[autod::service]` generates for a trait, seen from the library.
//!
//! The traits here join a generated client type to its method table and to the objects that can
//! serve it. They know values and method ids; how a request came and how its answer travels is
//! behind [`Request`], so that a socket and a call inside one process dispatch alike.

use std::sync::Arc;

use futures_util::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arguments::Arguments;
use crate::mux::{ByteStream, Incoming};

mod fingerprint;
mod table;

pub(crate) use self::fingerprint::{FNV_OFFSET, FNV_PRIME, end, hash};
pub use self::fingerprint::{assert_distinct, method_id};
pub use self::table::{Argument, Kind, Method, Parameter, Policy, Table};

/// A type that a service can have in the place of a parameter, and that can be sent.
///
/// A trait `Store<T>` asks it of `T`, so an implementation for every `T` writes
/// `impl<T: autod::Value> Store<T> for ..`. It has no methods, and every type that fits has it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand for a parameter of a service",
    label = "what is sent is `Serialize + DeserializeOwned + Send + Sync + 'static`",
    note = "in an implementation for every type write `T: autod::Value`"
)]
pub trait Value: Serialize + DeserializeOwned + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Value for T {}

/// A type that stands for a service: the generated client.
pub trait Service: 'static {
    /// The method table.
    const TABLE: &'static Table;
}

/// A service whose calls an object of type `T` can answer.
///
/// Implemented by the macro on the client type for every `T` that implements the trait.
pub trait Serves<T>: Service {
    /// Answers one request. The future owns the object, so that a stream may borrow from it.
    fn dispatch<R: Request>(
        target: Arc<T>,
        request: R,
    ) -> impl Future<Output = Answered> + Send + 'static;
}

/// A call that waits for its answer.
///
/// Taking the answer consumes the request: exactly one is given.
pub trait Request: Sized + Send + 'static {
    /// The id of the method.
    fn method(&self) -> u64;

    /// The handler runs to its end, whatever becomes of its caller.
    fn keep(&self);

    /// Decodes the arguments, a tuple in the order of the method. A request whose arguments do not
    /// decode has been answered with an error of that call.
    fn arguments<A: Arguments>(self) -> Result<(A, Self), Answered>;

    /// As [`arguments`](Self::arguments), of a method that takes a stream of items too.
    fn arguments_and_items<A, T>(self) -> Result<(A, Incoming<T>, Self), Answered>
    where
        A: Arguments,
        T: DeserializeOwned + 'static;

    /// As [`arguments`](Self::arguments), of a method that takes a byte stream too.
    fn arguments_and_bytes<A: Arguments>(self) -> Result<(A, ByteStream, Self), Answered>;

    /// Answers with a value.
    fn reply<O: Serialize + 'static>(self, output: &O) -> Answered;

    /// Answers with a value or with the service's own error.
    fn reply_result<O: Serialize + 'static, E: Serialize + 'static>(
        self,
        result: &Result<O, E>,
    ) -> Answered;

    /// Answers with the service's own error.
    fn reply_error<E: Serialize + 'static>(self, error: &E) -> Answered;

    /// Answers with the items of a stream.
    fn stream<S>(self, items: S, policy: Policy) -> impl Future<Output = Answered> + Send
    where
        S: Stream<Item: Serialize + Send + 'static> + Send;

    /// Answers that there is no such method.
    fn unknown(self) -> Answered;
}

/// The proof that a request was answered.
#[derive(Debug)]
pub struct Answered(());

impl Answered {
    pub(crate) fn new() -> Self {
        Self(())
    }
}

/// Takes a `Result` apart under whatever alias it was written.
pub trait Fallible {
    /// The type of the value.
    type Value;
    /// The type of the error.
    type Error;
    /// The plain result.
    fn into_result(self) -> Result<Self::Value, Self::Error>;
}

impl<T, E> Fallible for Result<T, E> {
    type Value = T;
    type Error = E;
    fn into_result(self) -> Self {
        self
    }
}
