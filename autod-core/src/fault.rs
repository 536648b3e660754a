//! Named places in the life of a daemon at which a test can hold, stop, kill or fail a process, so
//! that each window in which two processes can meet is opened on purpose.
//!
//! With the feature `fault-points` a process that passes a point looks into the directory that
//! `AUTOD_FAULTS` names. A file with the point's name there is an order: whoever passes first takes
//! it, by renaming it to `<point>.<pid>`, and obeys it.
//!
//! | order | what the process does |
//! |---|---|
//! | `kill` | dies of SIGKILL |
//! | `stop` | stops itself; SIGCONT lets it go on |
//! | `hold` | waits until `<point>.<pid>` is gone |
//! | `sleep N` | waits for N milliseconds |
//! | `fail N` | fails with the system's error N, where the point can fail |
//!
//! Without the feature a point is nothing, and nothing is looked at.

#![cfg_attr(
    not(feature = "fault-points"),
    expect(unreachable_pub, reason = "public with the feature")
)]

macro_rules! points {
    ($($(#[$doc:meta])+ $point:ident $name:literal,)+) => {
        /// A place at which a process can be made to fail.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Point {
            $($(#[$doc])+ $point,)+
        }

        #[cfg(feature = "fault-points")]
        impl Point {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$point,)+];

            /// Its name, as an order's file carries it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$point => $name,)+ }
            }
        }
    };
}

points! {
    /// A caller has found no door, or nobody behind it.
    CallerRefused "caller-refused",
    /// A caller has taken the spawn lock and has not looked at the door again.
    StarterLocked "starter-locked",
    /// A starter has taken the life lock and published nothing.
    StarterTookLife "starter-took-life",
    /// Can fail: the door is about to be bound, at its private name.
    DoorBind "door-bind",
    /// The door listens at its private name.
    DoorBound "door-bound",
    /// The door is at its place.
    DoorPublished "door-published",
    /// Can fail: the log is about to be opened.
    LogOpen "log-open",
    /// Can fail: the daemon's process is about to be made.
    Spawn "spawn",
    /// The daemon's process is there; its starter holds everything.
    StarterSpawned "starter-spawned",
    /// The starter has heard that main has handed over, and has given nothing away.
    StarterHeardSeen "starter-heard-seen",
    /// The starter has handed over and holds copies of everything.
    StarterHandedOver "starter-handed-over",
    /// The starter has heard that the daemon is ready.
    StarterHeardReady "starter-heard-ready",
    /// The starter has heard that the daemon failed, and has not written it down.
    StarterHeardFailure "starter-heard-failure",
    /// The starter has written the failure down.
    StarterRecordedFailure "starter-recorded-failure",
    /// A replacer has a successor that came as far as its `run`.
    ReplacerHasSuccessor "replacer-has-successor",
    /// A replacer has given its order.
    ReplacerOrdered "replacer-ordered",
    /// A replacer has taken the life lock of the old daemon.
    ReplacerTookLife "replacer-took-life",
    /// A caller has said hello.
    CallerSaidHello "caller-said-hello",
    /// A caller has been accepted and has not called.
    CallerAccepted "caller-accepted",

    /// The daemon's process has its inherited socket and has not said so.
    DaemonBegins "daemon-begins",
    /// The daemon's process has said that it is there, and has received nothing.
    DaemonSeen "daemon-seen",
    /// The daemon has its lock and its door.
    DaemonInherited "daemon-inherited",
    /// `init` is done.
    DaemonInitialised "daemon-initialised",
    /// Callers are served; the starter has not been told.
    DaemonReady "daemon-ready",
    /// `init` has failed; the starter has not been told.
    DaemonFailed "daemon-failed",
    /// A connection was accepted, and nothing has been read from it.
    DaemonTookConnection "daemon-took-connection",
    /// A hello was heard and is about to be accepted.
    DaemonAccepts "daemon-accepts",
    /// The Accept has been said, no call has been taken.
    DaemonSaidAccept "daemon-said-accept",
    /// Nobody needs the daemon any more.
    DaemonIdle "daemon-idle",
    /// A daemon that leaves has the spawn lock.
    LeaverLocked "leaver-locked",
    /// A daemon that leaves has looked at its door for the last time.
    LeaverLooked "leaver-looked",
    /// Everybody can read that the daemon leaves.
    DaemonDraining "daemon-draining",
    /// A daemon that leaves has taken its door away.
    LeaverUnpublished "leaver-unpublished",
    /// A daemon that leaves has sent the queue on.
    LeaverEmptiedQueue "leaver-emptied-queue",
    /// A daemon that leaves has closed its door and holds the spawn lock.
    LeaverClosedDoor "leaver-closed-door",
    /// The last call was answered.
    DaemonDrained "daemon-drained",
    /// A snapshot is written, under its temporary name.
    SnapshotWritten "snapshot-written",
    /// A snapshot is at its place.
    SnapshotPublished "snapshot-published",
    /// The process is about to exit.
    DaemonExits "daemon-exits",
    /// The daemon is about to put a new door in the place of one that was removed.
    DoorAnew "door-anew",
    /// Can fail: a lock's record is about to be written.
    RecordWrite "record-write",
}

/// Passes a point that cannot fail.
#[cfg(not(feature = "fault-points"))]
#[inline]
pub(crate) fn pass(_: Point) {}

/// Passes a point that can fail.
#[cfg(not(feature = "fault-points"))]
#[inline]
#[expect(clippy::unnecessary_wraps, reason = "with the feature it can fail")]
pub(crate) fn try_pass(_: Point) -> std::io::Result<()> {
    Ok(())
}

#[cfg(feature = "fault-points")]
pub(crate) use self::armed::{pass, try_pass};

#[cfg(feature = "fault-points")]
mod armed {
    use std::path::{Path, PathBuf};
    use std::sync::OnceLock;
    use std::time::Duration;

    use rustix::process::Signal;

    use super::Point;

    pub(crate) fn pass(point: Point) {
        // An order that cannot be obeyed here.
        let _ = try_pass(point);
    }

    pub(crate) fn try_pass(point: Point) -> std::io::Result<()> {
        static ORDERS: OnceLock<Option<PathBuf>> = OnceLock::new();
        let orders = ORDERS.get_or_init(|| std::env::var_os("AUTOD_FAULTS").map(PathBuf::from));
        match orders {
            Some(orders) => obey(orders, point),
            None => Ok(()),
        }
    }

    fn obey(orders: &Path, point: Point) -> std::io::Result<()> {
        let order = orders.join(point.name());
        let taken = orders.join(format!("{}.{}", point.name(), std::process::id()));
        if std::fs::rename(order, &taken).is_err() {
            return Ok(());
        }
        let text = std::fs::read_to_string(&taken)?;
        let (verb, object) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match verb {
            "kill" => signal(Signal::KILL),
            "stop" => signal(Signal::STOP),
            "hold" => {
                while taken.exists() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            "sleep" => std::thread::sleep(Duration::from_millis(number(object))),
            "fail" => return Err(std::io::Error::from_raw_os_error(number(object))),
            other => panic!("{}: no such order: {other}", taken.display()),
        }
        Ok(())
    }

    fn signal(signal: Signal) {
        let _ = rustix::process::kill_process(rustix::process::getpid(), signal);
    }

    fn number<T: std::str::FromStr>(text: &str) -> T {
        text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number"))
    }
}
