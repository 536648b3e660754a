//! What a service may look like, and names that could meet those of the generated code.
//!
//! That it compiles without a warning is most of what is shown; the calls show that each name is
//! the user's.

#![deny(warnings)]

use futures::{Stream, StreamExt as _, stream};

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

/// Methods that could be meant for the client, the object or a future.
#[autod::service]
trait Names {
    async fn new(&self) -> String;
    async fn clone(&self) -> String;
    async fn call(&self, call: String) -> String;
    async fn connection(&self, connection: u8) -> u8;
    async fn from_connection(&self) -> u8;
    async fn poll(&self, context: u8, waker: u8) -> u8;
    async fn dispatch(&self, request: u8, target: u8) -> u8;
    async fn deadline(&self) -> u8;
    async fn fmt(&self, f: u8) -> u8;
    async fn drop(&self, self_: u8, this: u8) -> u8;
    async fn into_future(&self, client: u8, output: u8, input: u8) -> u8;
    async fn method(&self, arguments: u8, decoded: u8, answered: u8) -> u8;
    async fn r#type(&self, r#fn: u8, r#match: u8) -> u8;
    fn next(&self, items: impl Stream<Item = u8>) -> impl Stream<Item = u8>;
}

#[derive(Debug, Default)]
struct Plain;

impl Names for Plain {
    async fn new(&self) -> String {
        "new".to_owned()
    }
    async fn clone(&self) -> String {
        "clone".to_owned()
    }
    async fn call(&self, call: String) -> String {
        call
    }
    async fn connection(&self, connection: u8) -> u8 {
        connection
    }
    async fn from_connection(&self) -> u8 {
        1
    }
    async fn poll(&self, context: u8, waker: u8) -> u8 {
        context - waker
    }
    async fn dispatch(&self, request: u8, target: u8) -> u8 {
        request - target
    }
    async fn deadline(&self) -> u8 {
        2
    }
    async fn fmt(&self, f: u8) -> u8 {
        f
    }
    async fn drop(&self, self_: u8, this: u8) -> u8 {
        self_ - this
    }
    async fn into_future(&self, client: u8, output: u8, input: u8) -> u8 {
        client - output - input
    }
    async fn method(&self, arguments: u8, decoded: u8, answered: u8) -> u8 {
        arguments - decoded - answered
    }
    async fn r#type(&self, r#fn: u8, r#match: u8) -> u8 {
        r#fn - r#match
    }
    fn next(&self, items: autod::Incoming<u8>) -> impl Stream<Item = u8> {
        items.map(|item| item.unwrap_or_default() + 1)
    }
}

#[test]
fn the_names_of_a_service_are_its_own() {
    block_on(async {
        let names: NamesClient = autod::in_process(Plain);
        assert_eq!(names.new().await.unwrap(), "new");
        assert_eq!(names.clone().await.unwrap(), "clone");
        assert_eq!(names.call("call".to_owned()).await.unwrap(), "call");
        assert_eq!(names.connection(9).await.unwrap(), 9);
        assert_eq!(names.from_connection().await.unwrap(), 1);
        assert_eq!(names.poll(5, 2).await.unwrap(), 3);
        assert_eq!(names.dispatch(5, 1).await.unwrap(), 4);
        assert_eq!(names.deadline().await.unwrap(), 2);
        assert_eq!(names.fmt(7).await.unwrap(), 7);
        assert_eq!(names.drop(9, 1).await.unwrap(), 8);
        assert_eq!(names.into_future(9, 1, 2).await.unwrap(), 6);
        assert_eq!(names.method(9, 1, 1).await.unwrap(), 7);
        assert_eq!(names.r#type(9, 4).await.unwrap(), 5);
        let next: Vec<_> = names.next(stream::iter([1, 2])).map(Result::unwrap).collect().await;
        assert_eq!(next, [2, 3]);
        let another = Clone::clone(&names);
        assert!(!autod::Client::connection(&another).started_daemon());
    });
}

/// Bodies that an implementation need not write.
#[autod::service]
trait Defaults {
    async fn step(&self) -> i64;
    async fn twice(&self) -> i64 {
        self.step().await + self.step().await
    }
    async fn checked(&self, text: String) -> Result<i64, String> {
        let n: i64 = text.parse().map_err(|_| format!("{text:?} is no number"))?;
        if n == 0 {
            return Err("nothing".to_owned());
        }
        Ok(n + self.step().await)
    }
    fn steps(&self, end: usize) -> impl Stream<Item = i64> {
        stream::repeat(()).then(async |()| self.step().await).take(end)
    }
    async fn open(&self, open: bool) -> Result<impl Stream<Item = i64>, String> {
        if open { Ok(stream::iter([1, 2])) } else { Err("shut".to_owned()) }
    }
    async fn sum(&self, numbers: impl Stream<Item = i64>) -> i64 {
        numbers.fold(0, async |sum, n| sum + n.unwrap_or_default()).await
    }
    async fn nothing(&self) {}
}

struct Threes;

impl Defaults for Threes {
    async fn step(&self) -> i64 {
        3
    }
    async fn nothing(&self) {
        std::future::ready(()).await;
    }
}

#[test]
fn a_method_may_have_a_default_body() {
    block_on(async {
        let threes: DefaultsClient = autod::in_process(std::sync::Arc::new(Threes));
        assert_eq!(threes.twice().await.unwrap(), 6);
        assert_eq!(threes.checked("4".to_owned()).await.unwrap(), 7);
        for (text, said) in [("x", "\"x\" is no number"), ("0", "nothing")] {
            assert_eq!(threes.checked(text.to_owned()).await.unwrap_err().to_string(), said);
        }
        let steps: Vec<_> = threes.steps(3).map(Result::unwrap).collect().await;
        assert_eq!(steps, [3, 3, 3]);
        let items: Vec<_> = threes.open(true).map(Result::unwrap).collect().await;
        assert_eq!(items, [1, 2]);
        let shut = threes.open(false).next().await.unwrap().unwrap_err();
        assert_eq!(shut.to_string(), "shut");
        assert_eq!(threes.sum(stream::iter([4, 5])).await.unwrap(), 9);
        threes.nothing().await.unwrap();
    });
}

/// More arguments than a tuple of serde's has, and than two of them have.
#[rustfmt::skip]
#[autod::service]
trait Many {
    #[expect(clippy::too_many_arguments, reason = "that is the point")]
    async fn join(
        &self, a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8, j: u8, k: u8, l: u8,
        m: u8, n: u8, o: u8, p: u8, q: u8, r: String, s: u8, t: u8, u: u8, v: u8, w: u8, x: u8,
        y: u8, z: u8, aa: u8, ab: u8, ac: u8, ad: u8, ae: u8, af: u8, ag: Vec<u8>,
    ) -> (u8, u8, String, u8, Vec<u8>);
}

#[rustfmt::skip]
impl Many for Plain {
    async fn join(
        &self, a: u8, b: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8,
        _: u8, _: u8, _: u8, _: u8, _: u8, r: String, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8,
        _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, af: u8, ag: Vec<u8>,
    ) -> (u8, u8, String, u8, Vec<u8>) {
        (a, b, r, af, ag)
    }
}

#[test]
fn a_method_may_have_any_number_of_arguments() {
    block_on(async {
        let many: ManyClient = autod::in_process(Plain);
        #[rustfmt::skip]
        let joined = many.join(
            1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, "r".to_owned(), 19, 20, 21, 22,
            23, 24, 25, 26, 27, 28, 29, 30, 31, 32, vec![33; 3],
        );
        assert_eq!(joined.await.unwrap(), (1, 2, "r".to_owned(), 32, vec![33; 3]));
    });
}

/// Methods under conditions, of which the others know nothing, and old ones.
#[autod::service]
trait Conditions {
    #[cfg(any())]
    async fn gone(&self, value: NoSuchType) -> NoSuchType;
    #[cfg_attr(all(), cfg(any()))]
    fn away(&self) -> impl Stream<Item = NoSuchType>;
    #[cfg(unix)]
    async fn get(&self) -> u8;
    #[cfg(not(unix))]
    async fn get(&self) -> NoSuchType;
    #[deprecated = "use `get`"]
    async fn old(&self) -> u8;
}

impl Conditions for Plain {
    async fn get(&self) -> u8 {
        1
    }
    async fn old(&self) -> u8 {
        2
    }
}

/// A service that is old as a whole.
#[deprecated]
#[autod::service]
trait Old {
    async fn get(&self) -> u8;
}

#[expect(deprecated)]
impl Old for Plain {
    async fn get(&self) -> u8 {
        3
    }
}

#[test]
fn conditions_and_warnings_hold_for_all_that_is_generated() {
    block_on(async {
        let conditions: ConditionsClient = autod::in_process(Plain);
        assert_eq!(conditions.get().await.unwrap(), 1);
        #[expect(deprecated)]
        let old = conditions.old().await.unwrap();
        assert_eq!(old, 2);
        #[expect(deprecated)]
        let get = autod::in_process::<OldClient, _>(Plain).get().await.unwrap();
        assert_eq!(get, 3);
    });
    let table = <ConditionsClient as autod::service::Service>::TABLE;
    let names: Vec<_> = table.methods.iter().map(|method| method.name).collect();
    assert_eq!(names, ["get", "old"]);
}

/// Old methods of every kind, one of which is also under a condition.
#[autod::service]
trait Olden {
    #[deprecated]
    fn items(&self, items: impl Stream<Item = u8>) -> impl Stream<Item = u8>;
    #[deprecated(since = "2.0.0", note = "use `sum`")]
    async fn open(&self) -> Result<impl Stream<Item = u8>, String>;
    #[deprecated]
    #[cfg(unix)]
    async fn bytes(&self, bytes: autod::ByteStream) -> Result<u8, String>;
    #[deprecated]
    async fn sum(&self, items: impl Stream<Item = u8>) -> u8;
}

impl Olden for Plain {
    fn items(&self, items: autod::Incoming<u8>) -> impl Stream<Item = u8> {
        items.map(Result::unwrap_or_default)
    }
    async fn open(&self) -> Result<impl Stream<Item = u8>, String> {
        Ok(stream::iter([1]))
    }
    async fn bytes(&self, _: autod::ByteStream) -> Result<u8, String> {
        Ok(2)
    }
    async fn sum(&self, items: autod::Incoming<u8>) -> u8 {
        items.fold(0, async |sum, n| sum + n.unwrap_or_default()).await
    }
}

/// A trait under a condition takes all with it that is generated.
#[autod::service]
#[cfg(any())]
trait Gone {
    async fn get(&self, value: NoSuchType) -> NoSuchType;
}

/// Its objects can do something else too.
#[autod::service]
trait Labelled: Label + std::fmt::Debug {
    async fn shout(&self) -> String {
        self.label().to_uppercase()
    }
}

trait Label {
    fn label(&self) -> String;
}

impl Label for Plain {
    fn label(&self) -> String {
        "plain".to_owned()
    }
}

impl Labelled for Plain {}

#[test]
fn the_objects_of_a_service_may_have_to_be_more() {
    block_on(async {
        let labelled: LabelledClient = autod::in_process(Plain);
        assert_eq!(labelled.shout().await.unwrap(), "PLAIN");
    });
}

/// Names of the standard library that mean something else.
mod bare {
    #![allow(dead_code, reason = "they are here to be in the way")]

    pub(super) struct Option;
    pub(super) struct Vec;
    pub(super) struct Box;
    pub(super) struct Arc;
    pub(super) struct Send;
    pub(super) struct Sync;
    pub(super) struct Future;
    pub(super) struct Clone;
    pub(super) struct Ok;
    pub(super) struct Some;
    pub(super) struct Call;
    pub(super) struct Connection;
    pub(super) mod core {}
    pub(super) mod std {}
    pub(super) mod autod {}

    #[::autod::service]
    pub(super) trait Client {
        async fn get(&self) -> u8;
        async fn result(&self, n: u8) -> ::core::result::Result<u8, ::std::string::String>;
        fn items(
            &self,
            items: impl ::futures::Stream<Item = u8>,
        ) -> impl ::futures::Stream<Item = u8>;
        async fn bytes(&self, bytes: ::autod::ByteStream);
    }

    impl Client for super::Plain {
        async fn get(&self) -> u8 {
            5
        }
        async fn result(&self, n: u8) -> ::core::result::Result<u8, ::std::string::String> {
            ::core::result::Result::Ok(n)
        }
        fn items(&self, items: ::autod::Incoming<u8>) -> impl ::futures::Stream<Item = u8> {
            ::futures::StreamExt::map(items, Result::unwrap_or_default)
        }
        async fn bytes(&self, _: ::autod::ByteStream) {}
    }
}

/// Private, with a private type.
mod private {
    use serde::{Deserialize, Serialize};

    #[derive(Serialize, Deserialize)]
    struct Secret(u8);

    #[autod::service]
    trait Hidden {
        async fn open(&self, secret: Secret) -> Secret;
    }

    impl Hidden for super::Plain {
        async fn open(&self, Secret(secret): Secret) -> Secret {
            Secret(secret + 1)
        }
    }

    pub(super) async fn ask() -> u8 {
        let hidden: HiddenClient = autod::in_process(super::Plain);
        hidden.open(Secret(6)).await.unwrap().0
    }
}

/// The crate under another name, and a trait that a macro writes: one for each type.
mod renamed {
    macro_rules! store {
        ($name:ident, $value:ty) => {
            #[other_name::service(crate = "::other_name")]
            pub(super) trait $name {
                async fn store(&self, value: $value) -> $value {
                    value
                }
                fn values(&self, value: $value) -> impl futures::Stream<Item = $value> {
                    futures::stream::iter([value])
                }
            }

            impl $name for super::Plain {}
        };
    }

    store!(Numbers, u8);
    store!(Texts, String);
}

#[test]
fn nothing_that_is_in_scope_matters() {
    block_on(async {
        let client: bare::ClientClient = autod::in_process(Plain);
        assert_eq!(client.get().await.unwrap(), 5);
        assert_eq!(client.result(6).await.unwrap(), 6);
        let items: Vec<_> = client.items(stream::iter([7])).map(Result::unwrap).collect().await;
        assert_eq!(items, [7]);
        client.bytes().finish().await.unwrap();
        assert_eq!(private::ask().await, 7);
        let numbers: renamed::NumbersClient = autod::in_process(Plain);
        assert_eq!(numbers.store(8).await.unwrap(), 8);
        let texts: renamed::TextsClient = autod::in_process(Plain);
        let text = texts.values("text".to_owned()).next().await.unwrap().unwrap();
        assert_eq!(text, "text");
    });
}
