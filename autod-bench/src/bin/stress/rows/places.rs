//! Places that somebody has prepared: each is refused with an error that names the path, what is
//! wrong there and the command that mends it; nothing is sent, nothing there is changed, and after
//! that command the next call works. Callers in another place notice nothing.

use std::os::unix::fs::{DirBuilderExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::caller::{Caller, Done};
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::process::PATIENCE;
use crate::setting::Setting;
use crate::stranger::{self, Stranger};
use crate::survey::Survey;
use crate::tally::Tally;

/// What stands there instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trap {
    // The directory itself.
    LinkedDirectory,
    OpenDirectory,
    ForeignDirectory,
    FileForDirectory,
    // The door.
    FileAtDoor,
    DirectoryAtDoor,
    LinkAtDoor,
    ForeignDeadDoor,
    ForeignListener,
    // One of the locks.
    LinkedLock,
    HardLinkedLock,
    OpenLock,
    DirectoryForLock,
    ForeignLock,
}

impl Trap {
    const ALL: [Self; 14] = [
        Self::LinkedDirectory,
        Self::OpenDirectory,
        Self::ForeignDirectory,
        Self::FileForDirectory,
        Self::FileAtDoor,
        Self::DirectoryAtDoor,
        Self::LinkAtDoor,
        Self::ForeignDeadDoor,
        Self::ForeignListener,
        Self::LinkedLock,
        Self::HardLinkedLock,
        Self::OpenLock,
        Self::DirectoryForLock,
        Self::ForeignLock,
    ];

    fn needs_root(self) -> bool {
        use Trap::{ForeignDeadDoor, ForeignDirectory, ForeignListener, ForeignLock};
        matches!(self, ForeignDirectory | ForeignDeadDoor | ForeignListener | ForeignLock)
    }

    fn is_the_directory(self) -> bool {
        use Trap::{FileForDirectory, ForeignDirectory, LinkedDirectory, OpenDirectory};
        matches!(self, LinkedDirectory | OpenDirectory | ForeignDirectory | FileForDirectory)
    }

    fn is_a_lock(self) -> bool {
        use Trap::{DirectoryForLock, ForeignLock, HardLinkedLock, LinkedLock, OpenLock};
        matches!(self, LinkedLock | HardLinkedLock | OpenLock | DirectoryForLock | ForeignLock)
    }

    /// The words about it, and the command that mends it.
    fn told(self) -> (String, &'static str) {
        let uid = stranger::UID;
        match self {
            Self::LinkedDirectory | Self::LinkAtDoor | Self::LinkedLock => {
                ("is a symbolic link".to_owned(), "rm")
            }
            Self::OpenDirectory => ("is open to others (mode 0777)".to_owned(), "chmod 700"),
            Self::ForeignDirectory => (format!("belongs to uid {uid}"), "rm -r"),
            Self::FileForDirectory | Self::FileAtDoor => ("is a regular file".to_owned(), "rm"),
            Self::DirectoryAtDoor | Self::DirectoryForLock => {
                ("is a directory".to_owned(), "rm -r")
            }
            Self::ForeignDeadDoor | Self::ForeignLock => (format!("belongs to uid {uid}"), "rm"),
            Self::ForeignListener => (format!("uid {uid} listens"), "rm"),
            Self::HardLinkedLock => ("has 2 names".to_owned(), "rm"),
            Self::OpenLock => ("is open to others (mode 0644)".to_owned(), "chmod 600"),
        }
    }
}

/// The paths of one place.
struct Spot {
    base: PathBuf,
    directory: PathBuf,
    sock: PathBuf,
    locks: [PathBuf; 2],
    explicit: bool,
}

impl Spot {
    fn new(base: PathBuf, explicit: bool) -> Result<Self> {
        private_directory(&base)?;
        let directory = base.join("fixture");
        let [sock, spawn, life] = if explicit {
            ["door.sock", "door.sock.spawn", "door.sock.life"].map(|name| directory.join(name))
        } else {
            ["sock", "spawn.lock", "life.lock"].map(|name| directory.join(name))
        };
        Ok(Self { base, directory, sock, locks: [spawn, life], explicit })
    }

    /// Prepares it; gives the path that is wrong.
    fn prepare(&self, trap: Trap, draw: u64) -> Result<(PathBuf, Option<Stranger>)> {
        let victim = self.base.join("victim");
        std::fs::write(&victim, format!("precious {draw}"))?;
        set_mode(&victim, 0o600)?;
        if !trap.is_the_directory() {
            private_directory(&self.directory)?;
        }
        let lock = &self.locks[usize::from(draw % 2 == 1)];
        let path = match trap {
            _ if trap.is_the_directory() => &self.directory,
            _ if trap.is_a_lock() => lock,
            _ => &self.sock,
        };
        let mut listener = None;
        match trap {
            Trap::LinkedDirectory => {
                let elsewhere = self.base.join("elsewhere");
                private_directory(&elsewhere)?;
                symlink(elsewhere, path)?;
            }
            Trap::OpenDirectory => {
                private_directory(path)?;
                set_mode(path, 0o777)?;
            }
            Trap::ForeignDirectory => {
                private_directory(path)?;
                chown(path, Some(stranger::UID), None)?;
            }
            Trap::FileForDirectory | Trap::FileAtDoor => {
                std::fs::write(path, "precious")?;
            }
            Trap::DirectoryAtDoor | Trap::DirectoryForLock => {
                private_directory(path)?;
                std::fs::write(path.join("inside"), "precious")?;
            }
            Trap::LinkAtDoor | Trap::LinkedLock => symlink(&victim, path)?,
            Trap::ForeignDeadDoor => {
                drop(std::os::unix::net::UnixListener::bind(path)?);
                chown(path, Some(stranger::UID), None)?;
            }
            Trap::ForeignListener => listener = Some(Stranger::listen(path)?),
            Trap::HardLinkedLock => std::fs::hard_link(&victim, path)?,
            Trap::OpenLock | Trap::ForeignLock => {
                std::fs::write(path, "precious")?;
                set_mode(path, if trap == Trap::OpenLock { 0o644 } else { 0o600 })?;
                if trap == Trap::ForeignLock {
                    chown(path, Some(stranger::UID), None)?;
                }
            }
        }
        Ok((path.clone(), listener))
    }

    fn call(&self, home: &Home, id: &str) -> Result<Done> {
        let mut command = home.fixture(&["mark", id]);
        command.env("XDG_RUNTIME_DIR", &self.base);
        if self.explicit {
            command.env("FIX_SOCK", &self.sock);
        }
        Caller::spawn(command)?.done()
    }
}

fn private_directory(path: &Path) -> Result<()> {
    Ok(std::fs::DirBuilder::new().mode(0o700).create(path)?)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?)
}

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let good = Home::new(setting.home.join("good"), setting.home.program())?;
    let good = good.with("PAUSE_US", &6000).with("AUTOCLOSE", &3);
    let calls = setting.size(1500, 100);
    let callers: Vec<_> = (0..3)
        .map(|n| Caller::spawn(good.fixture(&["reconnect", &format!("g{n}"), &calls.to_string()])))
        .collect::<Result<_>>()?;

    let traps: Vec<_> = Trap::ALL
        .into_iter()
        .filter(|trap| stranger::is_possible() || !trap.needs_root())
        .collect();
    if traps.len() < Trap::ALL.len() {
        tally.remark("files and listeners of another uid are left out: that needs root");
    }
    let home = Home::new(setting.home.join("bad"), setting.home.program())?;
    let mut of_the_bad = Ledger::default();
    for round in 0..setting.rounds(200, 2 * traps.len()) {
        let draw = setting.random(crate::random::Random::draw);
        // Each once, then whichever comes.
        let chosen = if round < traps.len() { round } else { usize::try_from(draw >> 33)? };
        let trap = traps[chosen % traps.len()];
        let explicit = !trap.is_the_directory() && draw & 2 == 0;
        let spot = Spot::new(home.join(&round.to_string()), explicit)?;
        refused(&home, &spot, trap, (round, draw), &mut of_the_bad, &mut tally)?;
        crate::process::sweep(&home.join(""));
        std::fs::remove_dir_all(&spot.base)?;
    }
    ledger::check_only_one(&home, &mut tally);
    of_the_bad.close(&home, &mut tally)?;

    for caller in callers {
        ledger.enter(&caller.done()?, calls, ledger::NONE, &mut tally);
    }
    ledger::check_only_one(&good, &mut tally);
    ledger.close(&good, &mut tally)?;
    Ok(tally)
}

/// One round: a refusal, the mending, and a call that works.
fn refused(
    home: &Home,
    spot: &Spot,
    trap: Trap,
    (round, draw): (usize, u64),
    ledger: &mut Ledger,
    tally: &mut Tally,
) -> Result<()> {
    let (path, stranger) = spot.prepare(trap, draw)?;
    let before = Survey::of(&spot.base)?;
    let done = spot.call(home, &format!("refused-{round}"))?;
    let (words, command) = trap.told();
    let mending = format!("{command} {}", path.display());
    ledger.enter(
        &done,
        1,
        &|_, failure| {
            !failure.may_have_executed
                && failure.text.contains(&words)
                && failure.text.contains(&mending)
                && matches!(failure.kind.as_str(), "other" | "start")
        },
        tally,
    );
    let called = done.calls().next();
    tally.expect(called.is_some_and(|call| call.failure.is_some()), || {
        format!("{trap:?} was not refused: {}", done.stdout)
    });
    tally.expect(done.took < PATIENCE / 10, || format!("{trap:?} took {:?}", done.took));
    for change in before.changes()? {
        tally.find(format!("{trap:?}: {change}"));
    }
    if let Some(stranger) = stranger {
        let heard = stranger.heard()?;
        tally.expect(heard == 0, || format!("the stranger was told {heard} bytes"));
    }
    let left = home.processes();
    tally.expect(left.is_empty(), || format!("{trap:?}: somebody runs there: {left:?}"));

    let mended = Command::new("/bin/sh").args(["-c", &mending]).status()?;
    tally.expect(mended.success(), || format!("{mending}: {mended}"));
    ledger.enter(&spot.call(home, &format!("mended-{round}"))?, 1, ledger::NONE, tally);
    Ok(())
}
