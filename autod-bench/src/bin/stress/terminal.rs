//! A terminal with a process in its foreground, which can be interrupted and hung up.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::Result;
use crate::caller::Done;
use crate::process::{PATIENCE, eventually};

/// What Ctrl-C sends.
const INTERRUPT: &[u8] = b"\x03";

pub(crate) struct Terminal {
    process: Child,
    began: Instant,
    /// Dropped, it hangs up.
    keys: Option<Sender<&'static [u8]>>,
    screen: JoinHandle<std::io::Result<String>>,
}

impl Terminal {
    /// Starts the command as the leader of a session whose terminal this is.
    pub(crate) fn run(command: &Command) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let line = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOCTTY.bits().cast_signed())
            .open(name.to_str()?)?;
        let mut leader = Command::new(std::env::current_exe()?);
        leader.arg("--lead").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(name, value),
                None => leader.env_remove(name),
            };
        }
        leader.stdin(line.try_clone()?).stdout(line.try_clone()?).stderr(line);
        let began = Instant::now();
        let process = leader.spawn()?;
        let (keys, typed) = channel();
        let screen = std::thread::spawn(move || watch(master.into(), &typed));
        Ok(Self { process, began, keys: Some(keys), screen })
    }

    pub(crate) fn interrupt(&self) -> Result<()> {
        let keys = self.keys.as_ref().ok_or("the terminal is closed")?;
        // It has ended by itself, which is as good.
        let _ = keys.send(INTERRUPT);
        Ok(())
    }

    pub(crate) fn hang_up(&mut self) {
        self.keys = None;
    }

    /// Waits until its process has ended and nobody has it open any more.
    pub(crate) fn done(mut self) -> Result<Done> {
        let mut status = None;
        eventually(PATIENCE, || {
            status = self.process.try_wait().ok().flatten();
            status.is_some()
        });
        let mut hung = status.is_none();
        if hung {
            self.process.kill()?;
        }
        let status = self.process.wait()?;
        hung |= !eventually(PATIENCE / 6, || self.screen.is_finished());
        self.hang_up();
        let stdout = self.screen.join().map_err(|_| "the terminal panicked")??;
        Ok(Done { status, stdout, stderr: String::new(), took: self.began.elapsed(), hung })
    }
}

/// Types and reads until it is hung up, or until nobody has its other end open.
fn watch(mut master: File, typed: &Receiver<&'static [u8]>) -> std::io::Result<String> {
    let turn = Timespec::try_from(Duration::from_millis(2)).ok();
    let (mut screen, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        match typed.try_recv() {
            Ok(keys) => master.write_all(keys)?,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {}
        }
        if poll(&mut [PollFd::new(&master, PollFlags::IN)], turn.as_ref())? > 0 {
            match master.read(&mut bytes) {
                // EIO is how Linux says that the other end is closed.
                Ok(0) | Err(_) => break,
                Ok(count) => screen.extend_from_slice(&bytes[..count]),
            }
        }
    }
    Ok(String::from_utf8_lossy(&screen).into_owned())
}

/// The leader's own work: takes the terminal on its standard input, and becomes the command.
pub(crate) fn lead(program: &Path, args: &[String]) -> Result<()> {
    rustix::process::setsid()?;
    rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
    Err(Command::new(program).args(args).exec().into())
}
