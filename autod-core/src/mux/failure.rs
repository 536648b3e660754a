//! The errors of calls, in words.

use std::ops::Deref;

use super::asked::End;
use super::pack::Unsendable;
use super::state::Side;
use crate::error::{Error, ErrorKind};
use crate::service::Method;
use crate::wire::frame::FailCode;

/// The method of a call, and which end calls it.
#[derive(Clone, Copy)]
pub(super) struct Called {
    method: &'static Method,
    caller: Side,
    /// It was sent before, over a connection that was lost, and may have been executed then.
    pub(super) executed: bool,
}

impl Called {
    pub(super) fn new(method: &'static Method, caller: Side) -> Self {
        Self { method, caller, executed: false }
    }

    /// Who answers it, in words.
    pub(super) fn callee(&self) -> &'static str {
        match self.caller {
            Side::Connector => "the daemon",
            Side::Acceptor => "the caller",
        }
    }
}

impl Deref for Called {
    type Target = Method;

    fn deref(&self) -> &Method {
        self.method
    }
}

pub(super) fn undecodable(method: Called, cause: Error) -> Error {
    Error::new(ErrorKind::Codec, format!("the answer of {} does not decode", method.name))
        .caused_by(cause)
        .maybe_executed()
}

/// The error of a call or stream that ended otherwise than its method promises.
pub(super) fn failure(end: End, method: Called) -> Error {
    of(method, in_words(end, method))
}

/// The error as one of this method.
pub(super) fn of(method: Called, error: Error) -> Error {
    let error = if method.executed { error.maybe_executed() } else { error };
    if method.idempotent { error.repeatable() } else { error }
}

fn in_words(end: End, method: Called) -> Error {
    let (name, callee) = (method.name, method.callee());
    let (code, bytes) = match end {
        End::Fail(code, bytes) => (code, bytes),
        End::Lost(loss) => return loss.of_open_call(),
        End::Value(_) | End::Finished => {
            return Error::new(
                ErrorKind::Protocol,
                format!("{callee} answered {name} with the wrong kind of answer"),
            )
            .maybe_executed();
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    match code {
        FailCode::UnknownMethod => {
            let error = Error::new(
                ErrorKind::UnknownMethod,
                match method.caller {
                    Side::Connector => format!("the daemon has no method {name}"),
                    Side::Acceptor => format!("the caller serves nothing that has a method {name}"),
                },
            );
            if text.is_empty() { error } else { error.caused_by(text.into_owned()) }
        }
        FailCode::Arguments => {
            Error::new(ErrorKind::Codec, format!("{callee} cannot use the arguments of {name}"))
                .caused_by(text.into_owned())
        }
        FailCode::Panicked => {
            Error::new(ErrorKind::Panicked, format!("{name} panicked in {callee}"))
                .caused_by(text.into_owned())
                .maybe_executed()
        }
        FailCode::Cancelled => {
            Error::new(ErrorKind::Cancelled, format!("{name} was cancelled")).maybe_executed()
        }
        FailCode::Closing => {
            Error::new(ErrorKind::Closing, format!("{name} was refused because {text}"))
        }
        FailCode::Ended => {
            Error::new(ErrorKind::Closing, format!("{name} ended because {text}")).maybe_executed()
        }
        FailCode::Answer | FailCode::AnswerTooLarge => {
            let kind = if code == FailCode::Answer { ErrorKind::Codec } else { ErrorKind::Limit };
            Error::new(kind, format!("{name} cannot be answered"))
                .caused_by(text.into_owned())
                .maybe_executed()
        }
        FailCode::Deadline => timed_out(method).maybe_executed(),
        FailCode::TooLarge => Error::new(
            ErrorKind::Limit,
            format!("the arguments of {name} are larger than {callee} receives"),
        ),
        FailCode::Memory => Error::new(
            ErrorKind::Limit,
            format!("{callee} holds too much for this connection to take the arguments of {name}"),
        ),
        FailCode::Overfull => {
            Error::new(ErrorKind::Limit, format!("the stream of {name} was cut off"))
                .caused_by(if text.is_empty() {
                    "the daemon holds too much of what is not taken".to_owned()
                } else {
                    text.into_owned()
                })
                .maybe_executed()
        }
        FailCode::Service | FailCode::Refused => {
            Error::new(ErrorKind::Protocol, format!("{callee} refused {name}"))
                .caused_by(text.into_owned())
                .maybe_executed()
        }
    }
}

/// The error of a call whose deadline has passed.
pub(super) fn timed_out(method: Called) -> Error {
    let text = format!("{} was not answered before its deadline", method.name);
    of(method, Error::new(ErrorKind::Timeout, text))
}

/// The error of a call whose caller's stream cannot be sent.
pub(super) fn unsendable(method: Called, why: Unsendable, limit: usize) -> Error {
    let (name, callee) = (method.name, method.callee());
    match why {
        Unsendable::Encoding(error) => {
            Error::new(ErrorKind::Codec, format!("an item for {name} cannot be sent"))
                .caused_by(error)
        }
        Unsendable::TooLarge(length) => Error::new(
            ErrorKind::Limit,
            format!("an item for {name} takes {length} bytes, {callee} receives at most {limit}"),
        ),
    }
    .maybe_executed()
}
