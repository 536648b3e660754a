//! The limits of a connection that both ends tell each other.

use std::time::Duration;

/// Bounds on what one connection may use.
///
/// Each end says in its greeting what it is ready to receive; the other end checks before it
/// sends. Passing a limit fails the call or stream concerned and nothing else.
///
/// [`message`](Self::message), [`calls`](Self::calls) and [`window`](Self::window) are said to the
/// other end; one that is out of its bounds counts as the nearest within them. The others are an
/// end's own.
///
/// ```
/// let mut limits = autod_core::Limits::default();
/// limits.message = 1 << 20;
/// assert_eq!(limits.calls, 4096);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message (arguments, an answer, an error of the service, or one item of a stream)
    /// in bytes as it is encoded. Default 64 MiB, at least 1 KiB, at most 1 GiB.
    ///
    /// A longer one is not sent: its call or stream ends with an error
    /// ([`Error::is_limit`](crate::Error::is_limit)). Arguments that are too long were not executed.
    pub message: u32,
    /// The calls and streams that the other end may have open at once. Default 4096, at least 1, at
    /// most 1,048,576.
    ///
    /// One more waits at its caller until another has ended, in the order in which they came; that
    /// is no error, and a deadline runs meanwhile.
    pub calls: u32,
    /// The bytes of a stream that may be on their way before the receiver takes them. Default
    /// 256 KiB, at least 1 KiB, at most 64 MiB. A message may pass it: one begins while less is on its
    /// way. A sender with no room left waits, or drops its oldest items if its method says so.
    ///
    /// Over a stream that the program opens itself the default stands for 2 MiB: one stream then
    /// fills 100 Mbit/s over 40 ms there and back with room to spare, and takes 40 % of it with
    /// 256 KiB. What is needed is twice the bytes that the line holds, because credit comes back by
    /// halves of a window.
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
    ///   while 256 KiB of theirs wait to be written beside the longest item, and go on in turn.
    ///
    /// It is not said to the other end. A call or stream beyond it ends with an error of its own
    /// ([`Error::is_limit`](crate::Error::is_limit)); what stays within the window of its stream is
    /// never refused, whatever others hold. Answers to this end's own calls are not counted. What a
    /// value takes in memory once it is decoded is up to its type: a `Vec` of empty strings takes 24
    /// times its bytes.
    pub memory: usize,
    /// The connections that a daemon has open at once, greeted or not. Default 16,384; with 0 none
    /// is served. Of a caller's limits it counts for nothing. Whoever comes too late gets an error
    /// ([`Error::is_limit`](crate::Error::is_limit)), and nothing was executed.
    ///
    /// Of 64 more the hello is heard, for at most a second: a probe or an order to end is obeyed, a
    /// session is told that the daemon is full. Whoever comes beyond these is told so unheard, and
    /// closed. A daemon that has no descriptors left lets callers wait in the socket's queue and
    /// accepts again as soon as it can.
    pub connections: u32,
    /// How long a new connection may take to say hello, and a daemon's answer to be taken. Default
    /// 10 s. A connection that takes longer is closed without a word; other callers do not notice. Of
    /// a caller's limits it counts for nothing: its patience is
    /// [`silence_timeout`](crate::Daemon::silence_timeout).
    pub handshake: Duration,
    /// How long an end that expects the next word of the other one looks for it before it sleeps.
    /// Default 50 us; zero for never; at most 10 ms, because its thread does nothing else meanwhile.
    ///
    /// A sleep and a wake-up cost some 20 us of time and of processor each, more than a small call
    /// itself. Each connection learns whether looking helps and stops when it does not; it does not
    /// look while other connections of its process are in use. Of the answer to a hello nothing can be
    /// learned: a caller looks for it once, and lets whoever else has work for its processor go first.
    /// One processor is always left alone, so with a single one nobody looks.
    pub busy_poll: Duration,
    /// How often a connector asks for a sign of life over a stream that the program opens itself.
    /// Default zero, for never; at most 49 days.
    ///
    /// After three intervals without a word each end takes the other one for gone, and the
    /// connection for lost: a machine that was switched off says no farewell, and TCP may take a
    /// quarter of an hour to notice. An interval should be longer than it takes to send what the
    /// line and its buffers hold; some 10 s suit most networks. Of a daemon's limits it counts for
    /// nothing: it answers at the pace of its callers. On a socket of this machine the kernel tells.
    pub keep_alive: Duration,
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
            keep_alive: Duration::ZERO,
        }
    }
}

/// The most credit that a stream may have: none of the windows is larger.
pub(crate) const MOST_CREDIT: usize = 64 << 20;

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

    /// The interval of [`keep_alive`](Self::keep_alive) as it is said; 0 for never.
    pub(crate) fn keep_alive_milliseconds(&self) -> u32 {
        u32::try_from(self.keep_alive.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_within_its_bounds() {
        type Field = (fn(&mut Limits) -> &mut u32, fn(Receives) -> u32, u32, u32);
        let fields: [Field; 3] = [
            (|limits| &mut limits.message, |said| said.message, 1 << 10, 1 << 30),
            (|limits| &mut limits.calls, |said| said.calls, 1, 1 << 20),
            (|limits| &mut limits.window, |said| said.window, 1 << 10, 64 << 20),
        ];
        for (field, said, least, most) in fields {
            for (chosen, expected) in [
                (0, least),
                (least - 1, least),
                (least, least),
                (least + 1, least + 1),
                (most - 1, most - 1),
                (most, most),
                (most + 1, most),
                (u32::MAX, most),
            ] {
                // So much memory that the first windows may be as large as they can be.
                let mut limits = Limits { memory: usize::MAX, calls: 1, ..Limits::default() };
                *field(&mut limits) = chosen;
                let receives = Receives::from(&limits);
                assert_eq!(said(receives), expected, "{chosen}");
                assert!(receives.is_sane());
            }
            // What another end says is not put right, but refused.
            let mut limits = Limits { calls: 1, ..Limits::default() };
            for (chosen, is_sane) in
                [(least, true), (most, true), (least - 1, false), (most + 1, false)]
            {
                *field(&mut limits) = chosen;
                let Limits { message, calls, window, .. } = limits;
                assert_eq!(Receives { message, calls, window }.is_sane(), is_sane, "{chosen}");
            }
        }
    }

    #[cfg(feature = "remote")]
    #[test]
    fn an_interval_is_said_in_whole_milliseconds_and_is_never_none() {
        for (interval, said) in [
            (Duration::ZERO, 0),
            (Duration::from_nanos(1), 1),
            (Duration::from_millis(1), 1),
            (Duration::from_micros(1001), 2),
            (Duration::from_millis(u32::MAX.into()), u32::MAX),
            (Duration::from_millis(1 << 32), u32::MAX),
            (Duration::MAX, u32::MAX),
        ] {
            let limits = Limits { keep_alive: interval, ..Limits::default() };
            assert_eq!(limits.keep_alive_milliseconds(), said, "{interval:?}");
        }
    }
}
