//! Services with parameters: one trait, a service for each type in their place.

#![deny(warnings)]

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::sync::{Arc, Mutex};

use autod::service::Service as _;
use autod::{Daemon, Value};
use futures::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};

use crate::home::Home;

/// Values under their keys, in every shape that a method can have.
#[autod::service]
pub trait Store<K: Ord + Clone, V = String, const MOST: usize = 3>
where
    V: Clone,
{
    /// Keeps a value, and gives back the one that was there.
    async fn put(&self, key: K, value: V) -> Option<V>;
    /// The value, or an error that says which key is unknown.
    async fn take(&self, key: K) -> Result<V, String>;
    fn pairs(&self) -> impl Stream<Item = (K, V)>;
    async fn fill(&self, pairs: impl Stream<Item = (K, V)>) -> usize;
    fn swap(&self, values: impl Stream<Item = V>) -> impl Stream<Item = V>;
    async fn open(&self, key: K) -> Result<impl Stream<Item = V>, String>;
    async fn load(&self, key: K, bytes: autod::ByteStream) -> u64;
    #[autod(rename = "has", idempotent)]
    async fn contains(&self, key: K) -> bool {
        self.take(key).await.is_ok()
    }
    #[deprecated]
    async fn most(&self) -> usize {
        MOST
    }
}

#[derive(Debug)]
struct Memory<K, V>(Mutex<BTreeMap<K, V>>);

impl<K, V> Default for Memory<K, V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Value + Ord + Clone, V: Value + Clone, const MOST: usize> Store<K, V, MOST>
    for Memory<K, V>
{
    async fn put(&self, key: K, value: V) -> Option<V> {
        self.0.lock().unwrap().insert(key, value)
    }
    async fn take(&self, key: K) -> Result<V, String> {
        self.0.lock().unwrap().remove(&key).ok_or_else(|| "unknown".to_owned())
    }
    fn pairs(&self) -> impl Stream<Item = (K, V)> {
        let pairs = self.0.lock().unwrap().clone();
        stream::iter(pairs.into_iter().take(MOST))
    }
    async fn fill(&self, mut pairs: autod::Incoming<(K, V)>) -> usize {
        while let Some(Ok((key, value))) = pairs.next().await {
            Store::<K, V, MOST>::put(self, key, value).await;
        }
        self.0.lock().unwrap().len()
    }
    fn swap(&self, values: autod::Incoming<V>) -> impl Stream<Item = V> {
        values.filter_map(async |value| value.ok())
    }
    async fn open(&self, key: K) -> Result<impl Stream<Item = V>, String> {
        Store::<K, V, MOST>::take(self, key).await.map(|value| stream::iter([value]))
    }
    async fn load(&self, _: K, _: autod::ByteStream) -> u64 {
        0
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Point {
    x: i64,
    y: i64,
}

#[test]
fn a_service_has_parameters() {
    block_on(async {
        let store: StoreClient<String, Point, 1> = autod::in_process(Memory::default());
        let point = |x, y| Point { x, y };
        assert_eq!(store.put("a".to_owned(), point(1, 2)).await.unwrap(), None);
        assert_eq!(store.put("a".to_owned(), point(3, 4)).await.unwrap(), Some(point(1, 2)));
        assert_eq!(store.take("a".to_owned()).await.unwrap(), point(3, 4));
        let error = store.take("a".to_owned()).await.unwrap_err();
        assert_eq!(error.to_string(), "unknown");
        let pairs = ["b", "c"].map(|key| (key.to_owned(), point(0, 0)));
        assert_eq!(store.fill(stream::iter(pairs)).await.unwrap(), 2);
        assert_eq!(store.pairs().count().await, 1, "the constant is known");
        assert_eq!(store.swap(stream::iter([point(5, 6)])).count().await, 1);
        assert_eq!(store.open("b".to_owned()).count().await, 1);
        assert!(!store.contains("b".to_owned()).await.unwrap());
        assert_eq!(store.load("b".to_owned()).finish().await.unwrap(), 0);
        #[expect(deprecated)]
        let most = store.most().await.unwrap();
        assert_eq!(most, 1);
        assert_eq!(format!("{:?}", store.clone()), format!("{store:?}"));
    });
}

#[test]
fn an_object_of_parameters_is_shared() {
    block_on(async {
        let memory = Arc::new(Memory::default());
        let one: StoreClient<u8> = autod::in_process(Arc::clone(&memory));
        let other: StoreClient<u8> = autod::in_process(memory);
        one.put(1, "one".to_owned()).await.unwrap();
        assert_eq!(other.take(1).await.unwrap(), "one");
    });
}

/// A client for every type, as a program that has such a service writes it.
async fn kept<V: Value + Clone + PartialEq>(store: &StoreClient<u8, V>, value: V) -> bool {
    store.put(1, value.clone()).await.is_ok_and(|before| before.is_none())
        && store.take(1).await.is_ok_and(|kept| kept == value)
}

#[test]
fn a_client_can_be_used_for_every_type() {
    block_on(async {
        assert!(kept(&autod::in_process(Memory::default()), 2_u64).await);
        assert!(kept(&autod::in_process(Memory::default()), vec![(1_u8, "a".to_owned())]).await);
    });
}

/// The error of a service can be a parameter too.
#[autod::service]
trait Fallible<T, E: Display + Debug> {
    async fn answer(&self) -> Result<T, E>;
}

struct Always<T>(T);

impl<T: Value + Clone> Fallible<u8, T> for Always<T>
where
    T: Display + Debug,
{
    async fn answer(&self) -> Result<u8, T> {
        Err(self.0.clone())
    }
}

#[test]
fn the_error_can_be_a_parameter() {
    block_on(async {
        let client: FallibleClient<u8, String> = autod::in_process(Always("no".to_owned()));
        assert_eq!(client.answer().await.unwrap_err().to_string(), "no");
    });
}

#[test]
fn the_table_names_the_parameters() {
    let table = StoreClient::<u8, u16>::TABLE;
    let names: Vec<_> = table.parameters.iter().map(|parameter| parameter.name).collect();
    assert_eq!(names, ["K", "V", "MOST"]);
    assert_eq!(table.methods[1].output, "V");
    assert_eq!(table.methods[0].arguments[1].ty, "V");
}

/// As another build has it.
mod another {
    #[derive(Clone, serde::Serialize, serde::Deserialize)]
    pub(super) struct Point {
        x: i64,
        y: i64,
        z: Option<i64>,
    }
}

#[test]
fn what_stands_for_a_parameter_is_part_of_the_fingerprint() {
    let fingerprints = [
        StoreClient::<u8, Point>::TABLE.fingerprint(),
        StoreClient::<u8, another::Point>::TABLE.fingerprint(),
        StoreClient::<u8, String>::TABLE.fingerprint(),
        StoreClient::<String, u8>::TABLE.fingerprint(),
        StoreClient::<u8, u8, 3>::TABLE.fingerprint(),
        StoreClient::<u8, u8, 4>::TABLE.fingerprint(),
    ];
    let different: std::collections::BTreeSet<_> = fingerprints.iter().collect();
    assert_eq!(different.len(), fingerprints.len());
    let again = StoreClient::<u8, Point>::TABLE.fingerprint();
    assert_eq!(again, fingerprints[0]);
}

fn daemon(home: &Home) -> Daemon {
    Daemon::new("store").sockfile(home.join("store.sock"))
}

#[test]
fn a_client_of_other_types_is_refused() {
    let home = Home::new();
    block_on(async {
        let mut listening = daemon(&home)
            .init(async |_| Ok(Memory::<String, u64>::default()))
            .serve(|memory, _| memory)
            .listen::<StoreClient<String, u64>>()
            .await
            .unwrap();
        listening.ready().await.unwrap();
        let same = daemon(&home).connect_existing::<StoreClient<String, u64>>().await.unwrap();
        assert_eq!(same.put("a".to_owned(), 1).await.unwrap(), None);
        let other = daemon(&home).connect_existing::<StoreClient<String, i64>>().await;
        let error = other.unwrap_err();
        assert!(error.to_string().contains("another shape of Store"), "{error}");
        drop(same);
        listening.daemon().close();
        listening.ended().await.unwrap();
    });
}
