//! A call that goes wrong is an error of that call, soon, while others are under way on the same
//! connection and go on as if nothing had been.

use std::sync::Arc;
use std::time::{Duration, Instant};

use autod::ByteStream;
use futures::{Stream, StreamExt, stream};
use serde::{Deserialize, Deserializer, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::home::{Home, PATIENCE};

/// What the ends receive, but for what stands around it.
const MESSAGE: u32 = 64 << 10;

/// A number that may be said, and cannot be understood if it is odd.
#[derive(Debug, Serialize)]
struct Even(u64);

impl<'de> Deserialize<'de> for Even {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u64::deserialize(deserializer)? {
            n if n % 2 == 0 => Ok(Self(n)),
            n => Err(serde::de::Error::custom(format!("{n} is odd"))),
        }
    }
}

#[autod::service]
trait Yard {
    async fn add(&self, a: u64, b: u64) -> u64;
    /// Waits until the gate is opened.
    async fn wait(&self, n: u64) -> u64;
    async fn open(&self);
    async fn panic(&self);
    async fn panic_late(&self);
    fn panic_in_a_stream(&self) -> impl Stream<Item = u64>;
    async fn grow(&self, bytes: usize) -> Vec<u8>;
    async fn grow_late(&self, bytes: usize) -> Vec<u8>;
    async fn fail(&self, bytes: usize) -> Result<(), String>;
    fn grow_in_a_stream(&self, bytes: usize) -> impl Stream<Item = Vec<u8>>;
    async fn take(&self, bytes: Vec<u8>) -> usize;
    async fn halve(&self, n: Even) -> u64;
    async fn answer(&self, n: u64) -> Even;
    async fn halves(&self, numbers: impl Stream<Item = Even>) -> Vec<u64>;
    fn count(&self) -> impl Stream<Item = u64>;
    async fn upper(&self, bytes: ByteStream) -> u64;
}

/// A panic without its message on the terminal, which may take longer than all else.
fn unwind() -> ! {
    std::panic::resume_unwind(Box::new("it panicked"))
}

struct Object(tokio::sync::Semaphore);

impl Yard for Object {
    async fn add(&self, a: u64, b: u64) -> u64 {
        a + b
    }

    async fn wait(&self, n: u64) -> u64 {
        drop(self.0.acquire().await);
        n
    }

    async fn open(&self) {
        self.0.add_permits(1);
    }

    async fn panic(&self) {
        unwind()
    }

    async fn panic_late(&self) {
        tokio::task::yield_now().await;
        unwind()
    }

    fn panic_in_a_stream(&self) -> impl Stream<Item = u64> {
        stream::iter(0..3).map(|n| if n < 2 { n } else { unwind() })
    }

    async fn grow(&self, bytes: usize) -> Vec<u8> {
        vec![7; bytes]
    }

    async fn grow_late(&self, bytes: usize) -> Vec<u8> {
        tokio::task::yield_now().await;
        vec![7; bytes]
    }

    async fn fail(&self, bytes: usize) -> Result<(), String> {
        Err("e".repeat(bytes))
    }

    fn grow_in_a_stream(&self, bytes: usize) -> impl Stream<Item = Vec<u8>> {
        stream::iter([1, bytes]).map(|bytes| vec![7; bytes])
    }

    async fn take(&self, bytes: Vec<u8>) -> usize {
        bytes.len()
    }

    async fn halve(&self, n: Even) -> u64 {
        n.0 / 2
    }

    async fn answer(&self, n: u64) -> Even {
        Even(n)
    }

    async fn halves(&self, numbers: autod::Incoming<Even>) -> Vec<u64> {
        let understood = numbers.filter_map(async |n| n.ok()).map(|n| n.0 / 2);
        understood.collect().await
    }

    fn count(&self) -> impl Stream<Item = u64> {
        stream::iter(0..)
    }

    async fn upper(&self, mut bytes: ByteStream) -> u64 {
        let (mut buffer, mut total) = ([0; 1000], 0);
        while let Ok(length @ 1..) = bytes.read(&mut buffer).await {
            buffer[..length].make_ascii_uppercase();
            if bytes.write_all(&buffer[..length]).await.is_err() {
                break;
            }
            total += length as u64;
        }
        total
    }
}

#[derive(Clone, Copy, Debug)]
enum Harm {
    Panic,
    PanicLate,
    PanicInAStream,
    LongAnswer,
    LongAnswerLate,
    LongError,
    LongItem,
    LongArgument,
    WrongArgument,
    WrongAnswer,
    WrongItem,
}

impl Harm {
    const ALL: [Self; 11] = [
        Self::Panic,
        Self::PanicLate,
        Self::PanicInAStream,
        Self::LongAnswer,
        Self::LongAnswerLate,
        Self::LongError,
        Self::LongItem,
        Self::LongArgument,
        Self::WrongArgument,
        Self::WrongAnswer,
        Self::WrongItem,
    ];

    async fn happen(self, yard: &YardClient) {
        const LONG: usize = MESSAGE as usize + 1;
        match self {
            Self::Panic => assert!(yard.panic().await.unwrap_err().is_panic()),
            Self::PanicLate => assert!(yard.panic_late().await.unwrap_err().is_panic()),
            Self::PanicInAStream => {
                // Those that were packed and not sent yet are lost with it.
                let mut items = yard.panic_in_a_stream().enumerate();
                loop {
                    match items.next().await.expect("an end of its own") {
                        (at, Ok(n)) => assert_eq!(at as u64, n),
                        (_, Err(error)) => break assert!(error.is_panic(), "{error:?}"),
                    }
                }
            }
            Self::LongAnswer => assert!(yard.grow(LONG).await.unwrap_err().is_limit()),
            Self::LongAnswerLate => assert!(yard.grow_late(LONG).await.unwrap_err().is_limit()),
            Self::LongError => match yard.fail(LONG).await.unwrap_err() {
                autod::CallError::Autod(error) => assert!(error.is_limit(), "{error:?}"),
                autod::CallError::Service(_) => panic!("it arrived"),
            },
            Self::LongItem => {
                let mut items = yard.grow_in_a_stream(LONG);
                assert_eq!(items.next().await.unwrap().unwrap(), [7]);
                assert!(items.next().await.unwrap().unwrap_err().is_limit());
            }
            Self::LongArgument => {
                let error = yard.take(vec![7; LONG]).await.unwrap_err();
                assert!(error.is_limit() && !error.may_have_executed(), "{error:?}");
            }
            Self::WrongArgument => {
                let error = yard.halve(Even(3)).await.unwrap_err();
                assert!(!error.may_have_executed(), "{error:?}");
                assert!(format!("{error:?}").contains("3 is odd"), "{error:?}");
            }
            Self::WrongAnswer => {
                let error = yard.answer(3).await.unwrap_err();
                assert!(error.may_have_executed(), "{error:?}");
            }
            Self::WrongItem => {
                let numbers = stream::iter([Even(2), Even(3), Even(4)]);
                assert_eq!(yard.halves(numbers).await.unwrap(), [1]);
            }
        }
    }
}

/// Serves while `use_it` runs.
async fn with_yard(use_it: impl AsyncFnOnce(YardClient)) {
    let home = Home::new();
    let describe = || {
        let mut limits = autod::Limits::default();
        limits.message = MESSAGE;
        autod::Daemon::new("yard").sockfile(home.join("sock")).limits(limits)
    };
    let object = Arc::new(Object(tokio::sync::Semaphore::new(0)));
    let serving = describe().serve(move |_: Arc<()>, _| Arc::clone(&object));
    let mut listening = serving.listen::<YardClient>().await.unwrap();
    listening.ready().await.unwrap();
    use_it(describe().connect_existing().await.unwrap()).await;
    drop(listening);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_harm_ends_its_call_soon_and_nothing_else() {
    /// How often each happens; the fastest says what it takes, whatever else the machine does.
    const TIMES: usize = 10;
    /// No timer and no new connection is in the way of the error.
    const SOON: Duration = Duration::from_millis(20);
    with_yard(async |yard| {
        let waiting: Vec<_> = (0..20).map(|n| tokio::spawn(yard.wait(n))).collect();
        let mut items = yard.count();
        let (mut upper, mut expected) = (yard.upper(), 0);
        for harm in Harm::ALL {
            let mut fastest = PATIENCE;
            for _ in 0..TIMES {
                let began = Instant::now();
                let (small, ()) = tokio::join!(yard.add(1, 2), harm.happen(&yard));
                fastest = fastest.min(began.elapsed());
                assert_eq!(small.unwrap(), 3, "a call at the same time");
                // What is open on the connection goes on.
                for _ in 0..100 {
                    assert_eq!(items.next().await.unwrap().unwrap(), expected, "{harm:?}");
                    expected += 1;
                }
                upper.write_all(b"abc").await.unwrap();
                let mut heard = [0; 3];
                upper.read_exact(&mut heard).await.unwrap();
                assert_eq!(&heard, b"ABC");
            }
            println!("{harm:?}: {fastest:?}");
            assert!(fastest < SOON, "{harm:?} took {fastest:?}");
        }
        assert!(waiting.iter().all(|call| !call.is_finished()), "they wait");
        yard.open().await.unwrap();
        for (n, call) in (0..).zip(waiting) {
            assert_eq!(call.await.unwrap().unwrap(), n);
        }
        let total = upper.finish().await.unwrap();
        assert_eq!(total, (3 * TIMES * Harm::ALL.len()) as u64);
    })
    .await;
}
