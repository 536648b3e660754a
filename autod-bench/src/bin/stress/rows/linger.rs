//! Callers that come while the daemon is about to go: nothing is lost, never two daemons.
//!
//! Twice: once without a pause between the calls of a caller, once with pauses around the linger,
//! so that the daemon goes as often as it can.

use crate::Result;
use crate::caller::Caller;
use crate::ledger::{self, Ledger};
use crate::setting::Setting;
use crate::tally::Tally;

pub(crate) fn two_ms(setting: &Setting) -> Result<Tally> {
    let calls = setting.size(200, 50);
    run(setting, 8, calls, 2_000)
}

pub(crate) fn half_ms(setting: &Setting) -> Result<Tally> {
    let calls = setting.size(1000, 100);
    run(setting, 3, calls, 500)
}

fn run(setting: &Setting, callers: usize, calls: usize, linger_us: u64) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let seed = setting.random(crate::random::Random::draw) >> 1;
    let home = setting.home.with("AUTOCLOSE_US", &linger_us).with("SEED", &seed);
    let mut before = 0;
    for pause in [0, 3 * linger_us, 20 * linger_us] {
        let home = home.with("PAUSE_US", &pause);
        let callers: Vec<_> = (0..callers)
            .map(|n| {
                let (prefix, calls) = (format!("{pause}-{n}"), calls.to_string());
                Caller::spawn(home.fixture(&["reconnect", &prefix, &calls]))
            })
            .collect::<Result<_>>()?;
        for caller in callers {
            ledger.enter(&caller.done()?, calls, ledger::NONE, &mut tally);
        }
        let daemons = home.starts().pids.len();
        tally.remark(format!("pauses up to {pause} us: {} daemons", daemons - before));
        before = daemons;
    }
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    Ok(tally)
}
