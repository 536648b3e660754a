//! The `autod` command of another machine: it does what its arguments say, and what it prints
//! travels in packets, so that nothing else of the login can be taken for it.
//!
//! Behind a Report with no words come parts: kind, length (u32), bytes.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;

use super::bridge::{other_version, refuse};
use super::dial::Dialed;
use super::packet::Found;
use super::pump::{MISSED, Receiver, Sender};
use super::request::{Asked, Request, Way, forget_variable};
use super::ssh::Ssh;
use crate::client::rejected;
use crate::error::{Error, ErrorKind, Result};
use crate::greet::{Ear, Heard};
use crate::wire::greeting::Answer;

const OUTPUT: u8 = 1;
const WORDS: u8 = 2;
/// Its bytes are the exit code.
const END: u8 = 3;

const HEAD: usize = 5;

/// Between two looks at whether the command has ended, once it prints no more.
const LOOK: Duration = Duration::from_millis(2);

/// The most that a part carries; more is not read.
const PART: usize = 64 << 10;

/// Runs the `autod` command of another machine with these arguments, and gives its exit code. What
/// it prints goes to `output` and `words`, as it comes. Its standard input is empty.
///
/// `ssh` has to come through within this time; the command takes as long as it takes. Dropping the
/// future ends it.
///
/// # Errors
///
/// [`Error::is_unreachable`]: ssh did not come through. [`Error::is_start_failure`]: there is no
/// `autod` on that machine. [`Error::is_lost`]: the connection ended before the command did.
/// `output` or `words` fail.
pub async fn run_there(
    there: impl Into<Ssh>,
    arguments: impl IntoIterator<Item = OsString>,
    limit: Duration,
    output: &mut (impl Write + ?Sized),
    words: &mut (impl Write + ?Sized),
) -> Result<u8> {
    let there = there.into().args(arguments);
    let mut dialed = Dialed::reach(&there, Way::Command, "", limit).await?;
    match print(&mut dialed, output, words).await {
        Ok(code) => Ok(code),
        Err(error) => Err(dialed.explained(error).await),
    }
}

async fn print(
    dialed: &mut Dialed,
    output: &mut (impl Write + ?Sized),
    words: &mut (impl Write + ?Sized),
) -> Result<u8> {
    let gone = || Error::new(ErrorKind::Lost, "the other end hung up before the command ended");
    let stream = dialed.stream.as_mut().ok_or_else(gone)?;
    let mut ear = Ear::default();
    match ear.answer(stream).await {
        Ok(Answer::Report(_)) => {}
        Ok(Answer::Reject(rejection)) => return Err(rejected(rejection)),
        Ok(_) => return Err(Error::new(ErrorKind::Protocol, "the other end runs no command")),
        Err(Heard::Error(error)) => return Err(error),
        Err(Heard::Nothing) => return Err(gone()),
    }
    let mut bytes = ear.into_rest();
    loop {
        while let Some((kind, part)) = first(&bytes)? {
            let length = HEAD + part.len();
            let written = match (kind, part) {
                (OUTPUT, part) => output.write_all(part).and_then(|()| output.flush()),
                (WORDS, part) => words.write_all(part).and_then(|()| words.flush()),
                (END, &[code]) => return Ok(code),
                // Of a version to come.
                _ => Ok(()),
            };
            written.map_err(|error| Error::system("cannot write what the command says", error))?;
            bytes.drain(..length);
        }
        match stream.read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return Err(gone()),
        }
    }
}

/// The first part, if it is whole.
fn first(bytes: &[u8]) -> Result<Option<(u8, &[u8])>> {
    let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > PART {
        return Err(Error::new(ErrorKind::Protocol, "the other end says too much at once"));
    }
    Ok(rest.get(..length).map(|part| (kind, part)))
}

/// To be called first by the `autod` command: if somebody on another machine runs it by
/// [`run_there`], it does what its arguments say, in a process of its own, and this gives the exit
/// code.
pub fn relay() -> Option<ExitCode> {
    let stdout = rustix::stdio::stdout();
    let request = match Asked::of_process() {
        Asked::Nothing => return None,
        Asked::Unknown(mark) => refuse(Sender { mark, to: stdout }, &other_version()),
        Asked::Bridge(request) => request,
    };
    let sender = Sender { mark: request.mark, to: stdout };
    if request.way != Way::Command {
        let text = "the autod command has no daemon of its own: name a program that has one";
        refuse(sender, &Error::new(ErrorKind::Usage, text));
    }
    forget_variable();
    // An error is the caller's going: nobody is left to be told.
    Some(perform(&request, sender).map_or(ExitCode::FAILURE, ExitCode::from))
}

fn perform(request: &Request, sender: Sender<'static>) -> io::Result<u8> {
    // What a profile reads from standard input is none of what the caller says: it waits for this.
    sender.alive()?;
    let child = Arc::new(Mutex::new(start().unwrap_or_else(|error| {
        refuse(sender, &Error::system("the autod there cannot run itself", error))
    })));
    let (parts, said) = UnixStream::pair().inspect_err(|_| end(&child))?;
    let begun = sender.send(&Answer::Report(String::new()).to_bytes());
    begun.inspect_err(|_| end(&child))?;
    let (output, words) = {
        let mut child = locked(&child);
        (child.stdout.take(), child.stderr.take())
    };
    let (mark, limit) = (request.mark, request.keep_alive * MISSED);
    let working = Arc::clone(&child);
    std::thread::spawn(move || {
        let mut receiver = Receiver::new(mark, rustix::stdio::stdin());
        // The caller says nothing but that it is there.
        while let Ok(Found::Alive | Found::Payload(_)) = receiver.next(Some(limit)) {}
        end(&working);
        std::process::exit(1);
    });
    let copying = std::thread::spawn(move || {
        let parts = Mutex::new(parts);
        std::thread::scope(|scope| {
            scope.spawn(|| copy(words, WORDS, &parts));
            copy(output, OUTPUT, &parts);
        });
        let code = wait(&child)?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1);
        say(&parts, END, &[code])?;
        Ok(code)
    });
    sender.forward(&said, request.keep_alive)?;
    copying.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}

fn start() -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn copy(from: Option<impl Read>, kind: u8, to: &Mutex<UnixStream>) {
    let Some(mut from) = from else { return };
    let mut part = vec![0; PART];
    loop {
        match from.read(&mut part) {
            Ok(count @ 1..) if say(to, kind, &part[..count]).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

fn say(to: &Mutex<UnixStream>, kind: u8, part: &[u8]) -> io::Result<()> {
    let [a, b, c, d] = u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes();
    let mut to = &*locked(to);
    to.write_all(&[kind, a, b, c, d])?;
    to.write_all(part)
}

/// Waits without keeping others from ending it meanwhile.
fn wait(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = locked(child).try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(LOOK);
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = locked(child);
    if let Ok(None) = child.try_wait() {
        let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_taken_when_they_are_whole() {
        let mut bytes = vec![OUTPUT, 3, 0, 0, 0, b'a', b'b'];
        assert_eq!(first(&bytes[..4]).unwrap(), None);
        assert_eq!(first(&bytes).unwrap(), None);
        bytes.extend([b'c', END]);
        assert_eq!(first(&bytes).unwrap(), Some((OUTPUT, &b"abc"[..])));
        assert!(first(&[WORDS, 0, 0, 0, 1]).is_err(), "16 MiB are no part");
    }
}
