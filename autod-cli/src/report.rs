//! Events as lines.

use std::io::Write as _;
use std::time::UNIX_EPOCH;

use autod_activator::{Event, What};
use serde_json::{Map, Value, json};

/// Prints an event; `false` if nobody reads any more.
pub(crate) fn print(event: &Event, as_json: bool) -> bool {
    let line = if as_json { to_json(event).to_string() } else { to_text(event) };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

fn to_text(event: &Event) -> String {
    format!("{}: {}", event.service.as_deref().unwrap_or("autod"), event.what)
}

fn to_json(event: &Event) -> Value {
    let since = event.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut object = Map::new();
    object.insert("time".to_owned(), json!(since.as_secs_f64()));
    if let Some(service) = &event.service {
        object.insert("service".to_owned(), json!(**service));
    }
    object.insert("event".to_owned(), json!(event.what.name()));
    let detail = match &event.what {
        What::Listening { address } => Some(("address", json!(address.to_string()))),
        What::Connection { listener } => Some(("listener", json!(**listener))),
        What::Starting { generation } => Some(("generation", json!(generation))),
        What::Ready { pid, took } => {
            object.insert("pid".to_owned(), json!(pid));
            Some(("seconds", json!(took.as_secs_f64())))
        }
        What::StartFailed { cause } => Some(("cause", json!(cause.to_string()))),
        What::RelayError { cause } => Some(("cause", json!(cause))),
        What::Stopped { exit } | What::Crashed { exit } => Some(("exit", json!(exit.to_string()))),
        What::Backoff { delay } => Some(("seconds", json!(delay.as_secs_f64()))),
        _ => None,
    };
    if let Some((name, value)) = detail {
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn an_event_is_one_line_of_either_kind() {
        let mut supervisor = None;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let event = runtime.block_on(async {
            let opened = autod_activator::Supervisor::builder().open().unwrap();
            let mut events = opened.events();
            let closing = supervisor.insert(opened);
            closing.close(autod_activator::Shutdown::Force).await;
            events.next().await.unwrap()
        });
        assert_eq!(to_text(&event), "autod: closed");
        let object = to_json(&event);
        assert_eq!(object["event"], "closed");
        let time = Duration::from_secs_f64(object["time"].as_f64().unwrap());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        assert!(now.abs_diff(time) < Duration::from_secs(60));
    }
}
