//! Types that the codec cannot carry: the first call says so, and nothing else is harmed.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Mutex;

use futures::{Stream, stream};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Text(String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Point,
    Circle { radius: u32 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    name: String,
    #[serde(flatten)]
    rest: BTreeMap<String, u32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Skipping {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    n: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value")]
enum Adjacent {
    Point,
    Circle { radius: u32 },
}

/// The same for every type: what is called with, answered with and streamed is this one.
#[autod::service]
trait Echo<T> {
    async fn take(&self, value: T) -> u32;
    async fn give(&self) -> T;
    async fn fail(&self) -> Result<u32, String>;
    fn items(&self) -> impl Stream<Item = T>;
    async fn collect(&self, values: impl Stream<Item = T>) -> Result<u32, String>;
}

struct Holder<T> {
    value: T,
    taken: Mutex<u32>,
}

impl<T: autod::Value + Clone> Echo<T> for Holder<T> {
    async fn take(&self, _: T) -> u32 {
        *self.taken.lock().unwrap() += 1;
        *self.taken.lock().unwrap()
    }
    async fn give(&self) -> T {
        self.value.clone()
    }
    async fn fail(&self) -> Result<u32, String> {
        Ok(*self.taken.lock().unwrap())
    }
    fn items(&self) -> impl Stream<Item = T> {
        stream::iter([self.value.clone()])
    }
    async fn collect(&self, mut values: autod::Incoming<T>) -> Result<u32, String> {
        match values.next().await {
            Some(Ok(_)) => Ok(1),
            Some(Err(error)) => Err(format!("{error:?}")),
            None => Ok(0),
        }
    }
}

/// Each way to send the value fails with these words and the name of the type; the connection lives.
#[track_caller]
fn assert_refused<T>(value: &T, words: &str)
where
    T: Serialize + DeserializeOwned + Debug + Clone + Send + Sync + 'static,
{
    let name = std::any::type_name::<T>().rsplit("::").next().unwrap();
    // With its causes, as `main` prints it.
    let said = |error: &dyn Debug| {
        let text = format!("{error:?}");
        assert!(text.contains(words) && text.contains(name), "{name}: {text}");
    };
    said(&autod::testing::roundtrip(value).unwrap_err());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let holder = Holder { value: value.clone(), taken: Mutex::default() };
        let echo: EchoClient<T> = autod::in_process(holder);
        said(&echo.take(value.clone()).await.unwrap_err());
        assert_eq!(echo.fail().await.unwrap(), 0, "the handler was not entered");
        said(&echo.give().await.unwrap_err());
        said(&echo.items().next().await.unwrap().unwrap_err());
        said(&echo.collect(stream::iter([value.clone()])).await.unwrap_err());
        assert_eq!(echo.fail().await.unwrap(), 0, "the connection lives");
    });
}

const ANY: &str = "serde's untagged, tag and flatten, and types that hold any value";

#[test]
fn untagged_cannot_be_carried() {
    assert_refused(&Untagged::Number(1), ANY);
    assert_refused(&Untagged::Text("one".to_owned()), ANY);
}

#[test]
fn tag_cannot_be_carried() {
    assert_refused(&Tagged::Point, ANY);
    assert_refused(&Tagged::Circle { radius: 1 }, ANY);
}

#[test]
fn flatten_cannot_be_carried() {
    let rest = BTreeMap::from([("a".to_owned(), 1)]);
    assert_refused(&Flat { name: "a".to_owned(), rest }, "serde's flatten");
    assert_refused(&Flat { name: "a".to_owned(), rest: BTreeMap::new() }, "serde's flatten");
}

#[test]
fn skip_serializing_if_cannot_be_carried_where_it_skips() {
    assert_refused(&Skipping { name: None, n: 1 }, "serde's skip_serializing_if");
    let whole = Skipping { name: Some("a".to_owned()), n: 1 };
    assert_eq!(autod::testing::roundtrip(&whole).unwrap(), whole);
}

#[test]
fn a_value_of_any_kind_cannot_be_carried() {
    for value in [json!(null), json!(1), json!("a"), json!([1, "a"]), json!({ "a": [true] })] {
        assert_refused(&value, ANY);
    }
}

#[test]
fn a_tag_beside_its_content_cannot_be_carried() {
    assert_refused(&Adjacent::Point, ANY);
    assert_refused(&Adjacent::Circle { radius: 1 }, ANY);
}
