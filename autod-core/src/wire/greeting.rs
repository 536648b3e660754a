//! Greetings: what both ends say before the first frame.
//!
//! Their form is the same in every version, so that two ends which share no version can still say
//! so in words. Unknown fields are skipped.

use super::fields::{Builder, Fields, array, kind, tag, text};
pub(crate) use super::fields::{MAX_FIELDS, Malformed, PREFIX, Prefix};
use super::limits::Receives;

/// The version of the frames that this build speaks.
pub(crate) const VERSION: u8 = 1;

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
    /// What the daemon itself is asked, as JSON; empty but for [`Purpose::Control`].
    pub(crate) control: String,
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
    /// A question to the daemon itself, or a wish. Answered with Report, counted as no user.
    Control = 4,
}

impl Purpose {
    fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Session,
            1 => Self::Probe,
            2 => Self::Close,
            3 => Self::Replace,
            4 => Self::Control,
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
    /// What the daemon tells about itself, as JSON.
    Report(String),
}

/// The longest report that fits into a greeting.
pub(crate) const MAX_REPORT: usize = MAX_FIELDS - 5;

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
        if self.purpose == Purpose::Control {
            out.field(tag::CONTROL, self.control.as_bytes());
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
            control: common.control.unwrap_or_default(),
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
            Self::Report(report) => {
                let mut out = Builder::new(VERSION, kind::REPORT);
                out.field(tag::CONTROL, report.as_bytes());
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
            kind::REPORT => {
                Self::Report(common.control.ok_or(Malformed::Missing("the report itself"))?)
            }
            other => return Err(Malformed::Kind(other)),
        })
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
    control: Option<String>,
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
            tag::CONTROL => self.control = Some(text(tag, value)?),
            tag::CODE => self.code = Some(u8::from_le_bytes(array(tag, value)?)),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "greeting_tests.rs"]
mod tests;
