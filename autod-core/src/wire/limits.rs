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
    /// 256 KiB, at least 1 KiB, at most 64 MiB. A message may pass it: one begins while less is on its
    /// way.
    ///
    /// A stream begins with as much as every stream can have within a quarter of
    /// [`memory`](Self::memory), by default 32 KiB, or with the other end's first window if that is
    /// smaller. Its window doubles while its items are taken, as long as there is room.
    pub window: u32,
    /// The bytes that one connection may make this end hold. Default 512 MiB, and never less than
    /// one message. It counts
    ///
    /// - the arguments of the other end's calls from the first piece to the answer, together with
    ///   what of a message passes the window of its stream until it is taken;
    /// - half as much again for what streams hold within their windows: a quarter for the first
    ///   windows, which are at least 1 KiB each, and a quarter for what they grow by;
    /// - as much again for answers longer than 64 KiB that the other end does not read. Streams stop
    ///   while 1 MiB waits to be written, and go on in turn.
    ///
    /// It is not said to the other end. A call or stream beyond it ends with an error of its own
    /// ([`Error::is_limit`](crate::Error::is_limit)); what stays within the window of its stream is
    /// never refused, whatever others hold. Answers to this end's own calls are not counted. What a
    /// value takes in memory once it is decoded is up to its type: a `Vec` of empty strings takes 24
    /// times its bytes.
    pub memory: usize,
    /// The connections that a daemon has open at once, greeted or not. Default 16,384.
    ///
    /// Of 64 more the hello is heard, for at most a second: a probe or an order to end is obeyed, a
    /// session is told that the daemon is full. Whoever comes beyond these is told so unheard, and
    /// closed. A daemon that has no descriptors left lets callers wait in the socket's queue and
    /// accepts again as soon as it can.
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

/// The most credit that a stream may have: none of the windows is larger.
pub(crate) const MOST_CREDIT: usize = 64 << 20;

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
        let calls = limits.calls.clamp(1, 1 << 20);
        // All first windows together take no more than a quarter of the memory.
        let share = u32::try_from(limits.memory / 4 / calls as usize).unwrap_or(u32::MAX);
        Self {
            message: limits.message.clamp(1 << 10, 1 << 30),
            calls,
            window: limits.window.min(share).clamp(1 << 10, 64 << 20),
        }
    }
}

/// The part of [`Limits`] that is about what an end holds, and is not said to the other one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holds {
    /// The bytes of [`Limits::memory`].
    pub(crate) memory: usize,
    /// How far a window grows.
    pub(crate) window: usize,
}

impl From<&Limits> for Holds {
    fn from(limits: &Limits) -> Self {
        let window = limits.window.clamp(1 << 10, 64 << 20) as usize;
        Self { memory: limits.memory, window }
    }
}
