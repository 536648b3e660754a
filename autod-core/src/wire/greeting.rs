//! Greetings: what both ends say before the first frame.
//!
//! ```text
//! "AUTOD" | version: u8 | kind: u8 | 0: u8 | length: u32 | fields
//! field = tag: u8 | length: u32 | value
//! ```
//!
//! All numbers are little-endian. The form is the same in every version, so that two ends which
//! share no version can still say so in words. Unknown fields are skipped.

use std::fmt;

use super::limits::Receives;

/// The version of the frames that this build speaks.
pub(crate) const VERSION: u8 = 1;

/// The length of everything before the fields.
pub(crate) const PREFIX: usize = 12;

/// The most that a greeting may carry in its fields. An argument list that is longer is not sent.
pub(crate) const MAX_FIELDS: usize = 1 << 20;

/// The most that is said of a text for people.
const MAX_TEXT: usize = 64 << 10;

const MAGIC: &[u8; 5] = b"AUTOD";

/// What a connecting end says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) version: u8,
    pub(crate) purpose: Purpose,
    pub(crate) service: String,
    pub(crate) fingerprint: u64,
    pub(crate) build: String,
    pub(crate) codec: String,
    pub(crate) receives: Receives,
    /// The life that an order is meant for; 0 is any.
    pub(crate) life: u64,
    pub(crate) caller: CallerFields,
}

/// What the connection is for. The numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// Calls of the service.
    Session = 0,
    /// Is this the daemon that it should be? Answered with Accept, counted as no user.
    Probe = 1,
    /// An order to end. Answered with Closing; the connection ends with the process.
    Close = 2,
    /// An order to end because a newer build takes over. Answered like Close.
    Replace = 3,
}

impl Purpose {
    fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Session,
            1 => Self::Probe,
            2 => Self::Close,
            3 => Self::Replace,
            _ => return None,
        })
    }
}

/// Who calls, as far as the caller says so itself. Bytes, because paths and arguments are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CallerFields {
    pub(crate) cwd: Vec<u8>,
    pub(crate) args: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub(crate) env: Vec<Vec<u8>>,
    /// Columns and rows of the terminal on stdout.
    pub(crate) terminal: Option<(u16, u16)>,
    /// Device and inode of the caller's `/`.
    pub(crate) root: Option<(u64, u64)>,
}

/// What the accepting end says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The connection stands; frames follow.
    Accept(Accept),
    /// The daemon is still starting. More answers follow.
    Wait(String),
    /// The daemon is about to end; nothing was executed; start over.
    Closing,
    /// It cannot be; starting over would not help.
    Reject(Rejection),
}

/// Why a connection cannot be, and who says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) code: RejectCode,
    pub(crate) text: String,
    pub(crate) build: String,
    pub(crate) life: u64,
    pub(crate) pid: u32,
}

/// The end that accepts introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Accept {
    pub(crate) version: u8,
    pub(crate) service: String,
    pub(crate) fingerprint: u64,
    pub(crate) build: String,
    pub(crate) receives: Receives,
    pub(crate) life: u64,
    pub(crate) pid: u32,
}

/// Why a daemon rejects a connection. The numbers are the protocol's; an unknown one reads as
/// [`RejectCode::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RejectCode {
    Other = 0,
    /// No common protocol version or codec.
    Version = 1,
    /// Another service listens here.
    Service = 2,
    /// The same service in another shape.
    Fingerprint = 3,
    /// The daemon failed to start; the text is its own error.
    StartFailed = 4,
    /// Too many connections.
    Full = 5,
    /// The service could not make an object for this connection.
    Session = 6,
    /// An order for another life of the daemon.
    Life = 7,
}

impl RejectCode {
    fn from_wire(number: u8) -> Self {
        match number {
            1 => Self::Version,
            2 => Self::Service,
            3 => Self::Fingerprint,
            4 => Self::StartFailed,
            5 => Self::Full,
            6 => Self::Session,
            7 => Self::Life,
            _ => Self::Other,
        }
    }
}

/// Bytes that are not a greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Magic,
    Kind(u8),
    Length(usize),
    Field(u8),
    Missing(&'static str),
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Magic => f.write_str("the other end does not speak autod's protocol"),
            Self::Kind(kind) => write!(f, "unknown greeting kind {kind}"),
            Self::Length(length) => write!(f, "greeting of {length} bytes, at most {MAX_FIELDS}"),
            Self::Field(tag) => write!(f, "malformed greeting field {tag}"),
            Self::Missing(name) => write!(f, "greeting without {name}"),
        }
    }
}

impl std::error::Error for Malformed {}

mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const ACCEPT: u8 = 2;
    pub(super) const WAIT: u8 = 3;
    pub(super) const CLOSING: u8 = 4;
    pub(super) const REJECT: u8 = 5;
}

mod tag {
    pub(super) const PURPOSE: u8 = 1;
    pub(super) const SERVICE: u8 = 2;
    pub(super) const FINGERPRINT: u8 = 3;
    pub(super) const BUILD: u8 = 4;
    pub(super) const CODEC: u8 = 5;
    pub(super) const RECEIVES: u8 = 6;
    pub(super) const CWD: u8 = 7;
    pub(super) const ARGUMENT: u8 = 8;
    pub(super) const ENVIRONMENT: u8 = 9;
    pub(super) const TERMINAL: u8 = 10;
    pub(super) const ROOT: u8 = 11;
    pub(super) const LIFE: u8 = 12;
    pub(super) const PID: u8 = 13;
    pub(super) const TEXT: u8 = 14;
    pub(super) const CODE: u8 = 15;
}

impl Hello {
    /// The bytes of this hello. A caller too wordy for a greeting goes without its arguments and
    /// environment.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let bytes = self.build(&self.caller);
        if bytes.len() <= PREFIX + MAX_FIELDS {
            return bytes;
        }
        self.build(&CallerFields { args: Vec::new(), env: Vec::new(), ..self.caller.clone() })
    }

    fn build(&self, caller: &CallerFields) -> Vec<u8> {
        let mut out = Builder::new(self.version, kind::HELLO);
        out.field(tag::PURPOSE, &[self.purpose as u8]);
        out.field(tag::SERVICE, self.service.as_bytes());
        out.field(tag::FINGERPRINT, &self.fingerprint.to_le_bytes());
        out.field(tag::BUILD, self.build.as_bytes());
        out.field(tag::CODEC, self.codec.as_bytes());
        out.receives(self.receives);
        if self.life != 0 {
            out.field(tag::LIFE, &self.life.to_le_bytes());
        }
        out.field(tag::CWD, &caller.cwd);
        for argument in &caller.args {
            out.field(tag::ARGUMENT, argument);
        }
        for variable in &caller.env {
            out.field(tag::ENVIRONMENT, variable);
        }
        if let Some((columns, rows)) = caller.terminal {
            let [a, b] = columns.to_le_bytes();
            let [c, d] = rows.to_le_bytes();
            out.field(tag::TERMINAL, &[a, b, c, d]);
        }
        if let Some((device, inode)) = caller.root {
            out.field(tag::ROOT, &[device.to_le_bytes(), inode.to_le_bytes()].concat());
        }
        out.finish()
    }

    /// Reads a hello whose prefix and fields have arrived.
    pub(crate) fn parse(prefix: Prefix, fields: &[u8]) -> Result<Self, Malformed> {
        if prefix.kind != kind::HELLO {
            return Err(Malformed::Kind(prefix.kind));
        }
        let mut purpose = Purpose::Session;
        let mut caller = CallerFields::default();
        let mut common = Common::default();
        for field in Fields(fields) {
            let (tag, value) = field?;
            match tag {
                tag::PURPOSE => {
                    let [number] = array(tag, value)?;
                    purpose = Purpose::from_wire(number).ok_or(Malformed::Field(tag))?;
                }
                tag::CWD => caller.cwd = value.to_vec(),
                tag::ARGUMENT => caller.args.push(value.to_vec()),
                tag::ENVIRONMENT => caller.env.push(value.to_vec()),
                tag::TERMINAL => {
                    let [a, b, c, d] = array(tag, value)?;
                    let columns = u16::from_le_bytes([a, b]);
                    caller.terminal = Some((columns, u16::from_le_bytes([c, d])));
                }
                tag::ROOT => {
                    let word = |at| array(tag, value.get(at..at + 8).unwrap_or_default());
                    let device = u64::from_le_bytes(word(0)?);
                    caller.root = Some((device, u64::from_le_bytes(word(8)?)));
                }
                _ => common.take(tag, value)?,
            }
        }
        Ok(Self {
            version: prefix.version,
            purpose,
            service: common.service.ok_or(Malformed::Missing("service"))?,
            fingerprint: common.fingerprint.ok_or(Malformed::Missing("fingerprint"))?,
            build: common.build.unwrap_or_default(),
            codec: common.codec.ok_or(Malformed::Missing("codec"))?,
            receives: common.receives.ok_or(Malformed::Missing("limits"))?,
            life: common.life.unwrap_or_default(),
            caller,
        })
    }
}

impl Answer {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Accept(accept) => {
                let mut out = Builder::new(accept.version, kind::ACCEPT);
                out.field(tag::SERVICE, accept.service.as_bytes());
                out.field(tag::FINGERPRINT, &accept.fingerprint.to_le_bytes());
                out.field(tag::BUILD, accept.build.as_bytes());
                out.receives(accept.receives);
                out.field(tag::LIFE, &accept.life.to_le_bytes());
                out.field(tag::PID, &accept.pid.to_le_bytes());
                out.finish()
            }
            Self::Wait(text) => {
                let mut out = Builder::new(VERSION, kind::WAIT);
                out.text(text);
                out.finish()
            }
            Self::Closing => Builder::new(VERSION, kind::CLOSING).finish(),
            Self::Reject(rejection) => {
                let mut out = Builder::new(VERSION, kind::REJECT);
                out.field(tag::CODE, &[rejection.code as u8]);
                out.text(&rejection.text);
                out.field(tag::BUILD, rejection.build.as_bytes());
                out.field(tag::LIFE, &rejection.life.to_le_bytes());
                out.field(tag::PID, &rejection.pid.to_le_bytes());
                out.finish()
            }
        }
    }

    /// Reads an answer whose prefix and fields have arrived.
    pub(crate) fn parse(prefix: Prefix, fields: &[u8]) -> Result<Self, Malformed> {
        let mut common = Common::default();
        for field in Fields(fields) {
            let (tag, value) = field?;
            common.take(tag, value)?;
        }
        let text = common.text.unwrap_or_default();
        Ok(match prefix.kind {
            kind::ACCEPT => Self::Accept(Accept {
                version: prefix.version,
                service: common.service.ok_or(Malformed::Missing("service"))?,
                fingerprint: common.fingerprint.ok_or(Malformed::Missing("fingerprint"))?,
                build: common.build.unwrap_or_default(),
                receives: common.receives.ok_or(Malformed::Missing("limits"))?,
                life: common.life.ok_or(Malformed::Missing("life id"))?,
                pid: common.pid.ok_or(Malformed::Missing("pid"))?,
            }),
            kind::WAIT => Self::Wait(text),
            kind::CLOSING => Self::Closing,
            kind::REJECT => Self::Reject(Rejection {
                code: RejectCode::from_wire(common.code.unwrap_or_default()),
                text,
                build: common.build.unwrap_or_default(),
                life: common.life.unwrap_or_default(),
                pid: common.pid.unwrap_or_default(),
            }),
            other => return Err(Malformed::Kind(other)),
        })
    }
}

/// The start of a greeting: enough to know how much more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Prefix {
    pub(crate) version: u8,
    pub(crate) kind: u8,
    /// Of the fields.
    pub(crate) length: usize,
}

impl Prefix {
    /// Refuses foreign bytes as soon as the first of them differs, so that a peer which sends four
    /// bytes and waits is told apart from a slow one.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] {
            return Err(Malformed::Magic);
        }
        let Some((prefix, _)) = bytes.split_first_chunk::<PREFIX>() else { return Ok(None) };
        let [.., version, kind, _, a, b, c, d] = *prefix;
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_FIELDS {
            return Err(Malformed::Length(length));
        }
        Ok(Some(Self { version, kind, length }))
    }
}

/// The fields that more than one kind of greeting has.
#[derive(Default)]
struct Common {
    service: Option<String>,
    fingerprint: Option<u64>,
    build: Option<String>,
    codec: Option<String>,
    receives: Option<Receives>,
    life: Option<u64>,
    pid: Option<u32>,
    text: Option<String>,
    code: Option<u8>,
}

impl Common {
    fn take(&mut self, tag: u8, value: &[u8]) -> Result<(), Malformed> {
        match tag {
            tag::SERVICE => self.service = Some(text(tag, value)?),
            tag::FINGERPRINT => self.fingerprint = Some(u64::from_le_bytes(array(tag, value)?)),
            tag::BUILD => self.build = Some(text(tag, value)?),
            tag::CODEC => self.codec = Some(text(tag, value)?),
            tag::RECEIVES => {
                let word = |at| array(tag, value.get(at..at + 4).unwrap_or_default());
                let receives = Receives {
                    message: u32::from_le_bytes(word(0)?),
                    calls: u32::from_le_bytes(word(4)?),
                    window: u32::from_le_bytes(word(8)?),
                };
                if !receives.is_sane() {
                    return Err(Malformed::Field(tag));
                }
                self.receives = Some(receives);
            }
            tag::LIFE => self.life = Some(u64::from_le_bytes(array(tag, value)?)),
            tag::PID => self.pid = Some(u32::from_le_bytes(array(tag, value)?)),
            tag::TEXT => self.text = Some(text(tag, value)?),
            tag::CODE => self.code = Some(u8::from_le_bytes(array(tag, value)?)),
            _ => {}
        }
        Ok(())
    }
}

fn array<const N: usize>(tag: u8, value: &[u8]) -> Result<[u8; N], Malformed> {
    value.try_into().map_err(|_| Malformed::Field(tag))
}

fn text(tag: u8, value: &[u8]) -> Result<String, Malformed> {
    std::str::from_utf8(value).map(str::to_owned).map_err(|_| Malformed::Field(tag))
}

/// The fields of a greeting, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u8, &'a [u8]), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&tag, rest) = self.0.split_first()?;
        let field = rest
            .split_first_chunk::<4>()
            .and_then(|(length, rest)| rest.split_at_checked(u32::from_le_bytes(*length) as usize));
        let Some((value, rest)) = field else {
            self.0 = &[];
            return Some(Err(Malformed::Field(tag)));
        };
        self.0 = rest;
        Some(Ok((tag, value)))
    }
}

struct Builder(Vec<u8>);

impl Builder {
    fn new(version: u8, kind: u8) -> Self {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[version, kind, 0, 0, 0, 0, 0]);
        Self(bytes)
    }

    #[expect(clippy::cast_possible_truncation, reason = "arguments are far shorter than 4 GiB")]
    fn field(&mut self, tag: u8, value: &[u8]) {
        self.0.push(tag);
        self.0.extend_from_slice(&(value.len() as u32).to_le_bytes());
        self.0.extend_from_slice(value);
    }

    /// A text for people, cut if it is longer than anybody reads.
    fn text(&mut self, text: &str) {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.field(tag::TEXT, &text.as_bytes()[..end]);
    }

    fn receives(&mut self, receives: Receives) {
        let mut value = [0; 12];
        value[..4].copy_from_slice(&receives.message.to_le_bytes());
        value[4..8].copy_from_slice(&receives.calls.to_le_bytes());
        value[8..].copy_from_slice(&receives.window.to_le_bytes());
        self.field(tag::RECEIVES, &value);
    }

    #[expect(clippy::cast_possible_truncation, reason = "see field")]
    fn finish(mut self) -> Vec<u8> {
        let length = (self.0.len() - PREFIX) as u32;
        self.0[PREFIX - 4..PREFIX].copy_from_slice(&length.to_le_bytes());
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            version: VERSION,
            purpose: Purpose::Probe,
            service: "Counter".to_owned(),
            fingerprint: 0x1122_3344_5566_7788,
            build: "1.0.0".to_owned(),
            codec: "bincode2".to_owned(),
            receives: Receives { message: 1 << 20, calls: 16, window: 4096 },
            life: 9,
            caller: CallerFields {
                cwd: b"/tmp/\xff".to_vec(),
                args: vec![b"counter".to_vec(), b"".to_vec()],
                env: vec![b"PATH=/bin".to_vec()],
                terminal: Some((80, 24)),
                root: Some((1, u64::MAX)),
            },
        }
    }

    fn parse_hello(bytes: &[u8]) -> Result<Hello, Malformed> {
        let prefix = Prefix::parse(bytes)?.expect("whole prefix");
        assert_eq!(bytes.len(), PREFIX + prefix.length);
        Hello::parse(prefix, &bytes[PREFIX..])
    }

    fn parse_answer(bytes: &[u8]) -> Result<Answer, Malformed> {
        let prefix = Prefix::parse(bytes)?.expect("whole prefix");
        Answer::parse(prefix, &bytes[PREFIX..])
    }

    #[test]
    fn a_hello_comes_back() {
        assert_eq!(parse_hello(&hello().to_bytes()).unwrap(), hello());
    }

    #[test]
    fn answers_come_back() {
        let accept = Accept {
            version: VERSION,
            service: "Counter".to_owned(),
            fingerprint: 7,
            build: "b".to_owned(),
            receives: Receives { message: 1024, calls: 1, window: 1024 },
            life: u64::MAX - 1,
            pid: 42,
        };
        for answer in [
            Answer::Accept(accept),
            Answer::Wait("indexing".to_owned()),
            Answer::Closing,
            Answer::Reject(Rejection {
                code: RejectCode::Fingerprint,
                text: "other build".to_owned(),
                build: "2.0.0".to_owned(),
                life: 7,
                pid: 8,
            }),
        ] {
            assert_eq!(parse_answer(&answer.to_bytes()).unwrap(), answer);
        }
    }

    #[test]
    fn unknown_fields_and_codes_are_skipped() {
        let mut out = Builder::new(9, kind::REJECT);
        out.field(200, b"from the future");
        out.field(tag::CODE, &[99]);
        out.field(tag::TEXT, b"no");
        let Answer::Reject(rejection) = parse_answer(&out.finish()).unwrap() else {
            panic!("it is a rejection");
        };
        assert_eq!((rejection.code, rejection.text.as_str()), (RejectCode::Other, "no"));
    }

    #[test]
    fn foreign_bytes_are_refused_at_the_first_difference() {
        assert_eq!(Prefix::parse(b"GET / HTTP/1.1"), Err(Malformed::Magic));
        assert_eq!(Prefix::parse(b"AUX"), Err(Malformed::Magic));
        assert_eq!(Prefix::parse(b"AUT"), Ok(None));
    }

    #[test]
    fn a_length_is_not_believed() {
        let mut bytes = hello().to_bytes();
        bytes[PREFIX - 1] = 0xff;
        assert!(matches!(Prefix::parse(&bytes), Err(Malformed::Length(_))));
    }

    #[test]
    fn cut_and_flipped_hellos_never_panic() {
        let whole = hello().to_bytes();
        let prefix = Prefix::parse(&whole).unwrap().unwrap();
        for end in PREFIX..whole.len() {
            let _ = Hello::parse(prefix, &whole[PREFIX..end]);
            let mut flipped = whole.clone();
            flipped[end] ^= 0x55;
            let _ = Hello::parse(prefix, &flipped[PREFIX..]);
            let _ = Answer::parse(Prefix { kind: kind::ACCEPT, ..prefix }, &flipped[PREFIX..]);
        }
    }

    #[test]
    fn a_peer_that_cannot_receive_is_malformed() {
        let mut mute = hello();
        mute.receives.window = 0;
        assert_eq!(parse_hello(&mute.to_bytes()), Err(Malformed::Field(tag::RECEIVES)));
    }

    #[test]
    fn a_wordy_caller_goes_without_arguments() {
        let mut wordy = hello();
        wordy.caller.args = vec![vec![b'x'; MAX_FIELDS]];
        let parsed = parse_hello(&wordy.to_bytes()).unwrap();
        assert!(parsed.caller.args.is_empty());
        assert_eq!(parsed.caller.cwd, wordy.caller.cwd);
    }
}
