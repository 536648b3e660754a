//! Looking for what the other end is about to say, for a moment, before going to sleep.
//!
//! To sleep and be woken takes some 20 us at each end, more than a small call itself. So an end that
//! expects something soon reads a few times in vain first. What is learned here is when that pays:
//! it looks as long as looking finds something, and stops when it does not. No IO and no clock: the
//! time is a parameter.

use std::time::{Duration, Instant};

/// What comes later than this after the last word was not close to being found by looking.
const SOON: Duration = Duration::from_micros(200);

/// Its thread does nothing else meanwhile, so no limit is longer.
pub(super) const MOST: Duration = Duration::from_millis(10);

/// So many finds in a row make one failure forgivable.
const SURE: u8 = 3;

/// Before it looks for the first time so many answers in a row have to come soon; after a failure it
/// waits for twice as many, of which the last so many have to come soon, and for twice as many again
/// after each further failure.
const FIRST_BREAK: u32 = 8;
const LONGEST_BREAK: u32 = 4096;

/// When to look, learned from one connection.
#[derive(Debug)]
pub(super) struct Lookout {
    limit: Duration,
    /// How many failures it takes to stop looking.
    confidence: u8,
    /// What came soon, one after the other, while it did not look.
    soon: u32,
    /// How much has to come before it looks again.
    rest: u32,
    /// The part of that which is not timed: to ask for the time costs more than a lock.
    untimed: u32,
    /// When it went to sleep over something that it expects.
    asleep_since: Option<Instant>,
}

impl Lookout {
    /// Never looks.
    pub(super) fn closed() -> Self {
        Self::new(Duration::ZERO, false)
    }

    /// Looks for so long each time. One that is eager begins at once, else it waits for a reason.
    pub(super) fn new(limit: Duration, eager: bool) -> Self {
        Self {
            limit: limit.min(MOST),
            confidence: u8::from(eager),
            soon: 0,
            rest: FIRST_BREAK,
            untimed: 0,
            asleep_since: None,
        }
    }

    /// How long to look now, if at all.
    pub(super) fn limit(&self) -> Option<Duration> {
        (self.confidence > 0 && !self.limit.is_zero()).then_some(self.limit)
    }

    /// Looking has found something that was not there before.
    pub(super) fn found(&mut self) {
        if self.confidence == SURE {
            self.rest = FIRST_BREAK;
        }
        self.confidence = (self.confidence + 1).min(SURE);
    }

    /// Looking has found nothing.
    pub(super) fn missed(&mut self) {
        self.confidence -= 1;
        if self.confidence == 0 {
            self.soon = 0;
            self.rest = (self.rest * 2).min(LONGEST_BREAK);
            self.untimed = self.rest - FIRST_BREAK;
        }
    }

    /// It goes to sleep and expects something.
    pub(super) fn sleeps(&mut self, now: impl FnOnce() -> Instant) {
        if self.confidence > 0 || self.limit.is_zero() {
            return;
        }
        match self.untimed.checked_sub(1) {
            Some(left) => self.untimed = left,
            None => self.asleep_since = Some(now()),
        }
    }

    /// What it slept over has come.
    pub(super) fn woke(&mut self, now: impl FnOnce() -> Instant) {
        let Some(since) = self.asleep_since.take() else { return };
        if now().saturating_duration_since(since) > SOON {
            self.soon = 0;
            return;
        }
        self.soon += 1;
        if self.soon >= FIRST_BREAK {
            self.confidence = 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_micros(50);

    fn sleep_for(lookout: &mut Lookout, micros: u64) {
        let now = Instant::now();
        lookout.sleeps(|| now);
        lookout.woke(|| now + Duration::from_micros(micros));
    }

    #[test]
    fn one_that_may_not_look_never_does() {
        for mut lookout in [Lookout::closed(), Lookout::new(Duration::ZERO, true)] {
            for _ in 0..100 {
                sleep_for(&mut lookout, 1);
                assert_eq!(lookout.limit(), None);
            }
        }
    }

    #[test]
    fn it_looks_when_answers_have_come_soon_and_stops_when_they_are_late() {
        let mut lookout = Lookout::new(LIMIT, false);
        assert_eq!(lookout.limit(), None);
        for _ in 0..FIRST_BREAK {
            assert_eq!(lookout.limit(), None);
            sleep_for(&mut lookout, 40);
        }
        assert_eq!(lookout.limit(), Some(LIMIT));
        for _ in 0..10 {
            lookout.found();
        }
        for _ in 0..SURE {
            assert_eq!(lookout.limit(), Some(LIMIT));
            lookout.missed();
        }
        assert_eq!(lookout.limit(), None);
        for _ in 0..1000 {
            sleep_for(&mut lookout, 1_000);
            assert_eq!(lookout.limit(), None, "late answers are no reason to look");
        }
    }

    #[test]
    fn where_looking_never_helps_it_costs_less_and_less() {
        let mut lookout = Lookout::new(LIMIT, true);
        let mut looks = 0;
        for _ in 0..100_000 {
            if lookout.limit().is_some() {
                looks += 1;
                lookout.missed();
            }
            // As when both ends share a processor: soon, but only while we sleep.
            sleep_for(&mut lookout, 10);
        }
        assert!((10..=35).contains(&looks), "{looks}");
    }
}
