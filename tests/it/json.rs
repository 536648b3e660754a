//! Calls by name with values as JSON, by a client that knows no service.

use std::time::Duration;

use autod::{CallError, json::Client};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::home::Home;

/// Talks to the fixture's daemon.
fn with_client(home: &Home, work: impl AsyncFnOnce(Client)) {
    home.fixture(["pid"]).out();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let daemon = autod::Daemon::new("fixture").sockfile(home.place().join("sock"));
        work(daemon.connect_untyped().await.unwrap()).await;
    });
}

/// The answer of a method, or the service's own error as `Err`.
async fn ask(client: &Client, method: &str, arguments: Value) -> Result<Value, Value> {
    match client.call::<Value, Value>(method, &arguments).await {
        Ok(answer) => Ok(answer),
        Err(CallError::Service(error)) => Err(error),
        Err(CallError::Autod(error)) => panic!("{error:?}"),
    }
}

async fn refused(client: &Client, method: &str, arguments: Value) -> String {
    match client.call::<Value, Value>(method, &arguments).await {
        Err(CallError::Autod(error)) => {
            assert!(!error.may_have_executed(), "{error:?}");
            format!("{error:?}")
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn methods_are_called_by_name() {
    let home = Home::new();
    with_client(&home, async |client| {
        assert!(!client.connection().started_daemon());
        assert_eq!(ask(&client, "add", json!({"n": 2})).await, Ok(json!(2)));
        assert_eq!(ask(&client, "add", json!([3])).await, Ok(json!(5)));
        assert_eq!(ask(&client, "pid", json!({})).await, Ok(json!(home.daemon())));
        assert_eq!(ask(&client, "pid", json!(null)).await, Ok(json!(home.daemon())));
        assert_eq!(ask(&client, "divide", json!({"b": 2, "a": 7})).await, Ok(json!(3)));
        let error = ask(&client, "divide", json!({"a": 7, "b": 0})).await.unwrap_err();
        assert!(error.is_string(), "{error}");
        assert_eq!(ask(&client, "say", json!({"text": "é\n\"😀"})).await, Ok(Value::Null));
        assert_eq!(ask(&client, "echo", json!({"bytes": [1, 255]})).await, Ok(json!([1, 255])));
        assert_eq!(ask(&client, "env", json!({"name": "NO_SUCH"})).await, Ok(Value::Null));
        // An optional argument may be left out.
        let judged = ask(&client, "judge", json!({"flag": true, "letter": "é", "text": "x"})).await;
        assert!(judged.unwrap().is_string());
        let tree = json!({"tree": {"Branch": ["Leaf", {"Branch": []}]}, "units": [null, null]});
        assert_eq!(ask(&client, "measure", tree).await, Ok(json!([2, 2])));
        // Typed, where the type is known.
        let total: i64 = client.call::<_, String>("add", &(37,)).await.unwrap();
        assert_eq!(total, 42);
    });
}

#[test]
fn what_does_not_fit_is_an_error_of_its_call() {
    let home = Home::new();
    with_client(&home, async |client| {
        let said = refused(&client, "ad", json!({})).await;
        assert!(
            said.contains("no method ad") && said.contains("the methods of Probe are pid, add, ")
        );
        for (arguments, reason) in [
            (json!({"m": 2}), "there is no argument \"m\"; expected: n"),
            (json!({}), "the argument n is missing; expected: n"),
            (json!({"n": 2.5}), "the argument n does not fit: invalid type: floating point `2.5`"),
            (json!({"n": u64::MAX}), "invalid value: integer `18446744073709551615`, expected i64"),
            (json!([1, 2]), "there are more arguments than 1"),
            (json!("2"), "an object of arguments is expected"),
        ] {
            let said = refused(&client, "add", arguments.clone()).await;
            assert!(
                said.starts_with("the daemon cannot use the arguments of add (fixture on "),
                "{said}"
            );
            assert!(said.contains(reason), "{arguments}: {said}");
        }
        // Another kind of method than it is called as.
        let said = refused(&client, "upper", json!({})).await;
        assert!(said.contains("another kind of stream"), "{said}");
        let error = client.call::<Value, Value>("panic", &json!({"text": "oops"})).await;
        assert!(matches!(error, Err(CallError::Autod(error)) if error.is_panic()));
        let late = client.call::<Value, Value>("sleep", &json!([60_000]));
        let error = late.deadline(Duration::from_millis(20)).await;
        assert!(matches!(error, Err(CallError::Autod(error)) if error.is_timeout()));
        assert_eq!(ask(&client, "add", json!([1])).await, Ok(json!(1)), "the connection lives");
    });
}

#[test]
fn streams_carry_json_in_both_directions() {
    let home = Home::new();
    with_client(&home, async |client| {
        // Far more than a window.
        let mut numbers = client.open::<u64, Value>("count", &json!({"end": 200_000}));
        for expected in 0..200_000 {
            assert_eq!(numbers.next().await.unwrap().unwrap(), expected);
        }
        assert!(numbers.next().await.is_none());

        let items = stream::iter(0..100_000_u64);
        let sum = client.send::<Value, Value, _>("sum", &json!({"start": 5}), items).await;
        assert_eq!(sum.unwrap(), json!(5 + 100_000_u64 * 99_999 / 2));

        let items = stream::iter([json!(1), json!(2), json!(40)]);
        let doubled = client.exchange::<Value, Value, _>("double", &json!({}), items);
        let doubled: Vec<Value> = doubled.map(Result::unwrap).collect().await;
        assert_eq!(doubled, [json!(2), json!(4), json!(80)]);

        let mut none = client.open::<Value, Value>("open", &json!({"end": 0}));
        let error = none.next().await.unwrap();
        assert!(matches!(error, Err(CallError::Service(Value::String(_)))), "{error:?}");
        let some = client.open::<Value, Value>("open", &json!({"end": 2}));
        assert_eq!(some.count().await, 2);

        // A stream that is dropped is cancelled, and its slot is free again.
        for _ in 0..5000 {
            let mut stalled = client.open::<Value, Value>("stall", &());
            assert!(stalled.next().await.unwrap().is_ok());
        }
        let mut newest = client.open::<u64, Value>("newest", &json!({"end": 10_000}));
        let mut seen = 0;
        while let Some(item) = newest.next().await {
            item.unwrap();
            seen += 1;
        }
        assert_eq!(seen + newest.skipped(), 10_000);
    });
}

#[test]
fn an_item_that_is_none_fails_the_handlers_stream() {
    let home = Home::new();
    with_client(&home, async |client| {
        let items = stream::iter([json!(1), json!("two")]);
        let sum = client.send::<Value, Value, _>("sum", &json!([0]), items).await;
        let Err(CallError::Service(error)) = sum else { panic!("{sum:?}") };
        assert!(error.as_str().unwrap().contains("does not decode"), "{error}");
    });
}

#[test]
fn bytes_stay_bytes() {
    let home = Home::new();
    with_client(&home, async |client| {
        let mut pipe = client.pipe::<u64, String>("upper", &());
        let sent: Vec<u8> = (b'a'..=b'z').cycle().take(1 << 20).collect();
        let (mut read, mut write) = tokio::io::split(&mut pipe);
        let mut heard = Vec::new();
        let sending = async {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        };
        let hearing = async { read.read_to_end(&mut heard).await.unwrap() };
        tokio::join!(sending, hearing);
        assert_eq!(heard, sent.to_ascii_uppercase());
        assert_eq!(pipe.finish().await.unwrap(), 1 << 20);
    });
}

#[test]
fn what_is_too_large_fails_alone() {
    let home = Home::new();
    with_client(&home, async |client| {
        let large = "x".repeat(65 << 20);
        let said = refused(&client, "say", json!({"text": large})).await;
        assert!(said.contains("the daemon receives at most"), "{said}");
        // As JSON the bytes of the answer take more than they do in memory.
        let grown =
            client.call::<Value, Value>("grow", &json!({"milliseconds": 0, "size": 70 << 20}));
        let error = grown.await;
        assert!(matches!(error, Err(CallError::Autod(error)) if error.is_limit()));
        assert_eq!(
            ask(&client, "add", json!([1])).await,
            Ok(json!(2)),
            "what was too large was made"
        );
    });
}

#[test]
fn nothing_is_started() {
    let home = Home::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        let daemon = autod::Daemon::new("nobody").sockfile(home.join("nobody.sock"));
        daemon.connect_untyped().await.unwrap_err()
    });
    assert!(error.is_not_running(), "{error:?}");
}

#[autod::service]
trait Adder {
    async fn add(&self, n: i64) -> i64;
}

/// Nor is a caller that speaks JSON called by a typed client of the daemon's.
#[test]
fn a_daemon_does_not_call_such_a_caller() {
    let home = Home::new();
    with_client(&home, async |client| {
        let refused = ask(&client, "errand", json!({"what": "ask", "n": 1})).await.unwrap_err();
        let refused = refused.as_str().unwrap_or_default();
        let said = "a caller that speaks JSON cannot be called as Errand\nhelp: ";
        assert!(refused.starts_with(said), "{refused}");
    });
}

/// Its bytes would be read as something else than they are.
#[test]
fn a_typed_client_does_not_use_such_a_connection() {
    let home = Home::new();
    with_client(&home, async |client| {
        let typed = <AdderClient as autod::Client>::from_connection(client.connection().clone());
        let error = typed.add(1).await.unwrap_err();
        assert!(error.to_string().contains("the connection speaks JSON (fixture on "), "{error}");
        assert!(!error.may_have_executed());
        assert_eq!(ask(&client, "add", json!([1])).await, Ok(json!(1)));
    });
}
