//! Real daemons come and go under a client that stays.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;

use crate::home::{Home, Running, kill, wait_until_gone};

/// One line of what the client was told.
struct Told {
    id: String,
    answered: bool,
    line: String,
}

impl Told {
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let answered = words.next() == Some("answered");
        Self { id: words.next().unwrap().to_owned(), answered, line: line.to_owned() }
    }

    /// When it ended, in microseconds.
    fn at(&self) -> u128 {
        self.line.split(' ').nth(3).unwrap().parse().unwrap()
    }

    fn total(&self) -> usize {
        self.line.split(' ').nth(4).unwrap().parse().unwrap()
    }
}

fn client(home: &Home, version: &str, executed: &Path) -> Running {
    let mut run = home
        .fixture(["long-lived", "m"])
        .env("FIX_VERSION", version)
        .env("FIX_SNAPSHOT", "1")
        .env("FIX_EXECUTED", executed);
    run.command.stdin(Stdio::piped());
    run.spawn()
}

/// Reads on until so many calls were answered that ended from now on.
fn hear(client: &mut Running, told: &mut Vec<Told>, answers: usize) {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let now = Duration::try_from(now).unwrap().as_micros();
    let mut heard = 0;
    while heard < answers {
        let line = Told::parse(&client.line());
        heard += usize::from(line.answered && line.at() > now);
        told.push(line);
    }
}

fn end(mut client: Running, told: &mut Vec<Told>) {
    client.release();
    told.extend(client.done().good().stdout.lines().map(Told::parse));
}

#[test]
fn a_client_outlives_upgrades_and_every_call_is_answered() {
    let home = Home::new();
    let executed = home.join("executed");
    let mut client = client(&home, "1.0.0", &executed);
    let mut told = Vec::new();
    hear(&mut client, &mut told, 20);
    for version in ["2.0.0", "3.0.0", "4.0.0"] {
        home.fixture(["pid"])
            .env("FIX_VERSION", version)
            .env("FIX_SNAPSHOT", "1")
            .env("FIX_EXECUTED", &executed)
            .out();
        hear(&mut client, &mut told, 20);
    }
    end(client, &mut told);
    for line in &told {
        assert!(line.answered, "{}", line.line);
    }
    let ids: Vec<_> = told.iter().map(|told| told.id.as_str()).collect();
    let executed = std::fs::read_to_string(executed).unwrap();
    assert_eq!(executed.lines().collect::<Vec<_>>(), ids, "each once, in their order");
    let totals: Vec<_> = told.iter().map(Told::total).collect();
    assert_eq!(totals, (1..=totals.len()).collect::<Vec<_>>(), "the state was handed on");
}

#[test]
fn a_client_outlives_killed_daemons_and_is_told_what_may_have_been_executed() {
    let home = Home::new();
    let executed = home.join("executed");
    let mut client = client(&home, "1.0.0", &executed);
    let mut told = Vec::new();
    for _ in 0..6 {
        hear(&mut client, &mut told, 20);
        let pid: u32 =
            home.fixture(["existing"]).env("FIX_VERSION", "1.0.0").out().parse().unwrap();
        kill(pid, Signal::KILL);
        wait_until_gone(pid);
    }
    hear(&mut client, &mut told, 20);
    end(client, &mut told);
    let mut times: HashMap<&str, usize> = HashMap::new();
    let executed = std::fs::read_to_string(executed).unwrap();
    for id in executed.lines() {
        *times.entry(id).or_default() += 1;
    }
    for line in &told {
        let times = times.get(line.id.as_str()).copied().unwrap_or(0);
        if line.answered {
            assert_eq!(times, 1, "{}", line.line);
        } else {
            assert!(times <= 1 && line.line.contains(" may-have-executed lost "), "{}", line.line);
        }
    }
}
