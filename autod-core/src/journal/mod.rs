//! The log of a daemon whose program sets up none of its own: time, level, target, message and
//! fields, on standard error, which is the log.
//!
//! Only in a process that is nothing but a daemon: what a caller or a server in the foreground does
//! with events is its program's business.

mod options;
mod writer;

use std::env;
use std::sync::Arc;

use tracing::subscriber::set_global_default;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{fmt, registry, reload};

pub use self::options::Log;
use self::writer::Writer;
use crate::builder::BoxError;
use crate::daemon::Tenancy;
use crate::handle::DaemonHandle;

/// How much is written, until `autod log-level` says otherwise.
const LEVEL: &str = "AUTOD_LOG";

/// `json`, or text.
const FORMAT: &str = "AUTOD_LOG_FORMAT";

/// Writes a log from now on, unless the program has a subscriber already.
pub(crate) fn open(log: &Log, daemon: &DaemonHandle, tenancy: Option<Arc<Tenancy>>) {
    if !log.is_on || tracing::dispatcher::has_been_set() {
        return;
    }
    let wanted = env::var(LEVEL).ok().filter(|levels| !levels.is_empty());
    let mut mistakes = Vec::new();
    let (levels, change) = reload::Layer::new(levels(wanted.as_deref(), log, &mut mistakes));
    let lines = fmt::layer().with_writer(Writer::new(tenancy)).with_ansi(false);
    // The end of a call is told, with how long it took.
    let lines = lines.with_span_events(FmtSpan::CLOSE);
    let json = match env::var_os(FORMAT).filter(|format| !format.is_empty()) {
        Some(format) => format == "json",
        None => log.json,
    };
    let installed = if json {
        set_global_default(registry().with(levels).with(lines.json()))
    } else {
        set_global_default(registry().with(levels).with(lines))
    };
    if installed.is_err() {
        return;
    }
    for (source, error) in mistakes {
        tracing::warn!(%error, "{source} is passed over");
    }
    if daemon.log_level_hook().is_none() {
        daemon.on_log_level(move |levels| Ok(change.reload(parse(levels)?)?));
    }
}

/// The levels of the environment, or of the program, or the usual ones.
fn levels(
    wanted: Option<&str>,
    log: &Log,
    mistakes: &mut Vec<(&'static str, BoxError)>,
) -> Targets {
    let sources = [(LEVEL, wanted), ("the level in the program", Some(&*log.levels))];
    for (source, text) in sources {
        match text.map(parse) {
            Some(Ok(levels)) => return levels,
            Some(Err(error)) => mistakes.push((source, error)),
            None => {}
        }
    }
    Targets::new().with_default(LevelFilter::INFO)
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
    fn the_environment_goes_before_the_program() {
        let log = Log::new().levels("debug");
        let of = |wanted: Option<&str>, log: &Log| {
            let mut mistakes = Vec::new();
            let levels = levels(wanted, log, &mut mistakes);
            let most = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN];
            let level = most.into_iter().find(|level| levels.would_enable("mine", level));
            (level, mistakes.len())
        };
        assert_eq!(of(None, &log), (Some(Level::DEBUG), 0));
        assert_eq!(of(Some("warn"), &log), (Some(Level::WARN), 0));
        assert_eq!(of(Some("loud"), &log), (Some(Level::DEBUG), 1));
        assert_eq!(of(Some("loud"), &log.levels("louder")), (Some(Level::INFO), 2));
        assert_eq!(of(None, &Log::default()), (Some(Level::INFO), 0));
    }

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
