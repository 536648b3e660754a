//! The errors of calls, in words.

use super::asked::End;
use super::pack::Unsendable;
use crate::error::{Error, ErrorKind};
use crate::service::Method;
use crate::wire::frame::FailCode;

pub(super) fn undecodable(method: &Method, cause: Error) -> Error {
    Error::new(ErrorKind::Codec, format!("the answer of {} does not decode", method.name))
        .caused_by(cause)
        .maybe_executed()
}

/// The error of a call or stream that ended otherwise than its method promises.
pub(super) fn failure(end: End, method: &Method) -> Error {
    of(method, in_words(end, method))
}

/// The error as one of this method.
fn of(method: &Method, error: Error) -> Error {
    if method.idempotent { error.repeatable() } else { error }
}

fn in_words(end: End, method: &Method) -> Error {
    let name = method.name;
    let (code, bytes) = match end {
        End::Fail(code, bytes) => (code, bytes),
        End::Lost(loss) => return loss.of_open_call(),
        End::Value(_) | End::Finished => {
            return Error::new(
                ErrorKind::Protocol,
                format!("the daemon answered {name} with the wrong kind of answer"),
            )
            .maybe_executed();
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    match code {
        FailCode::UnknownMethod => Error::new(
            ErrorKind::UnknownMethod,
            format!("the daemon has no method {name}; it may be of an older build: restart it"),
        ),
        FailCode::Arguments => {
            Error::new(ErrorKind::Codec, format!("the daemon cannot use the arguments of {name}"))
                .caused_by(text.into_owned())
        }
        FailCode::Panicked => {
            Error::new(ErrorKind::Panicked, format!("{name} panicked in the daemon"))
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
            format!("the arguments of {name} are larger than the daemon receives"),
        ),
        FailCode::Memory => Error::new(
            ErrorKind::Limit,
            format!(
                "the daemon holds too much for this connection to take the arguments of {name}"
            ),
        ),
        FailCode::Service | FailCode::Refused => {
            Error::new(ErrorKind::Protocol, format!("the daemon refused {name}"))
                .caused_by(text.into_owned())
                .maybe_executed()
        }
    }
}

/// The error of a call whose deadline has passed.
pub(super) fn timed_out(method: &Method) -> Error {
    let text = format!("{} was not answered before its deadline", method.name);
    of(method, Error::new(ErrorKind::Timeout, text))
}

/// The error of a call whose caller's stream cannot be sent.
pub(super) fn unsendable(method: &Method, why: Unsendable, limit: usize) -> Error {
    let name = method.name;
    match why {
        Unsendable::Encoding(error) => {
            Error::new(ErrorKind::Codec, format!("an item for {name} cannot be sent"))
                .caused_by(error)
        }
        Unsendable::TooLarge(length) => Error::new(
            ErrorKind::Limit,
            format!("an item for {name} takes {length} bytes, the daemon receives at most {limit}"),
        ),
    }
    .maybe_executed()
}
