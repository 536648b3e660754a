//! Looking once for what is about to come, where nothing can be learned from what came before.

use std::time::{Duration, Instant};

use super::lookout::MOST;
use super::watch::Looking;

/// Asks for something for so long, and not at all where there is one processor. Whoever else has work
/// for this one goes first each time.
pub(crate) fn glance<T>(limit: Duration, mut find: impl FnMut() -> Option<T>) -> Option<T> {
    if limit.is_zero() {
        return None;
    }
    let _looking = Looking::begin()?;
    let end = Instant::now() + limit.min(MOST);
    loop {
        if let Some(found) = find() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        std::thread::yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_over_when_something_is_found_and_when_nothing_is() {
        let long = Duration::from_secs(20);
        let begun = Instant::now();
        let mut asked = 0;
        let mut third = || {
            asked += 1;
            (asked == 3).then_some(asked)
        };
        let found = glance(long, &mut third);
        // Where there is one processor nobody asks.
        assert!(found == Some(3) || asked == 0);
        assert_eq!(glance(Duration::from_micros(1), || None::<()>), None);
        assert!(begun.elapsed() < long / 2);
    }

    #[test]
    fn without_time_nothing_is_asked() {
        assert_eq!(glance(Duration::ZERO, || -> Option<()> { panic!("it was asked") }), None);
    }
}
