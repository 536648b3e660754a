//! What daemons answer, taken apart.

use std::time::Duration;

use autod_core::control::Target;
use serde_json::Value;

use crate::failure::Failure;

/// Asks one thing, and gives the answer without its envelope.
pub async fn ask(
    target: &Target,
    method: &str,
    fields: &[(&str, &str)],
    patience: Duration,
) -> Result<Value, Failure> {
    let answer = target.ask(method, fields, patience).await?;
    opened(&answer).map_err(|text| {
        Failure::new(format!(
            "the {} daemon refuses to be asked for {method}: {text}",
            target.name()
        ))
    })
}

/// The answer in its envelope.
pub fn opened(answer: &str) -> Result<Value, String> {
    let mut envelope: Value = serde_json::from_str(answer)
        .map_err(|error| format!("its answer is not JSON, so it is of a newer autod: {error}"))?;
    match envelope.get_mut("ok") {
        Some(answer) => Ok(answer.take()),
        None => Err(text(&envelope["error"], "text").unwrap_or("it does not say why").to_owned()),
    }
}

pub fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

pub fn number(value: &Value, key: &str) -> Option<u64> {
    value.get(key)?.as_u64()
}

pub fn millis(value: &Value, key: &str) -> Option<Duration> {
    number(value, key).map(Duration::from_millis)
}

pub fn nanos(value: &Value, key: &str) -> Option<Duration> {
    number(value, key).map(Duration::from_nanos)
}

pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
