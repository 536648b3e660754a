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

/// How soon somebody presses it again.
const AGAIN: Duration = Duration::from_millis(200);

pub(crate) struct Terminal {
    process: Child,
    began: Instant,
    /// Dropped, it hangs up.
    keys: Option<Sender<&'static [u8]>>,
    screen: JoinHandle<std::io::Result<String>>,
    is_interrupted: bool,
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
        Ok(Self { process, began, keys: Some(keys), screen, is_interrupted: false })
    }

    /// Presses Ctrl-C, now and then again: a session that has not begun has nobody to interrupt, and
    /// a shell between two commands goes on with the next.
    pub(crate) fn interrupt(&mut self) {
        self.is_interrupted = true;
        self.press();
    }

    fn press(&self) {
        if let Some(keys) = &self.keys {
            // It may have ended by itself, which is as good.
            let _ = keys.send(INTERRUPT);
        }
    }

    pub(crate) fn hang_up(&mut self) {
        self.keys = None;
    }

    /// Waits until its process has ended and nobody has it open any more.
    pub(crate) fn done(mut self) -> Result<Done> {
        let mut status = None;
        let end = Instant::now() + PATIENCE;
        while status.is_none() && Instant::now() < end {
            eventually(AGAIN, || {
                status = self.process.try_wait().ok().flatten();
                status.is_some()
            });
            if self.is_interrupted {
                self.press();
            }
        }
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
            // EIO is how Linux says that nobody has the other end open.
            Ok(keys) if master.write_all(keys).is_err() => break,
            Err(TryRecvError::Disconnected) => break,
            Ok(_) | Err(TryRecvError::Empty) => {}
        }
        if poll(&mut [PollFd::new(&master, PollFlags::IN)], turn.as_ref())? > 0 {
            match master.read(&mut bytes) {
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
