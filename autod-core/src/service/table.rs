//! The method table of a service, and what it is made of.

use std::fmt;

use super::fingerprint::{FNV_PRIME, written};

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

/// One row of a [`Table`].
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// The name on the wire.
    pub name: &'static str,
    /// [`method_id`](super::method_id) of the name.
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
