//! Listening where the environment says, and answering.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

#[derive(Clone)]
pub(crate) enum Answer {
    Echo,
    /// These words and its pid, then what it hears.
    Greet(String),
    Http,
    /// So many bytes, whatever it hears.
    Flood(usize),
}

pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

trait Both: Read + Write + Send {}
impl<T: Read + Write + Send> Both for T {}

pub(crate) fn listeners() -> Vec<Listener> {
    if let Ok(count) = std::env::var("LISTEN_FDS") {
        assert_eq!(std::env::var("LISTEN_PID").expect("a pid"), std::process::id().to_string());
        let count: i32 = count.parse().expect("a number");
        return (3..3 + count).map(inherited).collect();
    }
    let mut listeners = Vec::new();
    for (name, value) in std::env::vars() {
        if name.starts_with("PORT_") {
            let port: u16 = value.parse().expect("a port");
            listeners
                .push(Listener::Tcp(TcpListener::bind(("127.0.0.1", port)).expect("a free port")));
        } else if name.starts_with("SOCKET_") {
            listeners.push(Listener::Unix(UnixListener::bind(value).expect("a free path")));
        }
    }
    listeners
}

#[expect(unsafe_code, reason = "std has no other way to take a descriptor by its number")]
fn inherited(number: i32) -> Listener {
    // SAFETY: the protocol says that it is ours, and it is taken once.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    match rustix::net::getsockname(&socket).expect("a socket").address_family() {
        rustix::net::AddressFamily::UNIX => Listener::Unix(socket.into()),
        _ => Listener::Tcp(socket.into()),
    }
}

impl Listener {
    fn accept(&self) -> Box<dyn Both> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _): (TcpStream, _) = listener.accept().expect("a client");
                let _ = stream.set_nodelay(true);
                Box::new(stream)
            }
            Self::Unix(listener) => {
                let (stream, _): (UnixStream, _) = listener.accept().expect("a client");
                Box::new(stream)
            }
        }
    }

    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        use std::os::fd::AsFd as _;
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener) => listener.as_fd(),
        }
    }
}

fn small(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(128 << 10).spawn(work).expect("a thread");
}

pub(crate) fn forever(listener: Listener, answer: Answer) {
    small(move || {
        loop {
            let stream = listener.accept();
            let answer = answer.clone();
            small(move || {
                let _ = reply(stream, &answer);
            });
        }
    });
}

/// A client that breaks off ends its thread.
fn reply(mut stream: Box<dyn Both>, answer: &Answer) -> std::io::Result<()> {
    let mut buffer = [0; 16 << 10];
    match answer {
        Answer::Echo => {}
        Answer::Greet(words) => {
            let line = format!("{words} {}\n", std::process::id());
            stream.write_all(line.as_bytes())?;
        }
        Answer::Http => {
            let length = stream.read(&mut buffer)?;
            let request = String::from_utf8_lossy(&buffer[..length]);
            let status =
                if request.starts_with("GET /health ") { "200 OK" } else { "404 Not Found" };
            return write!(stream, "HTTP/1.0 {status}\r\nContent-Length: 3\r\n\r\nhi\n");
        }
        Answer::Flood(bytes) => {
            for _ in 0..bytes / buffer.len() {
                stream.write_all(&buffer)?;
            }
            return Ok(());
        }
    }
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            length => stream.write_all(&buffer[..length])?,
        }
    }
}

/// Serves as an app in fd mode does that decides itself when to go: it does not accept any more once
/// it has decided, and answers those that it has accepted.
pub(crate) fn until_idle(listeners: &[Listener], idle: Duration, shutdown: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let open = Arc::new(AtomicUsize::new(0));
    let (ended, end) = mpsc::channel::<()>();
    for listener in listeners {
        rustix::io::ioctl_fionbio(listener.fd(), true).expect("a socket");
    }
    super::say("READY=1");
    let mut since = Instant::now();
    loop {
        let mut polled: Vec<PollFd<'_>> = listeners
            .iter()
            .map(|listener| PollFd::from_borrowed_fd(listener.fd(), PollFlags::IN))
            .collect();
        let wait = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        if poll(&mut polled, Some(&wait)).expect("poll") > 0 {
            for (listener, polled) in listeners.iter().zip(&polled) {
                if polled.revents().contains(PollFlags::IN) {
                    let stream = listener.accept();
                    rustix::io::ioctl_fionbio(listener.fd(), true).expect("a socket");
                    open.fetch_add(1, Ordering::SeqCst);
                    let (open, ended) = (Arc::clone(&open), ended.clone());
                    small(move || {
                        let _ = reply(stream, &Answer::Echo);
                        open.fetch_sub(1, Ordering::SeqCst);
                        drop(ended);
                    });
                }
            }
        }
        if open.load(Ordering::SeqCst) > 0 {
            since = Instant::now();
        }
        if since.elapsed() >= idle {
            break;
        }
    }
    super::say("STOPPING=1");
    drop(ended);
    let _ = end.recv();
    std::thread::sleep(shutdown);
}
