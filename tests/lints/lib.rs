//! A library of services under the strictest lints: what is generated adds no warning to a user's crate.
//!
//! That it compiles, and that clippy is silent, is all that is shown. It is a library because only there
//! something can lack documentation.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    clippy::all,
    clippy::nursery,
    clippy::pedantic,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    let_underscore_drop,
    meta_variable_misuse,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]

use std::fmt::{Debug, Display};

use futures::{Stream, StreamExt as _, stream};

/// An alias that has the error in it.
pub mod outcome {
    /// A value, or a number and what it means.
    pub type Result<T> = std::result::Result<T, (u8, String)>;
}

/// Every shape of a method.
#[autod::service]
pub trait Shapes: Debug {
    /// Nothing.
    async fn unit(&self);
    /// A value.
    async fn value(&self, r#type: u8, name: String) -> Option<Vec<u8>>;
    /// A value or an error.
    async fn result(&self, n: u8) -> Result<u8, String>;
    /// An error of the system.
    async fn alias(&self) -> outcome::Result<u8>;
    /// More arguments than a tuple of serde's has.
    #[expect(
        clippy::too_many_arguments,
        reason = "what clippy thinks of the trait is its author's"
    )]
    async fn many(
        &self,
        a: u8,
        b: u8,
        c: u8,
        d: u8,
        e: u8,
        f: u8,
        g: u8,
        h: u8,
        i: u8,
        j: u8,
        k: u8,
        l: u8,
        m: u8,
        n: u8,
        o: u8,
        p: u8,
        q: u8,
        r: u8,
    ) -> u8;
    /// A stream.
    #[autod(drop_oldest = 4)]
    fn stream(&self) -> impl Stream<Item = u8>;
    /// A stream that may fail to open.
    async fn open(&self, name: String) -> Result<impl Stream<Item = u8>, String>;
    /// A stream to the daemon.
    async fn sum(&self, start: u8, items: impl Stream<Item = u8>) -> u8;
    /// Both ways.
    fn both(&self, items: impl Stream<Item = u8>) -> impl Stream<Item = u8>;
    /// Bytes.
    async fn bytes(&self, name: String, bytes: autod::ByteStream) -> Result<u64, String>;
    /// To its end.
    #[autod(no_cancel, idempotent, rename = "keep")]
    async fn kept(&self) -> u8 {
        3
    }
    /// With a body.
    fn default(&self) -> impl Stream<Item = u8> {
        stream::iter([1, 2, 3])
    }
    /// Old.
    #[deprecated(since = "0.1.0", note = "use `value`")]
    async fn old(&self, n: u8) -> Result<u8, String>;
    /// An old stream.
    #[deprecated]
    fn old_stream(&self, items: impl Stream<Item = u8>) -> impl Stream<Item = u8>;
    /// For one system.
    #[cfg(unix)]
    async fn here(&self) -> u8;
    /// For no system.
    #[cfg(any())]
    async fn nowhere(&self, value: NoSuchType) -> NoSuchType;
}

/// For every type.
#[autod::service]
pub trait Store<K: Ord, V = String, const MOST: usize = 3>
where
    V: Clone,
{
    /// Keeps a value.
    async fn put(&self, key: K, value: V) -> Option<V>;
    /// Gives it back.
    async fn take(&self, key: K) -> Result<V, String>;
    /// All of them.
    fn pairs(&self, keys: impl Stream<Item = K>) -> impl Stream<Item = (K, V)>;
    /// All that are wanted.
    async fn open(&self, keys: Vec<K>) -> Result<impl Stream<Item = V>, String>;
    /// From bytes.
    async fn load(&self, key: K, bytes: autod::ByteStream) -> u64;
    /// As many as can be.
    #[deprecated]
    async fn most(&self) -> usize {
        MOST
    }
}

/// Its own error.
#[autod::service]
pub trait Failing<E: Display + Debug> {
    /// Fails.
    async fn fail(&self) -> Result<(), E>;
}

/// Nothing at all.
#[autod::service]
pub trait Empty {}

/// Old as a whole.
#[deprecated]
#[autod::service]
pub trait Old<T> {
    /// The value.
    async fn get(&self) -> T;
}

#[autod::service]
trait Private<T> {
    async fn get(&self) -> T;
}

/// What serves all of them.
#[derive(Debug, Default)]
pub struct Object;

impl Shapes for Object {
    async fn unit(&self) {}

    async fn value(&self, r#type: u8, _: String) -> Option<Vec<u8>> {
        Some(vec![r#type])
    }

    async fn result(&self, n: u8) -> Result<u8, String> {
        Ok(n)
    }

    async fn alias(&self) -> outcome::Result<u8> {
        Err((1, String::new()))
    }

    async fn many(
        &self,
        a: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        _: u8,
        r: u8,
    ) -> u8 {
        a - r
    }

    fn stream(&self) -> impl Stream<Item = u8> {
        stream::iter([1])
    }

    async fn open(&self, name: String) -> Result<impl Stream<Item = u8>, String> {
        Ok(stream::iter(name.into_bytes()))
    }

    async fn sum(&self, start: u8, items: autod::Incoming<u8>) -> u8 {
        items.fold(start, async |sum, item| sum + item.unwrap_or_default()).await
    }

    fn both(&self, items: autod::Incoming<u8>) -> impl Stream<Item = u8> {
        items.filter_map(async |item| item.ok())
    }

    async fn bytes(&self, _: String, bytes: autod::ByteStream) -> Result<u64, String> {
        drop(bytes);
        Ok(0)
    }

    async fn old(&self, n: u8) -> Result<u8, String> {
        Ok(n)
    }

    fn old_stream(&self, items: autod::Incoming<u8>) -> impl Stream<Item = u8> {
        items.filter_map(async |item| item.ok())
    }

    async fn here(&self) -> u8 {
        1
    }
}

impl Empty for Object {}

impl<T: autod::Value + Default> Private<T> for Object {
    async fn get(&self) -> T {
        T::default()
    }
}

/// Uses the private one.
#[must_use]
pub fn private() -> bool {
    let client: PrivateClient<u8> = autod::in_process(Object);
    drop(client.get());
    drop(client);
    true
}
