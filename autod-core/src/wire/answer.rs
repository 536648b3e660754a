//! What the accepting end says.

use super::fields::{Builder, Fields, MAX_FIELDS, Malformed, Prefix, kind, tag};
use super::greeting::{Common, VERSION};
use super::limits::Receives;

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
