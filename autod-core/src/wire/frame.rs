//! Frames: the form of everything after the greetings.
//!
//! ```text
//!  0              24       31 32             64
//! +----------------+--------+-+----------------+---------------- - -
//! | payload length |  kind  |M|      id        | payload
//! +----------------+--------+-+----------------+---------------- - -
//! ```
//!
//! Two little-endian words. `M` (more) says that the message goes on in a later frame of the same
//! kind and id; between its pieces come frames of others. A payload is at most [`MAX_PIECE`] bytes.

use std::fmt;

/// The length of the two header words.
pub(crate) const HEADER: usize = 8;

/// The largest payload of one frame; larger messages travel in pieces.
pub(crate) const MAX_PIECE: usize = 64 << 10;

/// What frames add to the largest value that a message may hold: the method id and options of a
/// call with its deadline, the code of a failure, the count of items.
pub(crate) const ENVELOPE: usize = 16;

/// What stands in a Call before the deadline, if there is one, and the arguments: method id and
/// options.
pub(crate) const BEFORE_ARGUMENTS: usize = 9;

/// Set in the options of a Call whose arguments stand behind a deadline.
pub(crate) const DEADLINE: u8 = 4;

/// The deadline of a Call: milliseconds from when the callee begins it.
pub(crate) const DEADLINE_LENGTH: usize = 4;

const LENGTH_MASK: u32 = 0x00ff_ffff;
const MORE: u32 = 1 << 31;

/// What a frame is about. The numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Begins a call: method id, options, perhaps a deadline, arguments.
    Call = 1,
    /// Ends a call: its value.
    Reply = 2,
    /// Ends a call or stream: a [`FailCode`] and its data.
    Fail = 3,
    /// Items of a stream: their number, then one after the other. Or some bytes of a byte stream.
    Items = 4,
    /// Ends a stream that has no more items.
    End = 5,
    /// Lets the sender of a stream send so many bytes more.
    Credit = 6,
    /// Of the caller: it is no longer interested, the answer is still sent. Of the callee: it takes
    /// no more of the caller's stream.
    Cancel = 7,
    /// The connection ends: a [`GoodbyeCode`] and a text.
    Goodbye = 8,
    /// So many items were dropped before the next ones.
    Skip = 9,
    /// Of the connector: is the other end there?
    Ping = 10,
    /// Of the acceptor: it is.
    Pong = 11,
}

impl Kind {
    fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Call,
            2 => Self::Reply,
            3 => Self::Fail,
            4 => Self::Items,
            5 => Self::End,
            6 => Self::Credit,
            7 => Self::Cancel,
            8 => Self::Goodbye,
            9 => Self::Skip,
            10 => Self::Ping,
            11 => Self::Pong,
            _ => return None,
        })
    }

    /// Whether a message of this kind may be cut into pieces.
    pub(crate) fn in_pieces(self) -> bool {
        matches!(self, Self::Call | Self::Reply | Self::Fail | Self::Items)
    }
}

/// What the options of a call say about a stream of the caller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Options {
    /// There is none.
    Plain = 0,
    /// Items follow.
    Items = 1,
    /// Bytes follow.
    Bytes = 2,
}

impl Options {
    pub(crate) fn from_wire(number: u8) -> Option<Self> {
        Some(match number & !DEADLINE {
            0 => Self::Plain,
            1 => Self::Items,
            2 => Self::Bytes,
            _ => return None,
        })
    }
}

/// Why a call or stream failed. The numbers are the protocol's; an unknown one reads as
/// [`FailCode::Refused`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FailCode {
    /// The service's own error, encoded like a value. The only code whose data is not text.
    Service = 0,
    /// No such method.
    UnknownMethod = 1,
    /// The arguments did not decode; the handler was not entered.
    Arguments = 2,
    /// The handler panicked.
    Panicked = 3,
    /// The call was cancelled.
    Cancelled = 4,
    /// The daemon is closing; the handler was not entered.
    Closing = 5,
    /// The answer, or an item, could not be encoded.
    Answer = 6,
    /// The stream was ended because the daemon is closing.
    Ended = 7,
    /// The arguments are larger than the daemon receives; the handler was not entered.
    TooLarge = 8,
    /// The answer, or an item, is larger than the caller receives.
    AnswerTooLarge = 9,
    /// The connection holds too much already; the handler was not entered.
    Memory = 10,
    /// The deadline of the call has passed.
    Deadline = 11,
    /// The connection holds too much already to take more of a stream.
    Overfull = 12,
    /// Anything else that an other version may say; the handler may have been entered.
    Refused = 255,
}

impl FailCode {
    pub(crate) fn from_wire(number: u8) -> Self {
        match number {
            0 => Self::Service,
            1 => Self::UnknownMethod,
            2 => Self::Arguments,
            3 => Self::Panicked,
            4 => Self::Cancelled,
            5 => Self::Closing,
            6 => Self::Answer,
            7 => Self::Ended,
            8 => Self::TooLarge,
            9 => Self::AnswerTooLarge,
            10 => Self::Memory,
            11 => Self::Deadline,
            12 => Self::Overfull,
            _ => Self::Refused,
        }
    }
}

/// Why a connection ends. The numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum GoodbyeCode {
    /// The daemon closes. A call that has no answer yet was not executed.
    Closing = 0,
    /// The other end broke the protocol. Nothing is said about unanswered calls.
    Protocol = 1,
    /// The service ended the connection. A call that has no answer yet may have been executed.
    Disconnected = 2,
}

impl GoodbyeCode {
    pub(crate) fn from_wire(number: u8) -> Self {
        match number {
            0 => Self::Closing,
            1 => Self::Protocol,
            _ => Self::Disconnected,
        }
    }
}

/// A decoded header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) more: bool,
    pub(crate) id: u32,
    pub(crate) length: usize,
}

impl Header {
    pub(crate) fn new(kind: Kind, id: u32, length: usize, more: bool) -> Self {
        debug_assert!(length <= MAX_PIECE, "the sender cuts messages into pieces");
        Self { kind, more, id, length }
    }

    #[expect(clippy::cast_possible_truncation, reason = "a piece is shorter than 24 bits")]
    pub(crate) fn to_bytes(self) -> [u8; HEADER] {
        let more = if self.more { MORE } else { 0 };
        let word = self.length as u32 | (self.kind as u32) << 24 | more;
        (u64::from(word) | u64::from(self.id) << 32).to_le_bytes()
    }

    /// Reads the header at the start of `bytes`; `None` if there is not enough of it yet.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Broken> {
        let Some((words, _)) = bytes.split_first_chunk::<HEADER>() else { return Ok(None) };
        let word = u32::from_le_bytes([words[0], words[1], words[2], words[3]]);
        let id = u32::from_le_bytes([words[4], words[5], words[6], words[7]]);
        let number = words[3] & 0x7f;
        let kind = Kind::from_wire(number).ok_or(Broken::Kind(number))?;
        let length = (word & LENGTH_MASK) as usize;
        if length > MAX_PIECE {
            return Err(Broken::Length(length));
        }
        let more = word & MORE != 0;
        if more && (!kind.in_pieces() || length == 0) {
            return Err(Broken::More(kind));
        }
        if matches!(kind, Kind::Ping | Kind::Pong) {
            // Told at once: there is nothing to wait for.
            if length > 0 {
                return Err(Broken::Payload(kind));
            }
            if id != 0 {
                return Err(Broken::Unexpected(kind, id));
            }
        }
        Ok(Some(Self { kind, more, id, length }))
    }
}

/// How a peer broke the protocol. Ends the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// A kind that this version does not know.
    Kind(u8),
    /// A payload longer than [`MAX_PIECE`].
    Length(usize),
    /// A frame that cannot be one of several pieces says that it is, or an empty piece.
    More(Kind),
    /// A frame in a state, or with an id, that does not allow it.
    Unexpected(Kind, u32),
    /// A payload that does not have the form of its kind.
    Payload(Kind),
    /// The sender of a stream used more than it was given.
    Credit(u32),
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kind(number) => write!(f, "unknown frame kind {number}"),
            Self::Length(length) => {
                write!(f, "frame of {length} bytes, more than the {MAX_PIECE} of a piece")
            }
            Self::More(kind) => write!(f, "{kind:?} frame cannot be a piece"),
            Self::Unexpected(kind, id) => write!(f, "unexpected {kind:?} frame for {id}"),
            Self::Payload(kind) => write!(f, "malformed {kind:?} frame"),
            Self::Credit(id) => write!(f, "stream {id} used more than its credit"),
        }
    }
}

/// Appends one whole frame.
pub(crate) fn put(out: &mut Vec<u8>, kind: Kind, id: u32, more: bool, payload: &[u8]) {
    out.extend_from_slice(&Header::new(kind, id, payload.len(), more).to_bytes());
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_what_the_protocol_says() {
        let header = Header::new(Kind::Items, 0x0102_0304, 0x1234, true);
        assert_eq!(header.to_bytes(), [0x34, 0x12, 0x00, 0x84, 0x04, 0x03, 0x02, 0x01]);
        assert_eq!(Header::parse(&header.to_bytes()).unwrap(), Some(header));
    }

    #[test]
    fn half_a_header_waits() {
        let bytes = Header::new(Kind::Call, 0, 9, false).to_bytes();
        for end in 0..HEADER {
            assert_eq!(Header::parse(&bytes[..end]), Ok(None));
        }
    }

    #[test]
    fn broken_headers_are_told_apart() {
        let parse = |word: u32| Header::parse(&u64::from(word).to_le_bytes());
        assert_eq!(parse(0), Err(Broken::Kind(0)));
        assert_eq!(parse(0x7f << 24), Err(Broken::Kind(0x7f)));
        assert_eq!(parse(1 << 24 | 0x01_0001), Err(Broken::Length(0x01_0001)));
        assert_eq!(parse(7 << 24 | MORE | 1), Err(Broken::More(Kind::Cancel)));
        assert_eq!(parse(2 << 24 | MORE), Err(Broken::More(Kind::Reply)));
    }

    #[test]
    fn every_word_parses_or_is_refused() {
        // All kinds and flags, the lengths around the bound.
        for top in 0..=255_u32 {
            for length in [0, 1, 0xffff, 0x1_0000, 0x1_0001, LENGTH_MASK] {
                if let Ok(Some(header)) =
                    Header::parse(&u64::from(top << 24 | length).to_le_bytes())
                {
                    assert_eq!(header.length, length as usize);
                    assert_eq!(header.kind as u32, top & 0x7f);
                }
            }
        }
    }
}
