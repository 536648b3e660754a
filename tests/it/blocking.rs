//! The client that blocks: every shape over a real daemon, many threads on one connection, and what
//! it makes in its process.

use std::process::Stdio;
use std::sync::{Arc, Barrier};

use rustix::process::Signal;

use crate::home::{Home, eventually, is_gone, kill, wait_until_gone};

/// What was said of errors, without the daemon's name in them and what to do.
fn unnamed(home: &Home, said: &str) -> String {
    let name = format!(" (fixture on {})", home.place().join("sock").display());
    assert!(said.contains(&name), "{said}");
    let said = said.replace(&name, "");
    let log = home.place().join("log");
    let help =
        format!("\nhelp: report it to whoever wrote the service; its log is {}", log.display());
    said.replace(&help, "")
}

#[test]
fn every_shape_works_from_a_cold_start() {
    let home = Home::new();
    let said = unnamed(&home, &home.fixture(["blocking", "shapes"]).out());
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "2",
            "3",
            "cannot divide 7 by 0",
            "499500",
            "11",
            "2499950000",
            "true",
            "3",
            "there is nothing to count",
            "3145728",
            "true 100000 true",
            "panic panicked in the daemon: oh true",
        ]
    );
}

#[test]
fn a_command_that_finds_its_daemon_makes_no_thread_and_no_epoll() {
    let home = Home::new();
    home.daemon();
    assert_eq!(home.fixture(["blocking", "resources"]).out(), "1\nsocket");
}

#[test]
fn it_is_safe_inside_a_runtime() {
    for flavour in ["one", "many"] {
        let home = Home::new();
        // Starts the daemon, and finds it.
        home.fixture(["blocking", "inside", flavour]).done().good();
        home.daemon();
        assert_eq!(home.fixture(["blocking", "inside", flavour]).out(), "499505\n1");
    }
}

#[test]
fn the_other_ways_to_connect_block_too() {
    let home = Home::new();
    let said = home.fixture(["blocking", "connect"]).out();
    let lines: Vec<_> = said.lines().collect();
    assert_eq!((lines[0], lines[3]), ("true", "true"));
    assert_ne!(lines[1], lines[2], "another daemon");
    assert!(lines[4].starts_with("no daemon listens on "), "{said}");
}

#[test]
fn a_failed_start_is_told_as_ever() {
    let home = Home::new();
    let said = home.fixture(["blocking", "pid"]).env("FIX_INIT", "fail").done().failed(1);
    assert!(said.contains("fixture daemon failed to start: the index is damaged ("), "{said}");
}

#[test]
fn the_log_is_copied_in_debug_mode() {
    let home = Home::new();
    let done = home.fixture(["blocking", "pid"]).env("FIX_DEBUG", "true").done().good();
    let warm = home.fixture(["blocking", "pid"]).env("FIX_DEBUG", "true").done().good();
    assert_eq!(done.stdout, warm.stdout);
}

#[test]
fn bytes_go_both_ways_at_once() {
    let home = Home::new();
    assert_eq!(home.fixture(["blocking", "bytes", "64"]).out(), (64 << 20).to_string());
}

/// Both ends have more to say than the sockets and the daemon's patience hold.
#[test]
fn long_messages_both_ways_do_not_wait_for_each_other() {
    let home = Home::new();
    assert_eq!(home.fixture(["blocking", "echoes", "15"]).out(), "true");
}

#[test]
fn deadlines_end_a_call_and_only_a_wait_of_a_stream() {
    let home = Home::new();
    let said = unnamed(&home, &home.fixture(["blocking", "deadlines"]).out());
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(
        lines,
        [
            "true true sleep was not answered before its deadline",
            "true",
            "true",
            "true no item of stall has come in time",
            "true",
            "timed out",
            "2",
            "1",
        ]
    );
}

#[test]
fn what_is_dropped_is_cancelled() {
    let home = Home::new();
    assert_eq!(home.fixture(["blocking", "cancels"]).out(), "499500\n1048576");
    // The streams had no end.
    let status = home.fixture(["status"]).out();
    assert!(status.starts_with("(1,"), "{status}");
}

#[test]
fn a_daemon_that_is_killed_ends_the_call() {
    for how in ["call", "stream"] {
        let home = Home::new();
        let daemon = home.daemon();
        let mut caller = home.fixture(["blocking", "wait", how]).spawn();
        assert_eq!(caller.line(), "calling");
        if how == "call" {
            eventually("the call has begun", || {
                let log = std::fs::read_to_string(home.place().join("log"));
                log.is_ok_and(|log| log.contains("blocking"))
            });
        }
        kill(daemon, Signal::KILL);
        let said = caller.done().good().stdout;
        assert_eq!(said, "lost true closing false executed true retry false");
    }
}

#[test]
fn a_daemon_that_was_killed_meanwhile_has_executed_nothing() {
    let home = Home::new();
    let daemon = home.daemon();
    let mut caller = home.fixture(["blocking", "wait", "between"]);
    caller.command.stdin(Stdio::piped());
    let mut caller = caller.spawn();
    assert_eq!(caller.line(), "calling");
    kill(daemon, Signal::KILL);
    // The last of its threads closes its sockets.
    eventually("the daemon has no thread", || {
        let threads = std::fs::read_dir(format!("/proc/{daemon}/task"));
        is_gone(daemon) && threads.map_or(0, Iterator::count) <= 1
    });
    caller.release();
    let said = caller.done().good().stdout;
    assert_eq!(said, "lost true closing false executed false retry true");
}

#[test]
fn a_daemon_that_has_closed_meanwhile_says_so() {
    let home = Home::new();
    let daemon = home.daemon();
    let mut caller = home.fixture(["blocking", "wait", "between"]);
    caller.command.stdin(Stdio::piped());
    let mut caller = caller.spawn();
    assert_eq!(caller.line(), "calling");
    home.fixture(["close"]).done().good();
    wait_until_gone(daemon);
    caller.release();
    let said = caller.done().good().stdout;
    assert_eq!(said, "lost false closing true executed false retry true");
}

/// What the threads of one process ask for.
#[autod::service]
trait Pool {
    async fn double(&self, n: u64) -> u64;
    async fn late(&self, n: u64) -> u64;
    fn count(&self, end: u64) -> impl futures::Stream<Item = u64>;
}

struct Object;

impl Pool for Object {
    async fn double(&self, n: u64) -> u64 {
        n * 2
    }

    async fn late(&self, n: u64) -> u64 {
        tokio::time::sleep(std::time::Duration::from_micros(n % 500)).await;
        n * 2
    }

    fn count(&self, end: u64) -> impl futures::Stream<Item = u64> {
        futures::stream::iter(0..end)
    }
}

/// Serves while `use_it` runs. So few calls at once that threads wait for each other's.
fn with_pool(calls: u32, use_it: impl FnOnce(PoolBlockingClient)) {
    let home = Home::new();
    let describe = || {
        let mut limits = autod::Limits::default();
        limits.calls = calls;
        autod::Daemon::new("pool").sockfile(home.join("sock")).limits(limits)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let listening = runtime.block_on(async {
        let mut listening =
            describe().serve(|_: Arc<()>, _| Object).listen::<PoolClient>().await.unwrap();
        listening.ready().await.unwrap();
        listening
    });
    use_it(describe().connect_existing_blocking().unwrap());
    drop(listening);
}

#[test]
fn eight_threads_share_a_client_and_each_gets_its_own_answers() {
    for calls in [1, 3, 100] {
        with_pool(calls, |pool| {
            let begin = Barrier::new(8);
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let (pool, begin) = (pool.clone(), &begin);
                    scope.spawn(move || {
                        begin.wait();
                        for n in 0..200 {
                            let n = n * 8 + thread;
                            let answer = match n % 3 {
                                0 => pool.late(n),
                                1 => pool.double(n),
                                _ => Ok(pool.count(n % 700).map(Result::unwrap).count() as u64),
                            };
                            let expected = if n % 3 == 2 { n % 700 } else { n * 2 };
                            assert_eq!(answer.unwrap(), expected);
                        }
                    });
                }
            });
        });
    }
}

/// An iterator that is sent calls on the same connection.
#[test]
fn an_iterator_may_make_calls_itself() {
    with_pool(100, |pool| {
        let inner = pool.clone();
        let numbers = (0..100).map(move |n| inner.double(n).unwrap());
        let counted: u64 = numbers.zip(pool.count(100)).map(|(n, m)| n - m.unwrap()).sum();
        assert_eq!(counted, 4950);
    });
}
