//! Connections over streams that the program opens and accepts itself.

use std::sync::Arc;
use std::time::Duration;

use autod::{Daemon, Session, Voucher};
// The facade has it with the feature `remote`.
use autod_core::Hosted;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncWriteExt as _, BufWriter, DuplexStream};
use tokio::sync::Semaphore;

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
