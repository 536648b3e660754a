//! The memory of the last failed start, so that a herd learns of it instead of repeating it.
//!
//! Whoever waited while the start failed gets its error; whoever came later tries again after a
//! pause that grows. The file is written and removed under the spawn lock only.

use std::fs::File;
use std::io::Write as _;
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::files::{Found, read_start};
use super::locks::SpawnLock;
use super::machine;
use super::place::Place;
use crate::flat_json::{Object, Writer, cut};

const FIRST: u64 = 200;
const LAST: u64 = 5_000;
/// After a failure this long ago the pauses begin anew.
const FORGOTTEN: Duration = Duration::from_secs(60);
const SIZE: usize = 256 << 10;

/// When an operation of the caller began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Began(u64);

impl Began {
    pub(crate) fn now() -> Self {
        Self(machine::nanoseconds())
    }
}

/// What the last failure means for a caller.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing failed, or long enough ago.
    Go,
    /// This is the start that the caller waited for.
    Failed(String),
    /// Too early to try again.
    Wait(Duration),
}

struct Failure {
    error: String,
    /// In nanoseconds of the boot clock.
    at: u64,
    /// In milliseconds.
    pause: u64,
}

impl Failure {
    fn read(place: &Place) -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = rustix::fs::openat(place.handle(), &*place.names().failed, flags, Mode::empty())
            .ok()?;
        let found = Found::of(&file).ok()?;
        // Beside an explicit socket in /tmp anybody can leave a file of that name.
        if found.kind != FileType::RegularFile || found.owner != rustix::process::geteuid().as_raw()
        {
            return None;
        }
        let object = Object::parse(&read_start(&File::from(file), SIZE).ok()?)?;
        let failure = Self {
            error: object.text("error")?.to_owned(),
            at: object.number("at")?,
            pause: object.number("pause")?.min(LAST),
        };
        // A clock that was behind the failure's belongs to another boot.
        (object.text("boot")? == machine::boot_id() && failure.at <= machine::nanoseconds())
            .then_some(failure)
    }

    fn age(&self) -> Duration {
        Duration::from_nanos(machine::nanoseconds().saturating_sub(self.at))
    }
}

/// Judges the last failure for a caller that began at `began`.
pub(super) fn consult(place: &Place, began: Began) -> Verdict {
    let Some(failure) = Failure::read(place) else { return Verdict::Go };
    if began.0 < failure.at {
        return Verdict::Failed(failure.error);
    }
    match Duration::from_millis(failure.pause).checked_sub(failure.age()) {
        Some(rest) if !rest.is_zero() => Verdict::Wait(rest),
        _ => Verdict::Go,
    }
}

/// Records that a start failed just now. A disk that is full loses the record, not the error.
pub(super) fn record(place: &Place, proof: &SpawnLock, error: &str) {
    let pause = match Failure::read(place) {
        Some(last) if last.age() < FORGOTTEN => (last.pause * 2).clamp(FIRST, LAST),
        _ => FIRST,
    };
    let text = Writer::default()
        .text("error", cut(error, 32 << 10))
        .text("boot", machine::boot_id())
        .number("at", machine::nanoseconds())
        .number("pause", pause)
        .number("pid", std::process::id().into())
        .finish();
    clear(place, proof);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    if let Ok(file) = rustix::fs::openat(place.handle(), &*place.names().failed, flags, mode) {
        let _ = File::from(file).write_all(format!("{text}\n").as_bytes());
    }
}

/// Forgets the last failure.
pub(super) fn clear(place: &Place, _proof: &SpawnLock) {
    let _ = rustix::fs::unlinkat(place.handle(), &*place.names().failed, AtFlags::empty());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::testing::Home;

    #[test]
    fn those_before_a_failure_get_it_and_those_after_wait() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        let before = Began::now();
        assert_eq!(consult(&place, before), Verdict::Go);
        record(&place, &spawn, "no \"config\"\n");
        assert_eq!(consult(&place, before), Verdict::Failed("no \"config\"\n".to_owned()));
        let Verdict::Wait(rest) = consult(&place, Began::now()) else { panic!("no pause") };
        assert!(rest <= Duration::from_millis(FIRST));
        std::thread::sleep(rest);
        assert_eq!(consult(&place, Began::now()), Verdict::Go);
        clear(&place, &spawn);
        assert_eq!(consult(&place, before), Verdict::Go);
    }

    #[test]
    fn a_failure_before_the_machine_slept_is_over_and_one_of_the_future_is_none() {
        let home = Home::new();
        let place = home.place();
        let write = |at: u64| {
            let boot = machine::boot_id();
            let text =
                format!("{{\"error\":\"x\",\"boot\":\"{boot}\",\"at\":{at},\"pause\":5000}}");
            std::fs::write(place.path_of(&place.names().failed), text).unwrap();
        };
        let (now, hour) = (machine::nanoseconds(), 3600 * 1_000_000_000);
        // The boot clock goes on while the machine sleeps, so an hour of sleep is an hour.
        write(now.saturating_sub(hour.min(now / 2)));
        assert_eq!(consult(&place, Began::now()), Verdict::Go);
        write(now + hour);
        assert_eq!(consult(&place, Began(0)), Verdict::Go);
        write(now);
        assert!(matches!(consult(&place, Began::now()), Verdict::Wait(_)));
    }

    #[test]
    fn the_pause_doubles_up_to_its_limit() {
        let home = Home::new();
        let place = home.place();
        let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
        let pauses: Vec<u64> = (0..7)
            .map(|_| {
                record(&place, &spawn, "no");
                Failure::read(&place).unwrap().pause
            })
            .collect();
        assert_eq!(pauses, [200, 400, 800, 1600, 3200, 5000, 5000]);
    }

    #[test]
    fn a_record_of_another_boot_or_no_record_at_all_is_ignored() {
        let home = Home::new();
        let place = home.place();
        let path = place.path_of(&place.names().failed);
        let began = Began(0);
        std::fs::write(&path, "{\"error\":\"x\",\"boot\":\"other\",\"at\":5,\"pause\":9}").unwrap();
        assert_eq!(consult(&place, began), Verdict::Go);
        std::fs::write(&path, "rubbish").unwrap();
        assert_eq!(consult(&place, began), Verdict::Go);
        if rustix::process::geteuid().is_root() {
            std::fs::remove_file(&path).unwrap();
            let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
            record(&place, &spawn, "no");
            std::os::unix::fs::chown(&path, Some(4321), None).unwrap();
            assert_eq!(consult(&place, began), Verdict::Go);
        }
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(consult(&place, began), Verdict::Go);
    }
}
