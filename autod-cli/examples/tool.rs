//! A tool whose users can look after its daemon: `tool add N | daemon status|stop|restart|logs|foreground`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::Duration;

use clap::{Arg, Command, value_parser};

/// A number that outlives the commands that change it.
#[autod::service]
pub trait Counter {
    /// Adds `n` and returns the new total.
    async fn add(&self, n: i64) -> i64;
}

#[derive(Default)]
struct Total(AtomicI64);

impl Counter for Total {
    async fn add(&self, n: i64) -> i64 {
        self.0.fetch_add(n, Relaxed).wrapping_add(n)
    }
}

fn main() -> ExitCode {
    let number = Arg::new("n").required(true).value_parser(value_parser!(i64)).value_name("N");
    let matches = Command::new("tool")
        .subcommand_required(true)
        .subcommand(Command::new("add").arg(number))
        .subcommand(autod::cli::command())
        .get_matches();
    let daemon = autod::Daemon::new("autod-tool")
        .autoclose(Duration::from_secs(60))
        .init(async |_start| Ok(Total::default()))
        .serve(|total, _session| total);
    let n = match matches.subcommand() {
        Some(("daemon", matches)) => {
            return autod::cli::run::<CounterClient, _, _>(daemon, matches);
        }
        Some((_, matches)) => matches.get_one("n").copied().unwrap_or(0),
        None => return ExitCode::from(2),
    };
    let total = daemon.run(async |counter: CounterClient| counter.add(n).await);
    match total {
        Ok(total) => {
            println!("{total}");
            ExitCode::SUCCESS
        }
        Err::<_, autod::Error>(error) => {
            eprintln!("tool: {error:?}");
            ExitCode::FAILURE
        }
    }
}
