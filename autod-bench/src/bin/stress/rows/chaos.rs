//! Random orders at random fault points, under callers of two versions, idle exits, upgrades with a
//! snapshot, failing starts and doors that are removed. Whatever is killed, held, stopped or refused
//! something: no call is lost or executed twice, nobody hangs, and afterwards everything works.

use std::time::{Duration, Instant};

use crate::Result;
use crate::call::{Call, Failure};
use crate::caller::Caller;
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::orders::Orders;
use crate::process::{eventually, is_gone};
use crate::random::Random;
use crate::setting::Setting;
use crate::tally::Tally;

/// Callers at once, and the calls of each.
const CALLERS: usize = 5;
const CALLS: usize = 40;

/// How long an order waits for somebody to take it.
const OFFER: Duration = Duration::from_millis(120);

/// What may stand in the daemon's directory while it runs.
const FILES: [&str; 6] = ["sock", "spawn.lock", "life.lock", "log", "log.prev", "failed.json"];

/// What happens next. It depends on the seed alone.
struct Step {
    point: usize,
    order: String,
    /// How long somebody stays held or stopped.
    lasts: Duration,
    incident: Incident,
}

enum Incident {
    None,
    RemoveDoor,
    /// `init` fails until the end of the step.
    BreakConfiguration,
}

impl Step {
    fn draw(random: &mut Random, points: usize) -> Self {
        let millis = random.below(150);
        let order = match random.below(6) {
            0 | 1 => "kill".to_owned(),
            2 => "stop".to_owned(),
            3 => "hold".to_owned(),
            4 => format!("sleep {millis}"),
            // The disk is full.
            _ => "fail 28".to_owned(),
        };
        let point = usize::try_from(random.below(points as u64)).unwrap_or(0);
        let incident = match random.below(10) {
            0 => Incident::RemoveDoor,
            1 => Incident::BreakConfiguration,
            _ => Incident::None,
        };
        Self { point, order, lasts: Duration::from_millis(millis), incident }
    }
}

/// The errors that the orders explain; what they say about the call is checked against what was
/// executed.
fn explain(_: &Call, failure: &Failure) -> bool {
    match failure.kind.as_str() {
        "lost" | "start" => true,
        // Its first call came too late: it was held up in between.
        "closing" => !failure.may_have_executed,
        "other" => failure.text.contains("No space left"),
        _ => false,
    }
}

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let configuration = setting.home.join("configuration");
    std::fs::write(&configuration, "")?;
    let home = setting
        .home
        .with("PAUSE_US", &30_000)
        .with("AUTOCLOSE", &10)
        .with("SNAPSHOT", &1)
        .with("INIT", &format!("file:{}", configuration.display()));
    let points = home.run(&["fault-points"])?.stdout;
    let points: Vec<&str> = points.lines().collect();
    if points.is_empty() {
        return Err("the fixture has no fault points".into());
    }
    let orders = Orders::of(&home)?;
    let mut callers = Callers { home: &home, number: 0, running: Vec::new() };
    let (mut given, mut taken) = (0, 0);
    for _ in 0..setting.rounds(300, 40) {
        let step = setting.random(|random| Step::draw(random, points.len()));
        callers.replace(&mut ledger, &mut tally)?;
        let point = points[step.point];
        orders.give(point, &step.order)?;
        match step.incident {
            Incident::RemoveDoor => drop(std::fs::remove_file(home.place().join("sock"))),
            Incident::BreakConfiguration => drop(std::fs::remove_file(&configuration)),
            Incident::None => {}
        }
        if eventually(OFFER, || orders.is_taken(point)) {
            std::thread::sleep(step.lasts);
        }
        std::fs::write(&configuration, "")?;
        given += 1;
        if let Some(pid) = orders.withdraw(point)? {
            taken += 1;
            callers.expect_death(pid);
        }
    }
    while !callers.running.is_empty() {
        callers.enter_first(&mut ledger, &mut tally)?;
    }
    tally.remark(format!("{taken} of {given} orders taken"));
    finish(&home, ledger, &mut tally)?;
    Ok(tally)
}

/// Without any more orders everything works; the pause after failed starts is 5 s at most.
fn finish(home: &Home, mut ledger: Ledger, tally: &mut Tally) -> Result<()> {
    let home = home.with("AUTOCLOSE", &60_000);
    let began = Instant::now();
    let last = home.run(&["mark", "last"])?;
    ledger.enter(&last, 1, ledger::NONE, tally);
    let took = began.elapsed();
    tally.expect(took < Duration::from_secs(7), || format!("the last call took {took:?}"));
    eventually(Duration::from_secs(5), || home.processes().len() == 1);
    let daemon = home.daemon()?;
    tally.expect(home.settles_on(daemon), || format!("left over: {:?}", home.processes()));
    for entry in std::fs::read_dir(home.place())? {
        let name = entry?.file_name();
        let known = FILES.iter().any(|file| name == *file);
        tally.expect(known, || format!("litter: {}", name.display()));
    }
    ledger::check_only_one(&home, tally);
    ledger.close(&home, tally)
}

struct Callers<'a> {
    home: &'a Home,
    number: usize,
    running: Vec<(Caller, bool)>,
}

impl Callers<'_> {
    /// Enters those that have ended, and starts others in their place.
    fn replace(&mut self, ledger: &mut Ledger, tally: &mut Tally) -> Result<()> {
        while let Some(ended) = self.running.iter().position(|(caller, _)| is_gone(caller.pid)) {
            self.running.swap(0, ended);
            self.enter_first(ledger, tally)?;
        }
        while self.running.len() < CALLERS {
            self.number += 1;
            let version = if self.number.is_multiple_of(3) { "2.0.0" } else { "1.0.0" };
            let home = self.home.with("VERSION", &version).with("SEED", &self.number);
            let prefix = format!("c{}", self.number);
            let caller = Caller::spawn(home.fixture(&["reconnect", &prefix, &CALLS.to_string()]))?;
            self.running.push((caller, false));
        }
        Ok(())
    }

    /// The order may have been to kill.
    fn expect_death(&mut self, pid: u32) {
        for (caller, may_die) in &mut self.running {
            *may_die |= caller.pid == pid;
        }
    }

    fn enter_first(&mut self, ledger: &mut Ledger, tally: &mut Tally) -> Result<()> {
        let (caller, may_die) = self.running.remove(0);
        let done = caller.done()?;
        if may_die && done.status.code().is_none() {
            ledger.enter_killed(&done, tally);
        } else {
            ledger.enter(&done, CALLS, &explain, tally);
        }
        Ok(())
    }
}
