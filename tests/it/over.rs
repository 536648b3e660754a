//! Connections over streams that the program opens and accepts itself.

use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use autod::{Daemon, Session, Voucher};
// The facade has them with the feature `remote`.
use autod_core::{Hosted, Readiness, readiness};
use futures::task::AtomicWaker;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufWriter, DuplexStream, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

#[autod::service]
trait Desk {
    /// Who vouches for the caller.
    async fn voucher(&self) -> String;
    /// Answers when it is let go.
    async fn wait(&self) -> u64;
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    fn count(&self, up_to: u64) -> impl Stream<Item = u64>;
    async fn close(&self);
}

struct Clerk {
    session: Session,
    gate: Arc<Semaphore>,
}

impl Desk for Clerk {
    async fn voucher(&self) -> String {
        format!("{:?} {:?}", self.session.voucher(), self.session.peer())
    }

    async fn wait(&self) -> u64 {
        self.gate.add_permits(1);
        self.gate.acquire_many(2).await.unwrap().forget();
        7
    }

    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    fn count(&self, up_to: u64) -> impl Stream<Item = u64> {
        futures::stream::iter(0..up_to)
    }

    async fn close(&self) {
        self.session.daemon().close();
    }
}

/// A clerk, and the gate at which its callers wait: the clerk gives one permit when somebody has
/// come, and takes two to let him go.
async fn hosted() -> (Hosted, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let state = Arc::clone(&gate);
    let hosted = Daemon::new("desk")
        .init(async move |_| Ok(state))
        .serve(|gate, session| Clerk { session, gate: Arc::clone(&gate) })
        .drain_limit(Duration::from_secs(20))
        .host::<DeskClient>()
        .await
        .unwrap();
    (hosted, gate)
}

fn joined(hosted: &Hosted, voucher: Voucher, on_the_way: usize) -> DuplexStream {
    let (near, far) = tokio::io::duplex(on_the_way);
    let hosted = hosted.clone();
    tokio::spawn(async move { hosted.serve_over(far, voucher).await });
    near
}

async fn connect(stream: DuplexStream) -> autod::Result<DeskClient> {
    Daemon::new("desk").connect_over(stream).await
}

#[tokio::test]
async fn calls_and_streams_go_over_the_narrowest_stream() {
    let (hosted, _) = hosted().await;
    let desk = connect(joined(&hosted, Voucher::Nobody, 1)).await.unwrap();
    let bytes: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert_eq!(desk.echo(bytes.clone()).await.unwrap(), bytes);
    let items: Vec<u64> = desk.count(1000).map(Result::unwrap).collect().await;
    assert_eq!(items, (0..1000).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_service_is_told_who_vouches() {
    let (hosted, _) = hosted().await;
    let voucher = Voucher::Certificate { subject: "CN=builder".to_owned() };
    let desk = connect(joined(&hosted, voucher, 4096)).await.unwrap();
    let said = desk.voucher().await.unwrap();
    assert_eq!(said, "Certificate { subject: \"CN=builder\" } None");
}

#[tokio::test]
async fn what_a_transport_keeps_back_is_flushed() {
    let (hosted, _) = hosted().await;
    let (near, far) = tokio::io::duplex(512);
    let (far_in, far_out) = tokio::io::split(far);
    // Larger than all that is sent: nothing leaves it by itself.
    let far = tokio::io::join(far_in, BufWriter::with_capacity(1 << 20, far_out));
    tokio::spawn(async move { hosted.serve_over(far, Voucher::Nobody).await });
    let (near_in, near_out) = tokio::io::split(near);
    let near = tokio::io::join(near_in, BufWriter::with_capacity(1 << 20, near_out));
    let desk: DeskClient = Daemon::new("desk").connect_over(near).await.unwrap();
    for size in [0, 1, 4000, 300_000] {
        assert_eq!(desk.echo(vec![9; size]).await.unwrap().len(), size);
    }
}

#[tokio::test]
async fn a_drain_answers_what_runs_and_turns_newcomers_away() {
    let (hosted, gate) = hosted().await;
    let desk = connect(joined(&hosted, Voucher::Nobody, 4096)).await.unwrap();
    let waiting = tokio::spawn(desk.wait());
    gate.acquire().await.unwrap().forget();
    let draining = tokio::spawn({
        let hosted = hosted.clone();
        async move { hosted.drain().await }
    });
    hosted.close_requested().await;
    let refused = connect(joined(&hosted, Voucher::Nobody, 4096)).await.unwrap_err();
    assert!(refused.is_closing(), "{refused:?}");
    assert!(!refused.may_have_executed());
    gate.add_permits(2);
    assert_eq!(waiting.await.unwrap().unwrap(), 7);
    assert!(draining.await.unwrap(), "not all ended");
    let late = desk.voucher().await.unwrap_err();
    assert!(!late.may_have_executed(), "{late:?}");
}

#[tokio::test]
async fn a_service_can_ask_to_be_drained() {
    let (hosted, _) = hosted().await;
    let desk = connect(joined(&hosted, Voucher::Nobody, 4096)).await.unwrap();
    desk.close().await.unwrap();
    hosted.close_requested().await;
    assert!(hosted.drain().await);
}

/// The hello of an order to close, as PROTOCOL.md has it.
#[tokio::test]
async fn orders_are_not_obeyed() {
    use tokio::io::AsyncReadExt as _;
    let (hosted, _) = hosted().await;
    let mut stream = joined(&hosted, Voucher::Nobody, 4096);
    let field = |tag: u8, value: &[u8]| {
        let mut field = vec![tag];
        field.extend_from_slice(&u32::try_from(value.len()).unwrap().to_le_bytes());
        field.extend_from_slice(value);
        field
    };
    let fields = [
        field(1, &[2]),
        field(2, b"Desk"),
        field(3, &[0; 8]),
        field(5, b"bincode2"),
        field(6, &[0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0]),
    ]
    .concat();
    let mut hello = b"AUTOD\x01\x01\x00".to_vec();
    hello.extend_from_slice(&u32::try_from(fields.len()).unwrap().to_le_bytes());
    hello.extend_from_slice(&fields);
    stream.write_all(&hello).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[6], 5, "not a Reject: {answer:?}");
    let text = String::from_utf8_lossy(&answer);
    assert!(text.contains("takes orders and questions on its own socket only"), "{text}");
    connect(joined(&hosted, Voucher::Nobody, 4096)).await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_and_who_hangs_up_are_told_apart() {
    let (near, far) = tokio::io::duplex(64);
    drop(far);
    let lost = connect(near).await.unwrap_err();
    assert!(lost.is_lost() && !lost.may_have_executed(), "{lost:?}");
    let (near, _far) = tokio::io::duplex(64);
    let silent = Daemon::new("desk")
        .silence_timeout(Duration::from_millis(50))
        .connect_over::<DeskClient, _>(near)
        .await
        .unwrap_err();
    assert!(silent.is_timeout() && !silent.may_have_executed(), "{silent:?}");
}

/// A TCP stream that says how much was written to it and whether it was shut down, and that can
/// stop to hear.
struct Line {
    io: TcpStream,
    written: watch::Sender<usize>,
    shut: watch::Sender<bool>,
    deaf: Arc<AtomicBool>,
    reader: Arc<AtomicWaker>,
}

/// A look at a line from outside.
struct Look {
    written: watch::Receiver<usize>,
    shut: watch::Receiver<bool>,
    deaf: Arc<AtomicBool>,
    reader: Arc<AtomicWaker>,
}

impl Line {
    fn new(io: TcpStream) -> (Self, Look) {
        let (written, looks_written) = watch::channel(0);
        let (shut, looks_shut) = watch::channel(false);
        let (deaf, reader) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicWaker::new()));
        let look = Look {
            written: looks_written,
            shut: looks_shut,
            deaf: Arc::clone(&deaf),
            reader: Arc::clone(&reader),
        };
        (Self { io, written, shut, deaf, reader }, look)
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reader.register(context.waker());
        if self.deaf.load(Ordering::SeqCst) {
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let length = ready!(Pin::new(&mut self.io).poll_write(context, bytes))?;
        self.written.send_modify(|written| *written += length);
        Poll::Ready(Ok(length))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut.send_replace(true);
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// The kernel throws away what it has not sent yet of a stream that is closed before all was read.
/// Here that is most of an answer, and a call comes behind the last word.
#[tokio::test]
async fn an_answer_on_its_way_survives_the_end_of_the_service() {
    const ANSWER: usize = 150_000;
    let (hosted, _) = hosted().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(600_000).unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listener = socket.listen(1).unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let near = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    let (far, mut at_far) = Line::new(listener.accept().await.unwrap().0);
    let (near, mut at_near) = Line::new(near);
    let serving = tokio::spawn({
        let hosted = hosted.clone();
        async move { hosted.serve_over(far, Voucher::Nobody).await }
    });
    let desk: DeskClient = Daemon::new("desk").connect_over(near).await.unwrap();

    at_near.deaf.store(true, Ordering::SeqCst);
    let answer = tokio::spawn(desk.echo(vec![7; ANSWER]));
    at_far.written.wait_for(|written| *written >= ANSWER).await.unwrap();
    let draining = tokio::spawn(async move { hosted.drain().await });
    at_far.shut.wait_for(|shut| *shut).await.unwrap();
    let before = *at_near.written.borrow();
    let late = tokio::spawn(desk.wait());
    at_near.written.wait_for(|written| *written > before).await.unwrap();
    at_near.deaf.store(false, Ordering::SeqCst);
    at_near.reader.wake();

    assert_eq!(answer.await.unwrap().unwrap().len(), ANSWER);
    let refused = late.await.unwrap().unwrap_err();
    assert!(refused.is_retry_safe(), "{refused:?}");
    assert!(draining.await.unwrap());
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn readiness_is_asked_without_a_session() {
    let (hosted, gate) = hosted().await;
    let ask = async || readiness(joined(&hosted, Voucher::Nobody, 4096)).await.unwrap();
    assert_eq!(ask().await, Readiness::Ready);
    assert_eq!(hosted.daemon().status().connections, 0);
    let desk = connect(joined(&hosted, Voucher::Nobody, 4096)).await.unwrap();
    let waiting = tokio::spawn(desk.wait());
    gate.acquire().await.unwrap().forget();
    desk.close().await.unwrap();
    assert_eq!(ask().await, Readiness::Closing);
    gate.add_permits(2);
    waiting.await.unwrap().unwrap();

    let (near, far) = tokio::io::duplex(64);
    drop(far);
    assert!(readiness(near).await.unwrap_err().is_lost());
}
