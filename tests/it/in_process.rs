//! A service and its client in one process.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures::{Stream, StreamExt as _, stream};

use crate::home::Home;

#[autod::service]
trait Sum {
    async fn add(&self, n: i64) -> i64;
    async fn divide(&self, by: i64) -> Result<i64, String>;
    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8>;
    async fn panic(&self);
    fn count(&self, end: u64) -> impl Stream<Item = u64>;
    async fn directory(&self) -> String;
    async fn close(&self);
}

#[derive(Default)]
struct Total {
    total: AtomicI64,
    session: Option<autod::Session>,
}

impl Sum for Total {
    async fn add(&self, n: i64) -> i64 {
        self.total.fetch_add(n, Ordering::SeqCst) + n
    }

    async fn divide(&self, by: i64) -> Result<i64, String> {
        let total = self.total.load(Ordering::SeqCst);
        total.checked_div(by).ok_or_else(|| format!("{total} / {by}"))
    }

    async fn echo(&self, bytes: Vec<u8>) -> Vec<u8> {
        bytes
    }

    async fn panic(&self) {
        panic!("as asked");
    }

    fn count(&self, end: u64) -> impl Stream<Item = u64> {
        stream::iter(0..end)
    }

    async fn directory(&self) -> String {
        let session = self.session.as_ref().expect("made with a session");
        session.caller().cwd().display().to_string()
    }

    async fn close(&self) {
        self.session.as_ref().expect("made with a session").daemon().close();
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(work)
}

#[test]
fn an_object_is_called_through_memory() {
    block_on(async {
        let sum: SumClient = autod::in_process(Total::default());
        assert_eq!(sum.add(40).await.unwrap(), 40);
        assert_eq!(sum.clone().add(2).await.unwrap(), 42);
        assert_eq!(sum.divide(2).await.unwrap(), 21);
        let error = sum.divide(0).await.unwrap_err();
        assert_eq!(error.to_string(), "42 / 0");
        let error = sum.panic().await.unwrap_err();
        assert!(error.may_have_executed(), "{error:?}");
        assert!(format!("{error:?}").contains("as asked"), "{error:?}");
        let bytes = vec![7; 3 << 20];
        assert_eq!(sum.echo(bytes.clone()).await.unwrap(), bytes);
        let count = sum.count(100_000).fold(0, async |sum, n| sum + n.unwrap()).await;
        assert_eq!(count, (0..100_000).sum::<u64>());
    });
}

#[test]
fn the_object_goes_with_its_last_client() {
    struct Guard(Arc<AtomicI64>);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    #[autod::service]
    trait Guarded {
        async fn dropped(&self) -> i64;
    }
    impl Guarded for Guard {
        async fn dropped(&self) -> i64 {
            self.0.load(Ordering::SeqCst)
        }
    }
    let dropped = Arc::new(AtomicI64::new(0));
    block_on(async {
        let guarded: GuardedClient = autod::in_process(Guard(Arc::clone(&dropped)));
        let second = guarded.clone();
        drop(guarded);
        assert_eq!(second.dropped().await.unwrap(), 0);
        drop(second);
        while dropped.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn a_whole_daemon_runs_without_a_process_or_a_file() {
    let home = Home::new();
    let hook = Arc::new(AtomicI64::new(0));
    let (in_init, in_test) = (Arc::clone(&hook), hook);
    block_on(async {
        let daemon = autod::Daemon::new("in-process")
            .sockfile(home.join("sock"))
            .args(&7_i64)
            .init(async move |start| {
                start.daemon().on_shutdown(move || {
                    in_init.fetch_add(1, Ordering::SeqCst);
                });
                Ok(start.args::<i64>()?)
            })
            .serve(|start, session| Total {
                total: AtomicI64::new(*start),
                session: Some(session),
            });
        let sum: SumClient = daemon.in_process().await.unwrap();
        assert_eq!(sum.add(1).await.unwrap(), 8);
        let directory = std::env::current_dir().unwrap().display().to_string();
        assert_eq!(sum.directory().await.unwrap(), directory);
        sum.close().await.unwrap();
        let error = sum.add(1).await.unwrap_err();
        assert!(error.is_closing() && !error.may_have_executed(), "{error:?}");
        while in_test.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0, "no file was made");
}

#[test]
fn an_init_that_fails_is_the_callers_error() {
    block_on(async {
        let daemon = autod::Daemon::new("in-process")
            .init(async |_| Err::<(), _>("no index".into()))
            .serve(|_, _| Total::default());
        let error = daemon.in_process::<SumClient>().await.map(drop).unwrap_err();
        assert!(error.to_string().contains("no index"), "{error:?}");
    });
}

#[test]
fn a_session_in_process_has_a_caller_too() {
    #[autod::service]
    trait Scale {
        async fn weigh(&self, things: Vec<i64>) -> Result<i64, String>;
    }
    #[autod::service]
    trait Scribe {
        async fn write(&self, line: String) -> u64;
    }
    struct Plate(autod::Session);
    impl Scale for Plate {
        async fn weigh(&self, things: Vec<i64>) -> Result<i64, String> {
            let scribe: ScribeClient = self.0.caller_as().map_err(|error| error.to_string())?;
            for thing in &things {
                scribe.write(thing.to_string()).await.map_err(|error| error.to_string())?;
            }
            Ok(things.iter().sum())
        }
    }
    struct Paper(Arc<AtomicI64>);
    impl Scribe for Paper {
        async fn write(&self, line: String) -> u64 {
            self.0.fetch_add(line.parse().unwrap(), Ordering::SeqCst);
            line.len() as u64
        }
    }
    block_on(async {
        let written = Arc::new(AtomicI64::new(0));
        let scale = || autod::Daemon::new("scale").serve(|_, session| Plate(session));
        let paper = Arc::clone(&written);
        let serving = scale().caller_serves::<ScribeClient, _>(move |_| Paper(Arc::clone(&paper)));
        let scale_client: ScaleClient = serving.in_process().await.unwrap();
        assert_eq!(scale_client.weigh(vec![1, 20, 300]).await.unwrap(), 321);
        assert_eq!(written.load(Ordering::SeqCst), 321);
        let alone: ScaleClient = scale().in_process().await.unwrap();
        let error = alone.weigh(vec![1]).await.unwrap_err();
        assert_eq!(error.to_string(), "the caller serves nothing that could be Scribe");
        // The object goes with the client.
        drop(scale_client);
        while Arc::strong_count(&written) > 1 {
            tokio::task::yield_now().await;
        }
    });
}
