//! The daemons that are shown, and what is made of two answers of one: calls a second, and how long
//! they took. It knows no terminal and reads no clock.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::question::{list, number, text};
use crate::state::{ENDED, Seen};

/// Daemons by name, and the one that is chosen.
#[derive(Default)]
pub(crate) struct Board {
    rows: Vec<Row>,
    /// Its socket, so that it stays chosen while others come and go.
    chosen: Option<String>,
}

pub(crate) struct Row {
    pub(crate) seen: Seen,
    /// Calls that have ended, a second, between the last two answers.
    pub(crate) rate: Option<f64>,
    /// The mean of the calls that ended between the last two answers, without streams.
    pub(crate) latency: Option<Duration>,
    last: Option<Sample>,
}

/// The counts of a life at a time.
struct Sample {
    at: Instant,
    life: String,
    calls: u64,
    /// Those without streams, and the nanoseconds that they took.
    unary: (u64, u64),
}

impl Sample {
    fn of(status: &Value, at: Instant) -> Self {
        let mut sample = Self {
            at,
            life: text(status, "life").unwrap_or("").to_owned(),
            calls: 0,
            unary: (0, 0),
        };
        for method in list(status, "methods") {
            let calls = number(method, "calls").unwrap_or(0);
            sample.calls += calls;
            // A build before these fields says neither.
            if let (Some("unary"), Some(took)) = (text(method, "kind"), number(method, "total_ns"))
            {
                sample.unary.0 += calls;
                sample.unary.1 += took;
            }
        }
        sample
    }

    #[expect(clippy::cast_precision_loss, reason = "it is shown with three digits")]
    fn rate_since(&self, before: &Self) -> Option<f64> {
        let seconds = self.at.checked_duration_since(before.at)?.as_secs_f64();
        (seconds > 0.0).then(|| self.calls.saturating_sub(before.calls) as f64 / seconds)
    }

    fn latency_since(&self, before: &Self) -> Option<Duration> {
        let calls = self.unary.0.saturating_sub(before.unary.0);
        let took = self.unary.1.saturating_sub(before.unary.1);
        took.checked_div(calls).map(Duration::from_nanos)
    }
}

impl Board {
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// A daemon was looked at. One that has ended in order is not shown.
    pub(crate) fn saw(&mut self, seen: Seen, at: Instant) {
        let place = self.rows.iter().position(|row| row.seen.socket == seen.socket);
        if seen.state == ENDED {
            if let Some(place) = place {
                self.rows.remove(place);
            }
            return self.keep_choice(place);
        }
        // A service of a supervisor counts no calls.
        let counts = seen.status.as_ref().filter(|status| status.get("life").is_some());
        let sample = counts.map(|status| Sample::of(status, at));
        let before = place.and_then(|place| self.rows[place].last.take());
        let both = match (&before, &sample) {
            (Some(before), Some(sample)) if before.life == sample.life => Some((before, sample)),
            _ => None,
        };
        let rate = both.and_then(|(before, sample)| sample.rate_since(before));
        let latency = both.and_then(|(before, sample)| sample.latency_since(before));
        let row = Row { seen, rate, latency, last: sample };
        if let Some(place) = place {
            self.rows[place] = row;
        } else {
            self.rows.push(row);
            self.rows.sort_by(|one, other| {
                (&one.seen.name, &one.seen.socket).cmp(&(&other.seen.name, &other.seen.socket))
            });
        }
        self.keep_choice(None);
    }

    /// Forgets daemons that are not to be found any more.
    pub(crate) fn keep_only(&mut self, is_there: impl Fn(&str) -> bool) {
        let place = self.place();
        self.rows.retain(|row| is_there(&row.seen.socket));
        self.keep_choice(place);
    }

    pub(crate) fn chosen(&self) -> Option<&Row> {
        self.rows.get(self.place()?)
    }

    /// Where the chosen one is.
    pub(crate) fn place(&self) -> Option<usize> {
        let chosen = self.chosen.as_ref()?;
        self.rows.iter().position(|row| row.seen.socket == *chosen)
    }

    /// Chooses one so many rows further down, or up.
    pub(crate) fn go(&mut self, by: isize) {
        let place = self.place().unwrap_or(0).saturating_add_signed(by);
        self.choose(place);
    }

    fn choose(&mut self, place: usize) {
        let last = self.rows.len().saturating_sub(1);
        self.chosen = self.rows.get(place.min(last)).map(|row| row.seen.socket.clone());
    }

    /// Chooses what has come in the place of the chosen one if that is gone.
    fn keep_choice(&mut self, place: Option<usize>) {
        if self.place().is_none() {
            self.choose(place.unwrap_or(0));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    pub(crate) fn seen(name: &str, state: &'static str, status: Option<Value>) -> Seen {
        Seen {
            name: name.to_owned(),
            socket: format!("/run/{name}/sock"),
            supervises: None,
            state,
            status,
            life: None,
            text: None,
            help: None,
            reaped: false,
        }
    }

    pub(crate) fn status(life: &str, calls: u64, took: Duration) -> Value {
        let took = u64::try_from(took.as_nanos()).unwrap();
        json!({
            "life": life, "pid": 4711, "connections": 2, "streams_open": 3, "uptime_ms": 60_000,
            "memory": {"resident_bytes": 20 << 20},
            "methods": [
                {"name": "get", "kind": "unary", "calls": calls, "total_ns": took},
                {"name": "watch", "kind": "stream", "calls": 1, "total_ns": u64::MAX},
            ],
        })
    }

    fn names(board: &Board) -> Vec<&str> {
        board.rows().iter().map(|row| row.seen.name.as_str()).collect()
    }

    #[test]
    fn rates_are_of_the_time_between_two_answers_of_one_life() {
        let mut board = Board::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let ms = Duration::from_millis;
        board.saw(seen("a", "ready", Some(status("1", 100, ms(500)))), at(0));
        assert_eq!((board.rows()[0].rate, board.rows()[0].latency), (None, None));
        board.saw(seen("a", "ready", Some(status("1", 140, ms(580)))), at(2));
        assert_eq!((board.rows()[0].rate, board.rows()[0].latency), (Some(20.0), Some(ms(2))));
        board.saw(seen("a", "ready", Some(status("1", 140, ms(580)))), at(3));
        assert_eq!((board.rows()[0].rate, board.rows()[0].latency), (Some(0.0), None));
        // Another life counts from its own beginning.
        board.saw(seen("a", "ready", Some(status("2", 3, ms(1)))), at(4));
        assert_eq!((board.rows()[0].rate, board.rows()[0].latency), (None, None));
        board.saw(seen("a", "hung", None), at(5));
        board.saw(seen("a", "ready", Some(status("2", 9, ms(1)))), at(6));
        assert_eq!(board.rows()[0].rate, None, "nobody knows when it hung");
    }

    #[test]
    fn the_chosen_one_stays_chosen_while_others_come_and_go() {
        let mut board = Board::default();
        let now = Instant::now();
        assert!(board.chosen().is_none());
        board.go(1);
        for name in ["m", "z", "a"] {
            board.saw(seen(name, "ready", None), now);
        }
        assert_eq!(names(&board), ["a", "m", "z"]);
        assert_eq!(board.chosen().unwrap().seen.name, "m", "the first that came");
        board.go(1);
        board.go(1);
        assert_eq!(board.chosen().unwrap().seen.name, "z");
        board.go(-1);
        board.saw(seen("b", "ready", None), now);
        assert_eq!(board.chosen().unwrap().seen.name, "m");
        board.saw(seen("m", "ended", None), now);
        assert_eq!((names(&board), board.place()), (vec!["a", "b", "z"], Some(2)));
        board.go(isize::MAX);
        board.keep_only(|socket| socket != "/run/z/sock");
        assert_eq!((names(&board), board.place()), (vec!["a", "b"], Some(1)));
        board.go(isize::MIN);
        assert_eq!(board.place(), Some(0));
        board.keep_only(|_| false);
        assert!(board.chosen().is_none());
    }
}
