//! A span for each call, at the end that answers it and at the one that makes it. While nobody
//! listens it costs a comparison.
//!
//! | target | span | fields |
//! |---|---|---|
//! | `autod::connection` | `connection`, where it was accepted | `pid` and `uid` of the caller, or the `peer` that somebody vouches for |
//! | `autod::call` | `call`, in that one | `method`, `outcome`: `answered`, or why not |
//! | `autod::client` | `connection`, where it was made | `daemon`, the `pid` and `build` that it names |
//! | `autod::client` | `call`, in the span that is current when it is made | `method`, `daemon`, `outcome`, `duration_ms` |
//!
//! All are of the level debug. A call that its caller drops has the outcome `dropped`.

use std::time::Instant;

use tracing::field::{Empty, debug};
use tracing::{Level, Span, level_enabled};

use super::asked::End;
use crate::error::Whom;
use crate::service::Table;
use crate::wire::frame::FailCode;
use crate::wire::greeting::Accept;

const CALL: &str = "autod::call";

/// The span of a call of this method, in that of its connection. The method is there from the beginning,
/// for filters by its value.
pub(super) fn call(table: &Table, id: u64) -> Span {
    tracing::debug_span!(target: CALL, "call", method = name(table, id), outcome = Empty)
}

fn name(table: &Table, id: u64) -> &'static str {
    table.method(id).map_or("unknown", |method| method.name)
}

/// The current call has ended like that; `None`: with an answer.
pub(super) fn outcome(failure: Option<FailCode>) {
    if !level_enabled!(Level::DEBUG) {
        return;
    }
    // Whether there is a span says no more than the span: a filter may want it by its name or method.
    let span = Span::current();
    if span.metadata().is_none_or(|of| of.target() != CALL) {
        return;
    }
    match failure {
        None => span.record("outcome", "answered"),
        Some(code) => span.record("outcome", debug(code)),
    };
}

/// The span of a connection to a daemon.
pub(crate) fn connection(daemon: Option<&Whom>, accept: &Accept) -> Span {
    tracing::debug_span!(
        target: "autod::client",
        "connection",
        daemon = daemon.map(tracing::field::display),
        pid = accept.pid,
        build = accept.build,
    )
}

/// A call that is made here, while somebody listens.
pub(super) struct Made {
    span: Span,
    began: Instant,
    ended: bool,
}

impl Made {
    /// `None`: nobody listens.
    #[inline]
    pub(super) fn begin(method: &'static str, daemon: Option<&Whom>) -> Option<Box<Self>> {
        if level_enabled!(Level::DEBUG) { Self::listened_to(method, daemon) } else { None }
    }

    #[cold]
    fn listened_to(method: &'static str, daemon: Option<&Whom>) -> Option<Box<Self>> {
        let span = tracing::debug_span!(
            target: "autod::client",
            "call",
            method,
            daemon = daemon.map(tracing::field::display),
            outcome = Empty,
            duration_ms = Empty,
        );
        (!span.is_disabled()).then(|| Box::new(Self { span, began: Instant::now(), ended: false }))
    }

    /// It has ended like that.
    pub(super) fn end(&mut self, end: &End) {
        match end {
            End::Value(_) | End::Finished => self.say("answered"),
            End::Fail(code, _) => self.say(debug(*code)),
            End::Lost(loss) => self.say(debug(loss.kind)),
        }
    }

    /// It has failed here.
    pub(super) fn say(&mut self, outcome: impl tracing::Value) {
        self.span.record("outcome", outcome);
        self.ended = true;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.ended {
            self.say("dropped");
        }
        self.span.record("duration_ms", self.began.elapsed().as_secs_f64() * 1e3);
    }
}
