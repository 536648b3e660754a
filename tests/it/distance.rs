//! A service at the other end of a long line: round trips are counted, and one stream fills it.
//!
//! The line is simulated in virtual time: 20 ms in each direction, 100 Mbit/s.

use std::time::Duration;

use autod::{ByteStream, Daemon, Limits, Voucher};
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::time::{Instant, sleep_until};

/// One way.
const DELAY: Duration = Duration::from_millis(20);
const ROUND_TRIP: Duration = Duration::from_millis(40);
/// Bytes in a second.
const RATE: u32 = 12_500_000;

#[autod::service]
trait Far {
    async fn echo(&self, n: u64) -> u64;
    fn load(&self, items: usize, length: usize) -> impl Stream<Item = Vec<u8>>;
    async fn store(&self, bytes: ByteStream) -> u64;
}

struct There;

impl Far for There {
    async fn echo(&self, n: u64) -> u64 {
        n
    }

    fn load(&self, items: usize, length: usize) -> impl Stream<Item = Vec<u8>> {
        futures::stream::iter((0..items).map(move |_| vec![7; length]))
    }

    async fn store(&self, mut bytes: ByteStream) -> u64 {
        let mut buffer = vec![0; 64 << 10];
        let mut stored = 0;
        while let Ok(length @ 1..) = bytes.read(&mut buffer).await {
            stored += length as u64;
        }
        stored
    }
}

/// The near end of a line to the service.
async fn line(limits: Limits) -> DuplexStream {
    let hosted =
        Daemon::new("far").limits(limits).serve(|_, _| There).host::<FarClient>().await.unwrap();
    let (near, middle) = tokio::io::duplex(64 << 10);
    let (other_middle, far) = tokio::io::duplex(64 << 10);
    tokio::spawn(async move { hosted.serve_over(far, Voucher::Nobody).await });
    let (near_in, near_out) = tokio::io::split(middle);
    let (far_in, far_out) = tokio::io::split(other_middle);
    tokio::spawn(carry(near_in, far_out));
    tokio::spawn(carry(far_in, near_out));
    near
}

/// Takes bytes at the rate of the line, and gives each piece after the delay.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut free = Instant::now();
        let mut piece = vec![0; 16 << 10];
        while let Ok(length @ 1..) = from.read(&mut piece).await {
            let takes = Duration::from_secs(1) * u32::try_from(length).unwrap() / RATE;
            free = free.max(Instant::now()) + takes;
            let _ = sender.send((free + DELAY, piece[..length].to_vec()));
            // The clock goes by milliseconds.
            sleep_until(free.checked_sub(Duration::from_millis(2)).unwrap_or(free)).await;
        }
    };
    let write = async move {
        while let Some((due, piece)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&piece).await.is_err() {
                break;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(read, write);
}

async fn connect(limits: Limits) -> FarClient {
    Daemon::new("far").limits(limits.clone()).connect_over(line(limits).await).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_call_costs_two_round_trips_and_others_together_one() {
    let line = line(Limits::default()).await;
    let begun = Instant::now();
    let far: FarClient = Daemon::new("far").connect_over(line).await.unwrap();
    assert_eq!(far.echo(1).await.unwrap(), 1);
    let took = begun.elapsed();
    assert!(took < ROUND_TRIP * 9 / 4, "the first call took {took:?}");

    let begun = Instant::now();
    let calls: FuturesUnordered<_> = (0..200).map(|n| far.echo(n)).collect();
    assert_eq!(calls.map(Result::unwrap).count().await, 200);
    let took = begun.elapsed();
    assert!(took < ROUND_TRIP * 5 / 4, "200 calls took {took:?}");
}

/// How much of the line this used, in hundredths.
fn share(bytes: usize, took: Duration) -> u32 {
    let whole = Duration::from_secs(1) * u32::try_from(bytes).unwrap() / RATE;
    u32::try_from((whole * 100).as_micros() / took.as_micros()).unwrap()
}

const ITEMS: usize = 800;
/// While the window grows.
const WARM_UP: usize = 300;
const ITEM: usize = 16 << 10;

async fn share_of_a_stream(limits: Limits) -> u32 {
    let far = connect(limits).await;
    let mut items = far.load(WARM_UP + ITEMS, ITEM);
    for _ in 0..WARM_UP {
        items.next().await.unwrap().unwrap();
    }
    let begun = Instant::now();
    assert_eq!(items.map(Result::unwrap).count().await, ITEMS);
    share(ITEMS * ITEM, begun.elapsed())
}

#[tokio::test(start_paused = true)]
async fn one_stream_fills_the_line() {
    let share = share_of_a_stream(Limits::default()).await;
    assert!((90..=101).contains(&share), "{share} %");
}

#[tokio::test(start_paused = true)]
async fn a_window_that_is_chosen_counts() {
    let mut limits = Limits::default();
    limits.window = 128 << 10;
    let share = share_of_a_stream(limits).await;
    assert!(share < 50, "{share} % of the line are more than the window allows");
}

#[tokio::test(start_paused = true)]
async fn bytes_fill_the_line_upwards() {
    let far = connect(Limits::default()).await;
    let mut pipe = far.store();
    let bytes = vec![7; ITEM];
    for _ in 0..WARM_UP {
        pipe.write_all(&bytes).await.unwrap();
    }
    let begun = Instant::now();
    for _ in 0..ITEMS {
        pipe.write_all(&bytes).await.unwrap();
    }
    pipe.shutdown().await.unwrap();
    assert_eq!(pipe.finish().await.unwrap(), ((WARM_UP + ITEMS) * ITEM) as u64);
    // Less the way there and back of the last word. What was on its way before counts as well.
    let share = share(ITEMS * ITEM, begun.elapsed().checked_sub(ROUND_TRIP).unwrap());
    assert!(share >= 90, "{share} %");
}
