//! What this machine and this moment are: the clock that survives suspension, the one that stops
//! with it, the identity of the boot, and numbers that nobody else draws.
//!
//! It knows nothing of daemons. The wall clock is never asked: it jumps.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The time since this machine was booted, suspension included where the system can tell.
pub(crate) fn since_boot() -> Duration {
    #[cfg(target_os = "linux")]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    const CLOCK: ClockId = ClockId::Monotonic;
    read(CLOCK)
}

fn read(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

pub(crate) fn milliseconds() -> u64 {
    u64::try_from(since_boot().as_millis()).unwrap_or(u64::MAX)
}

/// The milliseconds of the clock that timers go by, of this process and of all others: it stands
/// still while the machine sleeps, where the system can tell.
pub(crate) fn timer_milliseconds() -> u64 {
    u64::try_from(read(ClockId::Monotonic).as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn nanoseconds() -> u64 {
    u64::try_from(since_boot().as_nanos()).unwrap_or(u64::MAX)
}

/// Tells this boot of this machine from all others; empty if the system does not say.
pub(crate) fn boot_id() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    BOOT.get_or_init(|| {
        #[cfg(target_os = "macos")]
        let boot = super::sys::boot_session();
        #[cfg(not(target_os = "macos"))]
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok();
        boot.unwrap_or_default().trim().to_owned()
    })
}

pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// 64 bits that differ each time.
///
/// Good for names and nonces, not for secrets: the keys of std's hasher come from the system's
/// random source, once for each thread, and are counted up from there.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// FNV-1a, 64 bits: the same in every build, unlike std's hasher.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprint_is_the_published_function() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fingerprint(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn random_numbers_differ() {
        let drawn: std::collections::HashSet<u64> = (0..100).map(|_| random()).collect();
        assert_eq!(drawn.len(), 100);
    }

    #[test]
    fn the_clock_goes_forward_and_the_boot_has_a_name() {
        let before = nanoseconds();
        assert!(nanoseconds() >= before && before > 0);
        assert!(!boot_id().is_empty());
        assert!(!host().is_empty());
    }
}
