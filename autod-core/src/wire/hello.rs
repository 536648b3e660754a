//! What the connecting end says.

use super::fields::{
    Builder, Fields, MAX_FIELDS, Malformed, PREFIX, Prefix, array, kind, tag, text,
};
use super::greeting::Common;
use super::limits::Receives;

/// The codec whose values can be read by those who do not know the service.
pub(crate) const SELF_DESCRIBING: &str = "json";

/// What a connecting end says first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) version: u8,
    pub(crate) purpose: Purpose,
    /// Empty if any will do.
    pub(crate) service: String,
    /// 0 if it is not known.
    pub(crate) fingerprint: u64,
    pub(crate) build: String,
    pub(crate) codec: String,
    pub(crate) receives: Receives,
    /// The life that an order is meant for; 0 is any.
    pub(crate) life: u64,
    /// What the daemon itself is asked, as JSON; empty but for [`Purpose::Control`].
    pub(crate) control: String,
    /// What the connecting end serves itself.
    pub(crate) offer: Option<Offer>,
    /// Milliseconds between two Pings; 0 if there are none.
    pub(crate) keep_alive: u32,
    pub(crate) caller: CallerFields,
}

/// A service by its name and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) service: String,
    pub(crate) fingerprint: u64,
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
    /// Would a session be accepted now? Answered at once, counted as no user.
    Readiness = 5,
}

impl Purpose {
    fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Session,
            1 => Self::Probe,
            2 => Self::Close,
            3 => Self::Replace,
            4 => Self::Control,
            5 => Self::Readiness,
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
    /// The user's name in the login for which a bridge speaks.
    pub(crate) login: Option<String>,
}

/// A field that not everybody needs.
fn known<T: Default>(field: Option<T>, needed: bool, name: &'static str) -> Result<T, Malformed> {
    match field {
        None if needed => Err(Malformed::Missing(name)),
        field => Ok(field.unwrap_or_default()),
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
        if let Some(offer) = &self.offer {
            let name = offer.service.as_bytes();
            out.field(tag::OFFER, &[&offer.fingerprint.to_le_bytes(), name].concat());
        }
        if self.keep_alive != 0 {
            out.field(tag::KEEP_ALIVE, &self.keep_alive.to_le_bytes());
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
        if let Some(login) = &caller.login {
            out.field(tag::LOGIN, login.as_bytes());
        }
        out.finish()
    }

    /// Reads a hello whose prefix and fields have arrived.
    pub(crate) fn parse(prefix: Prefix, fields: &[u8]) -> Result<Self, Malformed> {
        if prefix.kind != kind::HELLO {
            return Err(Malformed::Kind(prefix.kind));
        }
        let mut purpose = Purpose::Session;
        let mut offer = None;
        let mut caller = CallerFields::default();
        let mut common = Common::default();
        for field in Fields(fields) {
            let (tag, value) = field?;
            match tag {
                tag::PURPOSE => {
                    let [number] = array(tag, value)?;
                    purpose = Purpose::from_wire(number).ok_or(Malformed::Field(tag))?;
                }
                tag::OFFER => {
                    let (fingerprint, name) =
                        value.split_first_chunk().ok_or(Malformed::Field(tag))?;
                    let fingerprint = u64::from_le_bytes(*fingerprint);
                    offer = Some(Offer { service: text(tag, name)?, fingerprint });
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
                tag::LOGIN => caller.login = Some(text(tag, value)?),
                _ => common.take(tag, value)?,
            }
        }
        let codec = common.codec.ok_or(Malformed::Missing("codec"))?;
        let needed = codec != SELF_DESCRIBING;
        // Beside another purpose it is no question.
        let control = common.control.filter(|_| purpose == Purpose::Control);
        Ok(Self {
            version: prefix.version,
            purpose,
            service: known(common.service, needed, "service")?,
            fingerprint: known(common.fingerprint, needed, "fingerprint")?,
            build: common.build.unwrap_or_default(),
            codec,
            receives: common.receives.ok_or(Malformed::Missing("limits"))?,
            keep_alive: common.keep_alive.unwrap_or_default(),
            life: common.life.unwrap_or_default(),
            control: control.unwrap_or_default(),
            offer,
            caller,
        })
    }
}
