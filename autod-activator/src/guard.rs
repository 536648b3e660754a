//! What outlives a supervisor that is killed: a shell that knows the process groups and the private
//! directory, and ends them.
//!
//! The signal of a parent's death reaches the leader of a group only, not the processes that it has
//! started. The shell waits for a hang-up, which the kernel makes however the supervisor dies, sends
//! SIGTERM to all groups, after 0.7 s SIGKILL, and removes the private directory. The directory is made
//! when the shell is there: at no moment would it be left behind.

use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{place, spawner};

const SCRIPT: &str = r#"
trap '' HUP INT TERM
groups=' '
while read -r what group; do
    case $what in
    +) groups="$groups$group " ;;
    -) groups="${groups%% $group *} ${groups#* $group }" ;;
    esac
done
for signal in TERM KILL; do
    for group in $groups; do kill -s $signal -- "-$group"; done
    case $groups$signal in
    *[0-9]*TERM) sleep 0.7 ;;
    esac
done
rm -rf -- "$@"
"#;

/// The line to the shell. When the last copy is dropped, the shell ends what is left.
#[derive(Clone, Debug)]
pub(crate) struct Guard(Arc<Mutex<Line>>);

#[derive(Debug)]
struct Line {
    /// Where the private directory may be.
    candidates: Vec<PathBuf>,
    directory: Option<PathBuf>,
    groups: Vec<u32>,
    shell: Option<(UnixStream, Child)>,
}

impl Guard {
    /// A guard of a private directory in one of these places. Nothing is made or started yet.
    pub(crate) fn new(candidates: Vec<PathBuf>) -> Self {
        let (directory, groups, shell) = (None, Vec::new(), None);
        Self(Arc::new(Mutex::new(Line { candidates, directory, groups, shell })))
    }

    /// The private directory, which is there when this returns and is removed in the end.
    ///
    /// # Errors
    ///
    /// It can be made nowhere.
    pub(crate) fn directory(&self) -> io::Result<PathBuf> {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.watch();
        line.make()
    }

    /// Watches over this group. Called before the group can have started anything that matters.
    pub(crate) fn add(&self, group: u32) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.groups.push(group);
        line.say(&format!("+ {group}\n"));
    }

    /// Forgets this group; called while its number cannot be anybody else's yet.
    pub(crate) fn remove(&self, group: u32) {
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.groups.retain(|known| *known != group);
        line.say(&format!("- {group}\n"));
    }
}

impl Line {
    fn say(&mut self, words: &str) {
        if let Some((socket, _)) = &mut self.shell
            && socket.write_all(words.as_bytes()).is_ok()
        {
            return;
        }
        // Somebody ended the shell.
        self.end();
        self.watch();
    }

    /// Has a shell, if the system has one.
    fn watch(&mut self) {
        if let Some((_, child)) = &mut self.shell {
            if let Ok(None) = child.try_wait() {
                return;
            }
            self.shell = None;
        }
        let Ok((mut socket, child)) = shell(&self.candidates) else { return };
        for group in &self.groups {
            let _ = socket.write_all(format!("+ {group}\n").as_bytes());
        }
        self.shell = Some((socket, child));
    }

    fn make(&mut self) -> io::Result<PathBuf> {
        match &self.directory {
            None => self.directory = Some(place::make(&self.candidates)?),
            // Somebody who tidies up may have taken it away.
            Some(path) => match place::make_at(path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            },
        }
        self.directory.clone().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn end(&mut self) {
        if let Some((socket, mut child)) = self.shell.take() {
            drop(socket);
            // Reaped where waiting for it holds up nothing but another start.
            spawner::run(move || {
                let _ = child.wait();
            });
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let (None, Some(directory)) = (&self.shell, &self.directory) {
            let _ = std::fs::remove_dir_all(directory);
        }
        self.end();
    }
}

fn shell(candidates: &[PathBuf]) -> io::Result<(UnixStream, Child)> {
    let (ours, theirs) = UnixStream::pair()?;
    let child = Command::new("/bin/sh")
        .args(["-c", SCRIPT, "autod-guard"])
        .args(candidates)
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    Ok((ours, child))
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("100").process_group(0).spawn().unwrap()
    }

    #[test]
    fn the_groups_that_are_left_are_ended_and_the_directory_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("it's here");
        let guard = Guard::new(vec![directory.path().join("no such/place"), place.clone()]);
        assert!(!place.exists(), "nothing was asked for yet");
        assert_eq!(guard.directory().unwrap(), place);
        std::fs::write(place.join("socket"), "").unwrap();
        let mut children: Vec<Child> = (0..4).map(|_| sleeper()).collect();
        for child in &children {
            guard.add(child.id());
        }
        guard.remove(children[1].id());
        guard.remove(children[3].id());
        drop(guard);
        for index in [0, 2] {
            assert_eq!(children[index].wait().unwrap().signal(), Some(15));
        }
        for index in [1, 3] {
            assert!(children[index].try_wait().unwrap().is_none(), "it was let off");
            children[index].kill().unwrap();
            children[index].wait().unwrap();
        }
        let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while place.exists() {
            assert!(std::time::Instant::now() < limit);
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
    #[test]
    fn a_directory_that_was_tidied_away_is_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("place");
        let guard = Guard::new(vec![place.clone()]);
        for _ in 0..2 {
            assert_eq!(guard.directory().unwrap(), place);
            std::fs::remove_dir(&place).unwrap();
        }
    }

    #[test]
    fn a_system_without_a_shell_keeps_nothing_either() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("place");
        let guard = Guard::new(vec![place.clone()]);
        guard.0.lock().unwrap().make().unwrap();
        assert!(place.exists());
        drop(guard);
        assert!(!place.exists());
    }
}
