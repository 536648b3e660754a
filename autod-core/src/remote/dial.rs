//! The near end: `ssh`, and three threads that stand between it and the connection. They hold what
//! has to go on whatever the program does with its runtime: signs of life, and ssh's end.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::explain::Ended;
use super::packet::{Found, Mark};
use super::pump::{Receiver, Sender};
use super::request::{Request, Way};
use super::ssh::Ssh;
use crate::blocking;
use crate::codec::Codec;
use crate::error::{Error, ErrorKind, Result};
use crate::mux::Connection;
use crate::mux::blocking::background;
use crate::service::Table;
use crate::settings::Settings;

/// How long `ssh` may take to end once there is nothing left to do for it.
const GRACE: Duration = Duration::from_secs(2);

/// Between two looks at whether it has.
const LOOK: Duration = Duration::from_millis(5);

/// How much of what `ssh` says is kept.
const WORDS: usize = 4096;

impl Settings {
    /// Connects to the daemon of another machine.
    pub(crate) async fn dial(
        &self,
        ssh: &Ssh,
        way: Way,
        table: &'static Table,
        codec: Codec,
    ) -> Result<Connection> {
        let dialed = Dialed::reach(ssh, way, &self.name, self.connect_timeout).await?;
        self.join(dialed, table, codec).await
    }

    /// The same for a client that blocks.
    pub(crate) fn dial_blocking(
        &self,
        ssh: &Ssh,
        way: Way,
        table: &'static Table,
    ) -> Result<blocking::Connection> {
        let dialed = background::run(self.dial(ssh, way, table, Codec::default()))?;
        Ok(blocking::Connection::driven(dialed))
    }

    /// Connects to the daemon at the other end.
    pub(super) async fn join(
        &self,
        mut dialed: Dialed,
        table: &'static Table,
        codec: Codec,
    ) -> Result<Connection> {
        let stream = dialed.stream.take().ok_or_else(|| Error::new(ErrorKind::Lost, "gone"))?;
        match self.connect_over(stream, table, codec).await {
            Ok(connection) => {
                dialed.joined = true;
                Ok(connection)
            }
            Err(error) => Err(dialed.explained(error).await),
        }
    }
}

/// An `ssh` that runs for a connection. Dropped before it has joined one, it is ended.
#[derive(Debug)]
pub(super) struct Dialed {
    host: String,
    /// Whoever takes it keeps the line open.
    pub(super) stream: Option<tokio::net::UnixStream>,
    /// Completes with the first packet; fails if there is none.
    answered: oneshot::Receiver<()>,
    ended: oneshot::Receiver<Ended>,
    line: Arc<Line>,
    joined: bool,
}

impl Dialed {
    /// Runs `ssh`, and waits until somebody at the other end has answered.
    pub(super) async fn reach(ssh: &Ssh, way: Way, app: &str, limit: Duration) -> Result<Self> {
        let program = ssh.program_name()?;
        let app = app.to_owned();
        let request = Request { mark: Mark::random()?, keep_alive: ssh.keep_alive, way, app };
        let mut dialed = Self::new(ssh, &request)?;
        match timeout(limit, &mut dialed.answered).await {
            Ok(Ok(())) => Ok(dialed),
            Ok(Err(_)) => Err(dialed.ended().await.before_joining(ssh.host(), &program)),
            Err(_) => {
                let text = format!("{} has not answered by ssh in time", ssh.host());
                Err(Error::new(ErrorKind::Timeout, text))
            }
        }
    }

    /// An error of what goes over the line, with the reason if that has ended.
    pub(super) async fn explained(&mut self, error: Error) -> Error {
        if error.kind() != ErrorKind::Lost {
            return error;
        }
        self.ended().await.lost(&self.host, error)
    }

    fn new(ssh: &Ssh, request: &Request) -> Result<Self> {
        let unusable = |error| Error::system("cannot make the sockets for ssh", error);
        let (wire, theirs) = UnixStream::pair().map_err(unusable)?;
        let (words, their_words) = UnixStream::pair().map_err(unusable)?;
        let (near, far) = UnixStream::pair().map_err(unusable)?;
        near.set_nonblocking(true).map_err(unusable)?;
        let near = tokio::net::UnixStream::from_std(near).map_err(unusable)?;
        let mut command = ssh.command(request)?;
        command.stdin(OwnedFd::from(theirs.try_clone().map_err(unusable)?));
        command.stdout(OwnedFd::from(theirs)).stderr(OwnedFd::from(their_words));
        let child = command.spawn().map_err(|error| {
            let name = command.get_program().display().to_string();
            Error::system(format!("cannot run {name}"), error)
        })?;
        let (answer, answered) = oneshot::channel();
        let (tell, ended) = oneshot::channel();
        let line = Arc::new(Line {
            child: Mutex::new(child),
            wire,
            words,
            far,
            said: Mutex::default(),
            mark: request.mark,
            keep_alive: request.keep_alive,
        });
        let stream = Some(near);
        let host = ssh.host().to_owned();
        let this = Self { host, stream, answered, ended, line: Arc::clone(&line), joined: false };
        // If a thread cannot be started, `this` ends what runs.
        let receiving = Arc::clone(&line);
        start("autod-ssh-in", move || {
            let listening = Arc::clone(&receiving);
            let listening = start("autod-ssh-words", move || listening.listen());
            if listening.is_ok() {
                receiving.receive(answer);
            }
            // Nobody may want to know.
            let _ = tell.send(receiving.finish(listening.ok()));
        })?;
        Ok(this)
    }

    async fn ended(&mut self) -> Ended {
        (&mut self.ended).await.unwrap_or(Ended { status: None, said: String::new() })
    }
}

impl Drop for Dialed {
    fn drop(&mut self) {
        if !self.joined {
            self.line.signal(Signal::TERM);
            self.line.hang_up();
        }
    }
}

fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| Error::system("cannot start a thread for ssh", error))
}

/// What the threads share.
#[derive(Debug)]
struct Line {
    child: Mutex<Child>,
    /// To `ssh`: its standard input and output.
    wire: UnixStream,
    /// Its standard error.
    words: UnixStream,
    /// To the connection.
    far: UnixStream,
    said: Mutex<Vec<u8>>,
    mark: Mark,
    keep_alive: Duration,
}

impl Line {
    /// Moves what arrives to the connection, until one of them has no more.
    fn receive(self: &Arc<Self>, answer: oneshot::Sender<()>) {
        let mut receiver = Receiver::new(self.mark, self.wire.as_fd());
        // How long this may take is the caller's business, who hangs up.
        let Ok(first) = receiver.next(None) else { return };
        // The other end hears nothing before it has answered: a shell there might read it.
        let sending = Arc::clone(self);
        if start("autod-ssh-out", move || sending.send()).is_err() {
            return;
        }
        let _ = answer.send(());
        let delivered = match first {
            Found::Payload(bytes) => (&self.far).write_all(&bytes),
            Found::Alive => Ok(()),
            Found::End => return,
        };
        let over = delivered.and_then(|()| receiver.deliver(&self.far, self.keep_alive));
        if over.is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
            // Before the connection hears of it: a program that ends then leaves no `ssh` to a dead
            // link.
            self.signal(Signal::TERM);
        }
    }

    /// Moves what the connection says to the other end, and sees to it that `ssh` ends after it.
    fn send(&self) {
        let sender = Sender { mark: self.mark, to: self.wire.as_fd() };
        // An error is `ssh` gone, as the other direction finds out.
        let _ = sender.forward(&self.far, self.keep_alive);
        let _ = self.wire.shutdown(Shutdown::Write);
        if self.wait(GRACE).is_none() {
            self.signal(Signal::TERM);
        }
    }

    /// Keeps the last of what `ssh` says.
    fn listen(&self) {
        let mut chunk = [0; WORDS];
        while let Ok(count @ 1..) = (&self.words).read(&mut chunk) {
            let mut said = locked(&self.said);
            said.extend_from_slice(&chunk[..count]);
            let surplus = said.len().saturating_sub(WORDS);
            said.drain(..surplus);
        }
    }

    /// Ends what is left, and tells how `ssh` has ended.
    fn finish(&self, listening: Option<JoinHandle<()>>) -> Ended {
        let _ = self.far.shutdown(Shutdown::Both);
        let _ = self.wire.shutdown(Shutdown::Both);
        let mut status = self.wait(GRACE);
        for signal in [Signal::TERM, Signal::KILL] {
            if status.is_none() {
                self.signal(signal);
                status = self.wait(GRACE);
            }
        }
        // What it said last is there, and is still read. A shared connection that it leaves behind
        // would keep this open.
        let _ = self.words.shutdown(Shutdown::Both);
        if let Some(listening) = listening {
            // It reads and keeps, nothing that could panic.
            let _ = listening.join();
        }
        let said = locked(&self.said);
        Ended { status, said: String::from_utf8_lossy(&said).into_owned() }
    }

    /// Waits for the end of `ssh`.
    fn wait(&self, limit: Duration) -> Option<ExitStatus> {
        let until = Instant::now() + limit;
        loop {
            // One that cannot be waited for is not there.
            let status = locked(&self.child).try_wait().ok().flatten();
            if status.is_some() || Instant::now() >= until {
                return status;
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Sends a signal, if it is still the process that we have started.
    fn signal(&self, signal: Signal) {
        let mut child = locked(&self.child);
        if let Ok(None) = child.try_wait() {
            let _ = kill_process(Pid::from_child(&child), signal);
        }
    }

    fn hang_up(&self) {
        let _ = self.wire.shutdown(Shutdown::Both);
        let _ = self.far.shutdown(Shutdown::Both);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
