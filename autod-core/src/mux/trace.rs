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

/// The span of a call, in that of its connection.
pub(super) fn call() -> Span {
    tracing::debug_span!(target: "autod::call", "call", method = Empty, outcome = Empty)
}

fn is_on() -> bool {
    tracing::enabled!(target: "autod::call", Level::DEBUG)
}

/// Which method the current call is of.
pub(super) fn method(table: &Table, id: u64) {
    if is_on() {
        let name = table.method(id).map_or("unknown", |method| method.name);
        Span::current().record("method", name);
    }
}

/// The current call has ended like that; `None`: with an answer.
pub(super) fn outcome(failure: Option<FailCode>) {
    if is_on() {
        let span = Span::current();
        match failure {
            None => span.record("outcome", "answered"),
            Some(code) => span.record("outcome", debug(code)),
        };
    }
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
