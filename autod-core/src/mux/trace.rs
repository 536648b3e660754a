//! A span for each call that is answered here. While nobody listens it costs a comparison.

use tracing::field::{Empty, debug};
use tracing::{Level, Span};

use crate::service::Table;
use crate::wire::frame::FailCode;

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
