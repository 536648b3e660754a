//! Greetings: what both ends say before the first frame.
//!
//! Their form is the same in every version, so that two ends which share no version can still say
//! so in words. Unknown fields are skipped.

pub(crate) use super::answer::{Accept, Answer, MAX_REPORT, RejectCode, Rejection};
pub(crate) use super::fields::{Malformed, PREFIX, Prefix};
use super::fields::{array, tag, text};
pub(crate) use super::hello::{CallerFields, Hello, Offer, Purpose};
use super::limits::Receives;

/// The version of the frames that this build speaks.
pub(crate) const VERSION: u8 = 1;

/// The fields that more than one kind of greeting has.
#[derive(Default)]
pub(super) struct Common {
    pub(super) service: Option<String>,
    pub(super) fingerprint: Option<u64>,
    pub(super) build: Option<String>,
    pub(super) codec: Option<String>,
    pub(super) receives: Option<Receives>,
    pub(super) life: Option<u64>,
    pub(super) pid: Option<u32>,
    pub(super) text: Option<String>,
    pub(super) code: Option<u8>,
    pub(super) control: Option<String>,
}

impl Common {
    pub(super) fn take(&mut self, tag: u8, value: &[u8]) -> Result<(), Malformed> {
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
