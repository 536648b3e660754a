//! A counter that lives between commands, without a runtime in them: the daemon is as ever, the
//! commands use the client that blocks.
//!
//! ```text
//! blocking add N | get | watch | close
//! ```
//!
//! The daemon goes when it was closed, or has had no caller for a minute.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, stream};
use tokio::sync::watch;

/// A number that outlives the commands that change it.
#[autod::service]
pub trait Counter {
    /// Adds `n` and returns the new total.
    async fn add(&self, n: i64) -> i64;
    /// The total.
    async fn get(&self) -> i64;
    /// The total now, and after every change.
    #[autod(drop_oldest = 16)]
    fn watch(&self) -> impl Stream<Item = i64>;
    /// Ends the daemon. The next command begins at 0.
    async fn close(&self);
}

struct Total {
    total: Arc<watch::Sender<i64>>,
    session: autod::Session,
}

impl Counter for Total {
    async fn add(&self, n: i64) -> i64 {
        self.total.send_modify(|total| *total = total.saturating_add(n));
        *self.total.borrow()
    }

    async fn get(&self) -> i64 {
        *self.total.borrow()
    }

    fn watch(&self) -> impl Stream<Item = i64> {
        let mut total = self.total.subscribe();
        total.mark_changed();
        stream::unfold(total, async |mut total| {
            total.changed().await.ok()?;
            let now = *total.borrow_and_update();
            Some((now, total))
        })
    }

    async fn close(&self) {
        self.session.daemon().close();
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let daemon = autod::Daemon::new("autod-blocking")
        .autoclose(Duration::from_secs(60))
        .init(async |_start| Ok(watch::Sender::new(0)))
        .serve(|total, session| Total { total, session });
    match daemon.run_blocking(|counter: CounterBlockingClient| command(&counter, &words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blocking: {error:?}");
            ExitCode::FAILURE
        }
    }
}

fn command(counter: &CounterBlockingClient, words: &[&str]) -> autod::Result<()> {
    match *words {
        ["add", n] => {
            let n = n.parse().map_err(|_| autod::Error::custom(format!("cannot add {n:?}")))?;
            print(counter.add(n)?)
        }
        ["get"] => print(counter.get()?),
        ["watch"] => counter.watch().try_for_each(|total| print(total?)),
        ["close"] => counter.close(),
        _ => Err(autod::Error::custom("usage: blocking add N | get | watch | close")),
    }
}

fn print(total: i64) -> autod::Result<()> {
    writeln!(std::io::stdout(), "{total}").map_err(autod::Error::custom)
}
