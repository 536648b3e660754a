//! The log of a daemon whose program sets up none of its own: time, level, target, message and
//! fields, on standard error, which is the log.
//!
//! Only in a process that is nothing but a daemon: what a caller or a server in the foreground does
//! with events is its program's business.

use std::env;
use std::io;

use tracing::subscriber::set_global_default;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{fmt, registry, reload};

use crate::builder::BoxError;
use crate::handle::DaemonHandle;

/// How much is written, until `autod log-level` says otherwise.
const LEVEL: &str = "AUTOD_LOG";

/// `json`, or text.
const FORMAT: &str = "AUTOD_LOG_FORMAT";

/// Writes a log from now on, unless the program has a subscriber already.
pub(crate) fn open(daemon: &DaemonHandle) {
    if tracing::dispatcher::has_been_set() {
        return;
    }
    let wanted = env::var(LEVEL).ok().filter(|level| !level.is_empty());
    let (levels, mistake) = match wanted.as_deref().map(parse) {
        None => (Targets::new().with_default(LevelFilter::INFO), None),
        Some(Ok(levels)) => (levels, None),
        Some(Err(error)) => (Targets::new().with_default(LevelFilter::INFO), Some(error)),
    };
    let (levels, change) = reload::Layer::new(levels);
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false);
    // The end of a call is told, with how long it took.
    let lines = lines.with_span_events(FmtSpan::CLOSE);
    let installed = if env::var_os(FORMAT).is_some_and(|format| format == "json") {
        set_global_default(registry().with(levels).with(lines.json()))
    } else {
        set_global_default(registry().with(levels).with(lines))
    };
    if installed.is_err() {
        return;
    }
    if let Some(error) = mistake {
        tracing::warn!(%error, "{LEVEL} is passed over");
    }
    if daemon.log_level_hook().is_none() {
        daemon.on_log_level(move |levels| Ok(change.reload(parse(levels)?)?));
    }
}

/// A level, or `TARGET=LEVEL`, or several of them with commas between.
fn parse(text: &str) -> Result<Targets, BoxError> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    for part in &parts {
        // The name of a target alone would silence all others, and a typing error is one.
        if !part.contains('=') && (part.is_empty() || part.parse::<LevelFilter>().is_err()) {
            return Err(format!(
                "{part:?} is no level: it is off, error, warn, info, debug or trace, or TARGET=LEVEL"
            )
            .into());
        }
    }
    // A blank would belong to the name of a target.
    Ok(parts.join(",").parse()?)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_are_for_all_or_for_a_target() {
        let levels = parse("info, autod=debug").unwrap();
        assert!(levels.would_enable("mine", &Level::INFO));
        assert!(!levels.would_enable("mine", &Level::DEBUG));
        assert!(levels.would_enable("autod::call", &Level::DEBUG));
        assert!(!parse("off").unwrap().would_enable("mine", &Level::ERROR));
        for wrong in ["", "loud", "info,", "autod=loud", "info loud"] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
