//! The references without a runtime: blocking sockets, a thread for each connection, and several
//! calls in flight by writing a window of them at once.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::raw::{self, CHUNKS, ECHO, HEADER, ITEMS, NEXT, SMALL};
use super::{Held, Kind};
use crate::Result;
use crate::load::Flow;
use crate::peer::everything;
use crate::probe::{Outcome, Probe};
use crate::server::{Server, say_ready};
use crate::workload::{CHUNK, Load};

pub(crate) const BLOCKING: Kind = Kind {
    name: "raw-blocking",
    text: "std sockets, framed by hand, windowed",
    is_peer: false,
    can: everything,
    serve: |socket| serve(socket, Waiting::Asleep),
    run: |probe| run(probe, Waiting::Asleep),
    idle,
};

pub(crate) const SPIN: Kind = Kind {
    name: "raw-spin",
    text: "the same, looks for an answer for 50 us before it sleeps",
    is_peer: false,
    can: |load| load == Load::Lone,
    serve: |socket| serve(socket, Waiting::Awake),
    run: |probe| run(probe, Waiting::Awake),
    idle,
};

/// What a reader does while there is nothing to read.
#[derive(Clone, Copy, Debug)]
enum Waiting {
    Asleep,
    /// It looks again and again, for [`PATIENCE`].
    Awake,
}

const PATIENCE: Duration = Duration::from_micros(50);

/// What a read can take, but for longer frames.
const BUFFER: usize = 256 << 10;

impl Waiting {
    fn read(self, socket: &mut UnixStream, bytes: &mut [u8]) -> Result<usize> {
        if let Self::Awake = self {
            let limit = Instant::now() + PATIENCE;
            while Instant::now() < limit {
                match recv(&*socket, &mut *bytes, RecvFlags::DONTWAIT) {
                    Ok((_, count)) => return Ok(count),
                    Err(Errno::AGAIN) => std::hint::spin_loop(),
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(socket.read(bytes)?)
    }

    fn read_exact(self, socket: &mut UnixStream, mut bytes: &mut [u8]) -> Result<()> {
        while !bytes.is_empty() {
            match self.read(socket, bytes)? {
                0 => return Err("the server closed the connection".into()),
                count => bytes = &mut bytes[count..],
            }
        }
        Ok(())
    }
}

fn serve(socket: &Path, waiting: Waiting) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    say_ready();
    loop {
        let (socket, _) = listener.accept()?;
        // An idle connection should not cost the stack of a main thread.
        let thread = std::thread::Builder::new().stack_size(64 << 10);
        thread.spawn(move || {
            // A client that goes in the middle of a stream is no news.
            let _ = serve_connection(socket, waiting);
        })?;
    }
}

fn serve_connection(mut socket: UnixStream, waiting: Waiting) -> Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut length = 0;
    loop {
        let count = waiting.read(&mut socket, &mut buffer[length..])?;
        if count == 0 {
            return Ok(());
        }
        length += count;
        let (used, stream) = raw::answer(&mut buffer[..length]);
        match stream {
            Some(ITEMS) => return serve_items(socket),
            Some(CHUNKS) => return serve_chunks(socket),
            _ => socket.write_all(&buffer[..used])?,
        }
        buffer.copy_within(used..length, 0);
        length -= used;
        if let Some(frame) = raw::frame_length(&buffer[..length])
            && frame > buffer.len()
        {
            buffer.resize(frame, 0);
        }
    }
}

fn serve_items(mut socket: UnixStream) -> Result<()> {
    let mut bytes = Vec::with_capacity(CHUNK);
    let mut next: u64 = 0;
    loop {
        while bytes.len() < CHUNK {
            bytes.extend_from_slice(&next.to_le_bytes());
            next += 1;
        }
        socket.write_all(&bytes)?;
        bytes.clear();
    }
}

fn serve_chunks(mut socket: UnixStream) -> Result<()> {
    let mut frame = raw::header(CHUNKS, CHUNK).to_vec();
    frame.resize(HEADER + CHUNK, 7);
    loop {
        socket.write_all(&frame)?;
    }
}

fn run(probe: &Probe<'_>, waiting: Waiting) -> Result<Outcome> {
    let socket = UnixStream::connect(probe.server.socket())?;
    match probe.load {
        Load::Lone => lone(probe, socket, waiting),
        Load::Callers(count) => callers(probe, socket, count),
        Load::Connections(count) => connections(probe, count),
        Load::Echo { size, callers: 1 } => echo(probe, socket, size),
        Load::Echo { size, callers } => echo_windowed(probe, &socket, size, callers),
        Load::Items => items(probe, socket),
        Load::Chunks => chunks(probe, socket),
    }
}

fn call(socket: &mut UnixStream, waiting: Waiting, n: u64) -> Result<()> {
    let mut frame = [0; SMALL];
    frame[..HEADER].copy_from_slice(&raw::header(NEXT, 8));
    frame[HEADER..].copy_from_slice(&n.to_le_bytes());
    socket.write_all(&frame)?;
    waiting.read_exact(socket, &mut frame)?;
    if raw::number(&frame) == Some(n + 1) { Ok(()) } else { Err("the wrong number".into()) }
}

fn lone(probe: &Probe<'_>, mut socket: UnixStream, waiting: Waiting) -> Result<Outcome> {
    probe.settle()?;
    for n in 0..200 {
        call(&mut socket, waiting, n)?;
    }
    probe.latencies(|n| call(&mut socket, waiting, n))
}

fn callers(probe: &Probe<'_>, mut socket: UnixStream, count: usize) -> Result<Outcome> {
    let mut bytes = Vec::new();
    let mut window = |n: u64| -> Result<()> {
        bytes.clear();
        for _ in 0..count {
            raw::put_next(&mut bytes, n);
        }
        socket.write_all(&bytes)?;
        socket.read_exact(&mut bytes)?;
        let right = |frame| raw::number(frame) == Some(n + 1);
        if bytes.chunks(SMALL).all(right) { Ok(()) } else { Err("the wrong number".into()) }
    };
    for n in 0..20 {
        window(n)?;
    }
    let running = probe.start()?;
    let mut n = 0;
    while !running.is_over() {
        window(n)?;
        n += 1;
    }
    running.finish(n * count as u64)
}

/// A thread for each connection at this end too.
fn connections(probe: &Probe<'_>, count: usize) -> Result<Outcome> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = UnixStream::connect(probe.server.socket())?;
        call(&mut socket, Waiting::Asleep, 0)?;
        sockets.push(socket);
    }
    let stop = &AtomicBool::new(false);
    let running = probe.start()?;
    let calls = std::thread::scope(|scope| {
        let threads: Vec<_> = sockets
            .iter_mut()
            .map(|socket| {
                scope.spawn(move || {
                    let mut n = 0;
                    while !stop.load(Ordering::Relaxed) {
                        call(socket, Waiting::Asleep, n)?;
                        n += 1;
                    }
                    Result::Ok(n)
                })
            })
            .collect();
        std::thread::sleep(probe.time);
        stop.store(true, Ordering::Relaxed);
        let calls = threads.into_iter().map(|thread| thread.join().map_err(|_| "a panic")?);
        calls.sum::<Result<u64>>()
    });
    running.finish(calls?)
}

fn echo(probe: &Probe<'_>, mut socket: UnixStream, size: usize) -> Result<Outcome> {
    let mut frame = echo_frame(size);
    let mut call = || -> Result<()> {
        socket.write_all(&frame)?;
        Ok(socket.read_exact(&mut frame)?)
    };
    for _ in 0..10 {
        call()?;
    }
    let running = probe.start()?;
    let mut count = 0;
    while !running.is_over() {
        call()?;
        count += 1;
    }
    running.finish(count)
}

/// One thread writes while no more than the window is on its way, another reads.
fn echo_windowed(
    probe: &Probe<'_>,
    socket: &UnixStream,
    size: usize,
    window: usize,
) -> Result<Outcome> {
    let frame = echo_frame(size);
    let mut answer = frame.clone();
    let (mut reader, mut writer) = (socket.try_clone()?, socket.try_clone()?);
    std::thread::scope(|scope| {
        let (permit, permits) = sync_channel(window);
        scope.spawn(move || -> std::io::Result<()> {
            for () in permits {
                writer.write_all(&frame)?;
            }
            Ok(())
        });
        for _ in 0..window {
            permit.send(())?;
        }
        let mut call = || -> Result<()> {
            reader.read_exact(&mut answer)?;
            Ok(permit.send(())?)
        };
        for _ in 0..20 {
            call()?;
        }
        let running = probe.start()?;
        let mut count = 0;
        while !running.is_over() {
            call()?;
            count += 1;
        }
        let outcome = running.finish(count);
        drop(permit);
        // What is on its way must be read, or the writer would wait for ever.
        for _ in 0..window {
            reader.read_exact(&mut answer)?;
        }
        outcome
    })
}

fn echo_frame(size: usize) -> Vec<u8> {
    let mut frame = raw::header(ECHO, size).to_vec();
    frame.resize(HEADER + size, 7);
    frame
}

fn items(probe: &Probe<'_>, mut socket: UnixStream) -> Result<Outcome> {
    socket.write_all(&raw::header(ITEMS, 0))?;
    let mut flow = Flow::new(probe, 1 << 14, 1 << 10);
    let mut bytes = vec![0; BUFFER];
    let mut length = 0;
    loop {
        match socket.read(&mut bytes[length..]) {
            Ok(0) => return flow.finish(),
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        let (items, _) = bytes[..length].as_chunks();
        for item in items {
            if !flow.take(u64::from_le_bytes(*item) == flow.count) {
                return flow.finish();
            }
        }
        let used = length - length % 8;
        bytes.copy_within(used..length, 0);
        length -= used;
    }
}

fn chunks(probe: &Probe<'_>, mut socket: UnixStream) -> Result<Outcome> {
    socket.write_all(&raw::header(CHUNKS, 0))?;
    let mut flow = Flow::new(probe, 200, 1);
    let mut frame = vec![0; HEADER + CHUNK];
    loop {
        socket.read_exact(&mut frame)?;
        if !flow.take(raw::frame_length(&frame) == Some(frame.len())) {
            return flow.finish();
        }
    }
}

fn idle(server: &Server, count: usize, held: &mut Held<'_>) -> Result<()> {
    let mut sockets = Vec::new();
    for _ in 0..count {
        let mut socket = UnixStream::connect(server.socket())?;
        call(&mut socket, Waiting::Asleep, 0)?;
        sockets.push(socket);
    }
    held()
}
