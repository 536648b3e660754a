//! Single values of the file: times, paths, addresses.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::de::DeValue;

/// `100ms`, `30s`, `5m`, `2h`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time, such as \"100ms\", \"30s\", \"5m\" or \"2h\"");
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    number.checked_mul(milliseconds).map(Duration::from_millis).ok_or_else(wrong)
}

/// A path: `~/` is the home directory, others are relative to the file's directory.
pub(super) fn path(text: &str, base: &Path) -> Result<PathBuf, String> {
    if text.is_empty() || text.contains('\0') {
        return Err(format!("{text:?} is not a path"));
    }
    let Some(rest) = text.strip_prefix('~') else { return Ok(base.join(text)) };
    let inside = match rest.strip_prefix('/') {
        Some(inside) => inside,
        None if rest.is_empty() => "",
        None => {
            return Err(format!("{text:?}: only ~ and ~/ are understood, no other user's home"));
        }
    };
    match std::env::var_os("HOME").map(PathBuf::from) {
        Some(home) if home.is_absolute() => Ok(home.join(inside)),
        _ => Err(format!("{text:?}: HOME is not set")),
    }
}

/// The value as JSON. TOML's times become texts.
pub(super) fn json(value: &DeValue<'_>) -> Result<serde_json::Value, String> {
    use serde_json::Value;
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Integer(number) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            Value::from(number.map_err(|_| "the number is too large".to_owned())?)
        }
        DeValue::Float(number) => {
            let number: Option<f64> = number.as_str().parse().ok();
            let number = number.and_then(serde_json::Number::from_f64);
            Value::Number(number.ok_or("JSON has no such number")?)
        }
        DeValue::Array(values) => {
            let values = values.iter().map(|value| json(value.get_ref()));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let values = table
                .iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), json(value.get_ref())?)));
            Value::Object(values.collect::<Result<_, String>>()?)
        }
    })
}
