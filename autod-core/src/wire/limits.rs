//! The limits of a connection that both ends tell each other.

use std::time::Duration;

/// Bounds on what one connection may use.
///
/// Each end says in its greeting what it is ready to receive; the other end checks before it
/// sends. Passing a limit fails the call or stream concerned and nothing else.
///
/// ```
/// let mut limits = autod_core::Limits::default();
/// limits.message = 1 << 20;
/// assert_eq!(limits.calls, 4096);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message (arguments, an answer, or one item of a stream) in bytes. Default
    /// 64 MiB, at least 1 KiB, at most 1 GiB.
    pub message: u32,
    /// The calls and streams that the other end may have open at once. Default 4096, at most
    /// 1,048,576.
    pub calls: u32,
    /// The bytes of a stream that may be on their way before the receiver takes them. Default
    /// 256 KiB, at least 1 KiB, at most 64 MiB; the smaller one of both ends counts.
    ///
    /// Over a stream that the program opens itself the default stands for 2 MiB: one stream then
    /// fills 100 Mbit/s over 40 ms there and back with room to spare, while 256 KiB are 40 % of it. What is needed is twice the
    /// bytes that the line holds, because credit comes back by halves of a window.
    pub window: u32,
    /// The bytes that one connection may make this end hold for the other one's calls: their
    /// arguments from the first piece to the answer, and as much again of answers longer than
    /// 64 KiB that the other end does not read. Default 512 MiB, and never less than one message.
    ///
    /// It is not said to the other end. A call beyond it is answered with an error of that call
    /// ([`Error::is_limit`](crate::Error::is_limit)). What a value takes in memory once it is decoded
    /// is up to its type: a `Vec` of empty strings takes 24 times its bytes.
    pub memory: usize,
    /// The connections that a daemon serves at once; further ones are told so. Default 16,384.
    pub connections: u32,
    /// How long a new connection may take to say hello. Default 10 s.
    pub handshake: Duration,
    /// How long an end that expects the next word of the other one looks for it before it sleeps.
    /// Default 50 us; zero for never.
    ///
    /// A sleep and a wake-up cost some 20 us of time and of processor each, more than a small call
    /// itself. Each connection learns whether looking helps and stops when it does not; it does not
    /// look while other connections of its process are in use. One processor is always left alone,
    /// so with a single one nobody looks.
    pub busy_poll: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 64 << 20,
            calls: 4096,
            window: 256 << 10,
            memory: 512 << 20,
            connections: 16_384,
            handshake: Duration::from_secs(10),
            busy_poll: Duration::from_micros(50),
        }
    }
}

/// The window of a stream over a network, unless another one was chosen.
#[cfg(feature = "remote")]
const FAR_WINDOW: u32 = 2 << 20;

#[cfg(feature = "remote")]
impl Limits {
    /// The same for a connection that may go over a network.
    pub(crate) fn far(&self) -> Self {
        let chosen = self.window != Self::default().window;
        Self { window: if chosen { self.window } else { FAR_WINDOW }, ..self.clone() }
    }
}

/// The part of [`Limits`] that is said to the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receives {
    pub(crate) message: u32,
    pub(crate) calls: u32,
    pub(crate) window: u32,
}

impl Receives {
    /// Whether a peer may say this. A peer that cannot receive anything could only hang.
    pub(crate) fn is_sane(self) -> bool {
        (1 << 10..=1 << 30).contains(&self.message)
            && (1..=1 << 20).contains(&self.calls)
            && (1 << 10..=64 << 20).contains(&self.window)
    }
}

impl From<&Limits> for Receives {
    fn from(limits: &Limits) -> Self {
        Self {
            message: limits.message.clamp(1 << 10, 1 << 30),
            calls: limits.calls.clamp(1, 1 << 20),
            window: limits.window.clamp(1 << 10, 64 << 20),
        }
    }
}
