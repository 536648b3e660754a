//! Two ends that share a processor and do not know it: to look for the other one there keeps it from
//! running.

use std::io;
use std::os::unix::net::UnixStream as Socket;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

use super::{ECHO, HOLDS, ROOMY, Traces, dispatcher, nowhere};
use crate::mux::dispatch::{Dispatch, NoService};
use crate::mux::driver::Driver;
use crate::mux::shared::Shared;
use crate::mux::state::Side;
use crate::mux::transport::{Room, Transport};
use crate::mux::watch::Looking;
use crate::mux::{Call, Connection, Upstream, call};

const CALLS: usize = 4_000;

/// Counts how often looking did not find what it looked for at once.
struct Counted {
    socket: UnixStream,
    count: Arc<AtomicUsize>,
    /// Nothing was found since the last write.
    vain: AtomicUsize,
}

impl Counted {
    fn new(socket: Socket, count: &Arc<AtomicUsize>) -> Self {
        socket.set_nonblocking(true).unwrap();
        let socket = UnixStream::from_std(socket).unwrap();
        Self { socket, count: Arc::clone(count), vain: AtomicUsize::new(0) }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.vain.store(0, Relaxed);
        Pin::new(&mut self.socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

impl Transport for Counted {
    fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.socket.read_now(buffer);
        let is_vain = read.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        if is_vain && self.vain.swap(1, Relaxed) == 0 {
            self.count.fetch_add(1, Relaxed);
        }
        read
    }

    fn make_room(&self, room: Room) {
        self.socket.make_room(room);
    }
}

/// Keeps this thread on one processor.
fn confine() {
    let all = sched_getaffinity(None).unwrap();
    let first = (0..CpuSet::MAX_CPU).find(|cpu| all.is_set(*cpu)).unwrap();
    let mut only = CpuSet::new();
    only.set(first);
    sched_setaffinity(None, &only).unwrap();
}

/// Drives one end in a runtime of this thread while `work` runs.
fn drive<D: Dispatch>(
    socket: Socket,
    shared: Arc<Shared>,
    dispatch: D,
    work: impl Future<Output = ()>,
) -> usize {
    // It has counted the processors before it knows of only one.
    drop(Looking::begin());
    confine();
    let count = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    runtime.block_on(async {
        let transport = Counted::new(socket, &count);
        let driver = Driver::new(transport, shared, dispatch, Vec::new());
        let driver = tokio::spawn(driver.looking(Duration::from_micros(50), true).run());
        work.await;
        driver.await.unwrap();
    });
    count.load(Relaxed)
}

#[test]
fn ends_that_share_a_processor_give_looking_up() {
    let (near, far) = Socket::pair().unwrap();
    let server = thread::spawn(move || {
        let shared = Shared::new(Side::Acceptor, ROOMY, ROOMY, HOLDS);
        let dispatch = dispatcher(&Arc::new(Semaphore::new(0)), &Arc::<Traces>::default());
        drive(far, shared, dispatch, async {})
    });
    let client = thread::spawn(move || {
        let shared = Shared::new(Side::Connector, ROOMY, ROOMY, HOLDS);
        let connection = Connection::new(Arc::clone(&shared), nowhere());
        drive(near, shared, NoService, async move {
            for _ in 0..CALLS {
                let answer: Call<Vec<u8>> = call(&connection, &ECHO, (vec![7_u8],), Upstream::NONE);
                assert_eq!(answer.await.unwrap(), [7]);
            }
        })
    });
    for end in [client, server] {
        let vain = end.join().unwrap();
        assert!(vain * 100 <= CALLS, "{vain} of {CALLS} calls were looked for in vain");
    }
}
