//! What peers may do to a daemon, and daemons to a caller: anything that bytes on a socket can say.
//!
//! Whatever is said, the daemon does not panic, others are served meanwhile, and what it holds is
//! bounded. For one connection the bound follows from the limits in use:
//!
//! - arguments: twice [`Limits::memory`](autod::Limits), because a vector that grows may have room
//!   for twice what is in it,
//! - answers that are not read: `memory` and one message; before that nothing more is begun above
//!   4 MiB,
//! - streams that are not taken: a quarter of `memory` in their first windows, another in what these
//!   grow by, and with the arguments what of a message passes its window,
//! - streams that are not read: 256 KiB and a message of all together,
//! - 8 KiB for each call that is open, for its handler.

mod bystander;
mod daemon;
#[cfg(target_os = "linux")]
mod descriptors;
mod floods;
mod frames;
mod greetings;
mod hoards;
mod json;
mod peer;
mod random;
mod values;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::bystander::Bystander;
use self::peer::Peer;
use crate::home::{Home, eventually};

/// One attack at a time: the figures of each are its own.
static TURN: Mutex<()> = Mutex::new(());

/// A daemon under attack.
struct Ground {
    home: Home,
    pid: u32,
    fingerprint: Vec<u8>,
    _turn: MutexGuard<'static, ()>,
}

impl Ground {
    fn new() -> Self {
        Self::with(&[])
    }

    /// The settings are those of the fixture.
    fn with(settings: &[(&str, &str)]) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let home = Home::new();
        let mut first = home.fixture(["pid"]);
        for (name, value) in settings {
            first = first.env(name, value);
        }
        let pid = first.out().parse().expect("a pid");
        // A probe is told the fingerprint whatever it names.
        let mut stream = peer::open(&home.place().join("sock"));
        stream.write_all(&peer::hello(1, &[0; 8])).unwrap();
        let accept = peer::read_greeting(&mut stream).unwrap();
        let fingerprint = peer::field(&accept, 3).expect("a fingerprint");
        Self { home, pid, fingerprint, _turn: turn }
    }

    fn sock(&self) -> PathBuf {
        self.home.place().join("sock")
    }

    fn open(&self) -> UnixStream {
        peer::open(&self.sock())
    }

    fn peer(&self) -> Peer {
        Peer::new(&self.sock(), &self.fingerprint)
    }

    fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).expect("it runs").count()
    }

    /// Runs an attack while a bystander makes small calls, and looks at the daemon afterwards.
    /// `allowance` is how many bytes more than before it may hold at any moment.
    #[track_caller]
    fn endures(&self, name: &str, allowance: usize, attack: impl FnOnce()) {
        let descriptors = self.descriptors();
        let bystander = Bystander::new(self);
        attack();
        bystander.judge(name, allowance);
        assert_eq!(self.home.daemon(), self.pid, "the daemon lives");
        // The last command may still be on its way out.
        eventually("all connections are gone", || self.descriptors() <= descriptors);
        let log = std::fs::read_to_string(self.home.place().join("log")).expect("the log");
        assert!(!log.contains("panicked"), "{log}");
    }
}
