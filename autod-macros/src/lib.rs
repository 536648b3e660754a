//! The `#[service]` attribute of the `autod` crate.
//!
//! One attribute on a trait gives the contract, the typed client, the dispatch to an object that
//! implements the trait, and the method table. The path of a trait through this crate is
//! `parse` (the options), `check` (every rule, all mistakes at once, gives the `model`), `expand`
//! (tokens from the model; it cannot fail). A trait with mistakes goes to `expand::fallback`.
//!
//! Generated code names only what is public in `autod` or in `autod::__private`; what those names
//! do is not known here.

mod check;
mod expand;
mod mistakes;
mod model;
mod parse;
mod types;

/// Makes a trait a service.
///
/// For `pub trait Counter` it writes `pub struct CounterClient`, whose methods are those of the
/// trait and return calls and streams. Every object that implements `Counter` can be served.
///
/// ```text
/// #[autod::service]
/// pub trait Counter {
///     /// One answer: `counter.add(2).await?` is an `i64`.
///     async fn add(&self, n: i64) -> i64;
///     /// The service's own error: `counter.div(1, 0).await` is a `Result<i64, CallError<String>>`.
///     async fn div(&self, a: i64, b: i64) -> Result<i64, String>;
///     /// Many answers: `counter.watch()` is a stream of them.
///     fn watch(&self) -> impl Stream<Item = i64>;
///     /// Many answers, or an error: that is then the only item.
///     async fn open(&self, name: String) -> Result<impl Stream<Item = i64>, String>;
///     /// Many arguments: `counter.sum(stream).await?`. An answer can be a stream too.
///     async fn sum(&self, numbers: impl Stream<Item = i64>) -> i64;
///     /// Bytes both ways: `counter.load()` is an `autod::Pipe`.
///     async fn load(&self, bytes: autod::ByteStream) -> Result<u64, String>;
/// }
/// ```
///
/// Beside it stands `CounterBlockingClient`, for programs and threads without a runtime. Its methods
/// give at once what those of the other promise: a `Result` in the place of a call, an iterator
/// (`autod::blocking::Incoming`) in that of a stream, an `autod::blocking::Pipe` that reads and writes;
/// a stream among the arguments is anything that becomes an iterator. Both names are taken beside the
/// trait: a service called `CounterBlocking` would need the second one for its own client.
///
/// The implementation writes `async fn` and `impl Stream` as the trait does; an argument that is a
/// stream of `T` it takes as `autod::Incoming<T>`. A stream is the last argument. The trait gets the
/// supertraits `Send + Sync + 'static`, its futures and streams are `Send`, and `Arc<T>` implements
/// it if `T` does. What is sent owns its data: arguments and answers have no references, no
/// lifetimes but `'static`, and are serde values.
///
/// A method may have a default body. `#[cfg]`, `#[deprecated]`, `#[allow]` and the docs of a method hold
/// for the client's too. Names in scope do not matter, but for one: a module called `diagnostic` beside
/// the trait hides the compiler's own.
///
/// A return type whose last segment is `Result` is a fallible method, under whatever path or alias.
///
/// # Parameters
///
/// A trait can have type parameters and constant ones, with bounds, defaults and a `where` clause; its
/// client has the same. Each type is one that can be sent, `autod::Value`, without being asked for:
///
/// ```text
/// #[autod::service]
/// pub trait Store<T> {
///     async fn put(&self, value: T) -> Option<T>;
/// }
///
/// impl<T: autod::Value> Store<T> for Memory<T> { .. }
///
/// async fn keep(store: StoreClient<u64>) { .. }
/// ```
///
/// A daemon serves one choice of types. A client of other types is told so when it connects, as one of
/// another shape of the service is: what a type asks its deserializer for is part of the fingerprint. That
/// is its name, if it is a struct or an enum, the names of its fields and variants and what is in them. Two
/// types that agree in all of it are one and the same on the wire. Not looked at is what is in
/// the 65th variant of an enum, in a type that is nested more than 16 deep, and behind a value that the type
/// refuses.
///
/// # Options
///
/// - `#[autod::service(crate = "path")]`: the path of the `autod` crate, if it is not `::autod`.
/// - `#[autod(rename = "name")]` on a method: its name on the wire.
/// - `#[autod(drop_oldest = 64)]` on a method that returns a stream: it is asked for items whether or
///   not the caller takes them. What the caller has made room for is sent; of the rest the newest 64
///   are kept, and at most a mebibyte of them, and the others are counted in
///   `autod::Incoming::skipped`. Without it the stream waits for its caller.
/// - `#[autod(no_cancel)]` on a method without a stream: its handler runs to its end whatever becomes
///   of the caller. Dropping the call takes nothing back once it was polled and there was room for
///   it, and a lost connection does not stop the handler; the answer is thrown away. As long as
///   it runs it is a user of the daemon, which waits for it as for any other call when it closes.
/// - `#[autod(idempotent)]` on a method that does no more when it is executed twice, such as one that
///   reads, or sets a value: `Error::is_retry_safe` is then true also of a call that may have been
///   executed, when the connection was lost, the daemon closed or the deadline passed. Nothing is
///   sent again by itself.
#[proc_macro_attribute]
pub fn service(
    options: proc_macro::TokenStream,
    item: proc_macro::TokenStream,
) -> proc_macro::TokenStream {
    expand::service(options.into(), &item.into()).into()
}
