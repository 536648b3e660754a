//! What `#[autod::service]` generates for a trait, seen from the library.
//!
//! The traits here join a generated client type to its method table and to the objects that can
//! serve it. They know values and method ids; how a request came and how its answer travels is
//! behind [`Request`], so that a socket and a call inside one process dispatch alike.

use std::fmt;
use std::sync::Arc;

use futures_util::Stream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::arguments::Arguments;

use crate::mux::{ByteStream, Incoming};

/// The method table of a service.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Table {
    /// The name of the trait.
    pub name: &'static str,
    /// The doc comment of the trait.
    pub docs: &'static str,
    /// The parameters of the trait.
    pub parameters: &'static [Parameter],
    /// The methods in the order in which they were written.
    pub methods: &'static [Method],
    /// The hash over all that is written in the trait.
    written: u64,
}

impl Table {
    /// Collects a table and computes its fingerprint.
    pub const fn new(name: &'static str, docs: &'static str, methods: &'static [Method]) -> Self {
        Self { name, docs, parameters: &[], methods, written: written(name, methods) }
    }

    /// The table of a service with these parameters.
    #[must_use]
    pub const fn with_parameters(self, parameters: &'static [Parameter]) -> Self {
        Self { parameters, ..self }
    }

    /// A service without methods, for those who only give orders.
    pub(crate) const NONE: Self = Self::new("", "", &[]);

    /// A hash over the names, the kinds and the types as they are written: two builds that differ in
    /// it cannot talk. Docs, names of arguments and the order of the methods do not count, and
    /// neither does what a named type consists of: of that only the build knows.
    ///
    /// Of a service with parameters it counts too what stands in their place: of a type its
    /// form on the wire as its `Deserialize` describes it, which is its name and the names and forms of
    /// what is in it.
    pub fn fingerprint(&self) -> u64 {
        self.parameters.iter().fold(self.written, |state, parameter| {
            (state ^ (parameter.identity)()).wrapping_mul(FNV_PRIME)
        })
    }

    /// What it has, for somebody who asked for something else.
    pub(crate) fn in_words(&self) -> String {
        if self.methods.is_empty() {
            return String::new();
        }
        let names: Vec<_> = self.methods.iter().map(|method| method.name).collect();
        format!("the methods of {} are {}", self.name, names.join(", "))
    }

    /// The method with this id.
    pub fn method(&self, id: u64) -> Option<&'static Method> {
        self.methods.iter().find(|method| method.id == id)
    }
}

/// A parameter of the trait of a service, as `T` in `trait Store<T>`.
#[derive(Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// Tells what stands in its place from others.
    #[doc(hidden)]
    pub identity: fn() -> u64,
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parameter").field("name", &self.name).finish_non_exhaustive()
    }
}

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

/// One row of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// The name on the wire.
    pub name: &'static str,
    /// [`method_id`] of the name.
    pub id: u64,
    /// What goes to and fro.
    pub kind: Kind,
    /// The arguments without the receiver and without a stream.
    pub arguments: &'static [Argument],
    /// The stream of items among the arguments, with the type of an item.
    pub input: Option<Argument>,
    /// The type of the answer or of each item, as written.
    pub output: &'static str,
    /// The type of the service's own error, as written.
    pub error: Option<&'static str>,
    /// What becomes of items that the caller does not take in time.
    pub policy: Policy,
    /// The handler runs to its end whatever becomes of its caller.
    pub no_cancel: bool,
    /// Executed twice it does no more than once, so a call of it can always be sent again.
    pub idempotent: bool,
    /// The doc comment.
    pub docs: &'static str,
}

/// One argument of a [`Method`].
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// Its type, as written.
    pub ty: &'static str,
}

/// What goes to and fro in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Arguments, and one value back.
    Unary,
    /// Arguments, and a stream of values back.
    Stream,
    /// A stream of values, and one value back.
    ClientStream,
    /// A stream of values each way.
    BothWays,
    /// Bytes each way, and then one value back.
    Bytes,
}

impl Kind {
    /// The word for it in PROTOCOL.md, which goes into the fingerprint.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::Stream => "stream",
            Self::ClientStream => "client-stream",
            Self::BothWays => "both-ways",
            Self::Bytes => "bytes",
        }
    }
}

/// What becomes of the items of a stream when the caller does not take them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Policy {
    /// The stream is not asked for more until there is room.
    BackPressure,
    /// So many of the newest items are kept, the others are dropped and counted.
    DropOldest(usize),
}

/// The id of a method on the wire: 64-bit FNV-1a of its name.
pub const fn method_id(name: &str) -> u64 {
    hash(FNV_OFFSET, name)
}

pub(crate) const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
pub(crate) const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

pub(crate) const fn hash(mut state: u64, text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        state = (state ^ bytes[at] as u64).wrapping_mul(FNV_PRIME);
        at += 1;
    }
    state
}

/// Ends a field, so that neighbouring fields cannot trade characters.
pub(crate) const fn end(state: u64) -> u64 {
    (state ^ 0xff).wrapping_mul(FNV_PRIME)
}

/// Does not depend on the order of the methods, on docs or on argument names: none of them is on
/// the wire.
const fn written(name: &str, methods: &[Method]) -> u64 {
    let mut sum = end(hash(FNV_OFFSET, name));
    let mut at = 0;
    while at < methods.len() {
        let method = &methods[at];
        let mut state = end(hash(FNV_OFFSET, method.name));
        state = end(hash(state, method.kind.word()));
        let mut argument = 0;
        while argument < method.arguments.len() {
            state = end(hash(state, method.arguments[argument].ty));
            argument += 1;
        }
        if let Some(input) = method.input {
            state = end(hash(state, input.ty));
        }
        state = end(hash(end(state), method.output));
        if let Some(error) = method.error {
            state = end(hash(state, error));
        }
        sum = sum.wrapping_add(state);
        at += 1;
    }
    sum
}

/// Stops the compilation of a service in which two names have the same id.
pub const fn assert_distinct(methods: &[Method]) {
    let mut left = 0;
    while left < methods.len() {
        let mut right = left + 1;
        while right < methods.len() {
            assert!(
                methods[left].id != methods[right].id,
                "two methods of this service have the same id: rename one of them"
            );
            right += 1;
        }
        left += 1;
    }
}

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
    fn reply<O: Serialize + 'static>(self, output: O) -> Answered;

    /// Answers with a value or with the service's own error.
    fn reply_result<O: Serialize + 'static, E: Serialize + 'static>(
        self,
        result: Result<O, E>,
    ) -> Answered;

    /// Answers with the service's own error.
    fn reply_error<E: Serialize + 'static>(self, error: E) -> Answered;

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

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: Method = Method {
        name: "add",
        id: method_id("add"),
        kind: Kind::Unary,
        arguments: &[Argument { name: "n", ty: "i64" }],
        input: None,
        output: "i64",
        error: None,
        policy: Policy::BackPressure,
        no_cancel: false,
        idempotent: false,
        docs: "",
    };

    #[test]
    fn ids_are_fnv_1a() {
        assert_eq!(method_id(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(method_id("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(method_id("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn only_what_is_on_the_wire_changes_the_fingerprint() {
        let base = written("Counter", &[ADD]);
        let docs = Method { docs: "Adds.", ..ADD };
        let argument = Method { arguments: &[Argument { name: "by", ty: "i64" }], ..ADD };
        assert_eq!(base, written("Counter", &[docs]));
        assert_eq!(base, written("Counter", &[argument]));

        let ty = Method { arguments: &[Argument { name: "n", ty: "u64" }], ..ADD };
        let stream = Method { kind: Kind::Stream, ..ADD };
        let fallible = Method { error: Some("String"), ..ADD };
        let output = Method { output: "i32", ..ADD };
        for other in [ty, stream, fallible, output] {
            assert_ne!(base, written("Counter", &[other]), "{other:?}");
        }
        assert_ne!(base, written("Meter", &[ADD]));
        let get = Method { name: "get", arguments: &[], ..ADD };
        assert_eq!(written("Counter", &[ADD, get]), written("Counter", &[get, ADD]));
    }

    #[test]
    fn fields_cannot_trade_characters() {
        let left = Method {
            arguments: &[Argument { name: "", ty: "ab" }, Argument { name: "", ty: "c" }],
            ..ADD
        };
        let right = Method {
            arguments: &[Argument { name: "", ty: "a" }, Argument { name: "", ty: "bc" }],
            ..ADD
        };
        assert_ne!(written("", &[left]), written("", &[right]));
    }
}
