//! stop and restart of a daemon whose handlers know of no cancellation, on all of its threads: both
//! are over within the drain limit and the watchdog's second, and the state is handed on.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::Result;
use crate::caller::Caller;
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, eventually, is_gone};
use crate::setting::Setting;
use crate::tally::Tally;

const DRAIN: Duration = Duration::from_millis(300);
/// The watchdog ends a drain one second past its limit.
const LIMIT: Duration = Duration::from_millis(1300);
/// For the command itself on a busy machine: its start, and that of the next daemon.
const OWN: Duration = Duration::from_millis(1500);

/// As many as a daemon has threads for handlers.
fn handlers() -> usize {
    std::thread::available_parallelism().map_or(2, |count| count.get().max(2))
}

struct Case {
    how: &'static str,
    order: &'static str,
    /// The daemon waits for its threads, as far as its limits let it.
    waits: bool,
}

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let mut tally = Tally::default();
    let rounds: Vec<_> = (0..setting.rounds(20, 2)).collect();
    for how in ["sleep", "nap", "spin"] {
        // Those that compute take the processors from the others.
        let at_a_time = if how == "spin" { 2 } else { 10 };
        for order in ["stop", "restart"] {
            let worst = Mutex::new(Duration::ZERO);
            for rounds in rounds.chunks(at_a_time) {
                for part in together(setting, rounds, how, order, &worst)? {
                    tally.add(part);
                }
            }
            let worst = worst.into_inner()?;
            tally.remark(format!("{how}, {order}: {:.0} ms at most", worst.as_secs_f64() * 1e3));
        }
    }
    Ok(tally)
}

/// Some rounds at once, each with a daemon of its own.
fn together(
    setting: &Setting,
    rounds: &[usize],
    how: &'static str,
    order: &'static str,
    worst: &Mutex<Duration>,
) -> Result<Vec<Tally>> {
    let begin = |round: &usize| {
        let path = setting.home.join(&format!("{how}-{order}-{round}"));
        let home = Home::new(path, setting.home.program())?;
        Ok((home, Case { how, order, waits: round % 2 == 1 }))
    };
    let cases: Vec<_> = rounds.iter().map(begin).collect::<Result<_>>()?;
    std::thread::scope(|scope| {
        let run = |(home, case)| {
            scope.spawn(move || {
                once(home, case, worst).unwrap_or_else(|error| Tally::broken(&error.to_string()))
            })
        };
        let threads: Vec<_> = cases.iter().map(|(home, case)| run((home, case))).collect();
        let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|tally| tally.map_err(|_| "a round panicked".into())).collect()
    })
}

fn once(home: &Home, case: &Case, worst: &Mutex<Duration>) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = home
        .with("DRAIN", &DRAIN.as_millis())
        .with("SNAPSHOT", &1)
        .with("EXIT_ON_CLOSE", &!case.waits);
    ledger.enter(&home.run(&["mark", "before"])?, 1, ledger::NONE, &mut tally);
    let daemon = home.daemon()?;
    let words = if case.how == "sleep" {
        vec!["block", "600000"]
    } else {
        vec!["deaf", case.how, "600000"]
    };
    let deaf: Vec<_> =
        (0..handlers()).map(|_| Caller::spawn(home.fixture(&words))).collect::<Result<_>>()?;
    let log = home.place().join("log");
    let all_run = eventually(PATIENCE, || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        log.lines().filter(|line| matches!(*line, "deaf" | "blocking")).count() == deaf.len()
    });
    tally.expect(all_run, || "the deaf handlers do not begin".to_owned());

    let began = Instant::now();
    let done = home.run(&[case.order])?;
    let took = began.elapsed();
    tally.expect(done.status.success(), || format!("{} failed: {}", case.order, done.said()));
    tally.expect(took < LIMIT + OWN, || {
        format!("{} of {} handlers took {took:?}", case.order, case.how)
    });
    tally.expect(is_gone(daemon), || format!("{} came back before {daemon} had gone", case.order));
    if let Ok(mut worst) = worst.lock() {
        *worst = took.max(*worst);
    }
    for caller in deaf {
        let done = caller.done()?;
        tally.calls += 1;
        tally.told += 1;
        let is_told = !done.hung && !done.status.success() && !done.stderr.is_empty();
        tally.expect(is_told, || format!("a cut-off caller reads: {}", done.said()));
    }
    let next = home.run(&["mark", "after"])?;
    ledger.enter(&next, 1, ledger::NONE, &mut tally);
    // A daemon that is replaced hands on its state, one that is stopped has none to hand on.
    let expected = if case.order == "restart" { 2 } else { 1 };
    let total = next.calls().next().and_then(|call| call.total);
    tally.expect(total == Some(expected), || {
        format!("the total is {total:?} after a {} of {} handlers", case.order, case.how)
    });
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    home.clear();
    Ok(tally)
}
