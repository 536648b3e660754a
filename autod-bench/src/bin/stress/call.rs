//! What a caller was told about one call: a line of the fixture's.

use std::time::Duration;

/// The clock of the fixture's lines.
pub(crate) fn now() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(now).unwrap_or_default()
}

#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) took: Duration,
    /// When it ended, since the boot.
    pub(crate) at: Duration,
    /// The daemon's count of executed calls, of an answered one.
    pub(crate) total: Option<i64>,
    /// How often its caller started over before it was connected.
    pub(crate) retries: usize,
    pub(crate) failure: Option<Failure>,
}

#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) may_have_executed: bool,
    /// `lost`, `closing`, `start`, `timeout` or `other`.
    pub(crate) kind: String,
    pub(crate) text: String,
}

/// `None` for lines that are about something else.
pub(crate) fn parse(line: &str) -> Option<Call> {
    let mut words = line.splitn(7, ' ');
    let verb = words.next()?;
    let id = words.next()?.to_owned();
    let mut microseconds = || Some(Duration::from_micros(words.next()?.parse().ok()?));
    let (took, at) = (microseconds()?, microseconds()?);
    let mut retries = 0;
    let (total, failure) = match verb {
        "answered" => {
            let total = words.next()?.parse().ok()?;
            retries = words.next()?.parse().ok()?;
            (Some(total), None)
        }
        "error" => {
            let failure = Failure {
                may_have_executed: words.next()? == "may-have-executed",
                kind: words.next()?.to_owned(),
                text: words.next().unwrap_or_default().to_owned(),
            };
            (None, Some(failure))
        }
        _ => return None,
    };
    Some(Call { id, took, at, total, retries, failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_errors_are_read() {
        let call = parse("answered a-1 25 9000 7 2").unwrap();
        assert_eq!(call.retries, 2);
        assert_eq!((call.id.as_str(), call.took), ("a-1", Duration::from_micros(25)));
        assert_eq!(call.total, Some(7));
        assert!(call.failure.is_none());
        let call = parse("error a 1 2 untouched lost the other end: gone").unwrap();
        let failure = call.failure.unwrap();
        assert!(!failure.may_have_executed);
        assert_eq!((failure.kind.as_str(), failure.text.as_str()), ("lost", "the other end: gone"));
        assert!(parse("note: spawned 17").is_none());
    }
}
