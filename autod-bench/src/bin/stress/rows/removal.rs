//! The daemon's files are removed while callers come.

use std::time::{Duration, Instant};

use crate::Result;
use crate::call::{Call, Failure};
use crate::caller::Caller;
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, eventually, is_gone};
use crate::setting::Setting;
use crate::tally::Tally;

/// The door: it is made anew by the same daemon, and nobody notices.
pub(crate) fn door(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    let daemon = home.daemon()?;
    let sock = home.place().join("sock");
    let mut removed = 0;
    under_load(setting, &mut tally, &mut ledger, ledger::NONE, &mut |_| {
        removed += usize::from(std::fs::remove_file(&sock).is_ok());
    })?;
    tally.remark(format!("removed {removed} times"));
    tally.expect(home.daemon()? == daemon, || "it is another daemon".to_owned());
    finish(home, &mut tally);
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}

/// The locks or the whole directory: the old daemon ends and does not touch what is not its own any
/// more, a new one takes over. Whoever is caught in between is told and has lost nothing.
pub(crate) fn locks(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    home.daemon()?;
    let permitted = |_: &Call, failure: &Failure| {
        !failure.may_have_executed
            && (failure.kind == "closing"
                || failure.text.contains("was replaced")
                || failure.text.contains("went away before it had handed over"))
    };
    let mut removed = 0;
    under_load(setting, &mut tally, &mut ledger, &permitted, &mut |draw| {
        let place = home.place();
        let done = match draw % 3 {
            0 => std::fs::remove_file(place.join("spawn.lock")),
            1 => std::fs::remove_file(place.join("life.lock")),
            _ => std::fs::remove_dir_all(place),
        };
        removed += usize::from(done.is_ok());
    })?;
    tally.remark(format!("removed {removed} times"));
    finish(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}

/// The daemon's working directory: it serves on; a successor cannot start there, says so, and works
/// once the directory is back.
pub(crate) fn cwd(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let cwd = setting.home.join("cwd");
    let home = setting.home.with("CWD", &cwd.display());
    let calls = setting.size(400, 60);
    for round in 0..setting.rounds(10, 3) {
        std::fs::create_dir(&cwd)?;
        let daemon = home.daemon()?;
        let load = home.with("PAUSE_US", &1000);
        let callers: Vec<_> = (0..3)
            .map(|n| {
                let prefix = format!("w{round}-{n}");
                Caller::spawn(load.fixture(&["reconnect", &prefix, &calls.to_string()]))
            })
            .collect::<Result<_>>()?;
        setting.pause(1, 60);
        std::fs::remove_dir(&cwd)?;
        for caller in callers {
            ledger.enter(&caller.done()?, calls, ledger::NONE, &mut tally);
        }
        tally.expect(home.newest() == Some(daemon), || "it is another daemon".to_owned());
        let stopped = home.run(&["stop"])?;
        tally.expect(stopped.status.success() && is_gone(daemon), || stopped.said());
        let told = |_: &Call, failure: &Failure| {
            failure.kind == "start"
                && !failure.may_have_executed
                && failure.text.contains(&format!("in {}: No such file", cwd.display()))
        };
        let refused = home.run(&["mark", &format!("refused-{round}")])?;
        tally.expect(!refused.stdout.starts_with("answered"), || refused.stdout.clone());
        ledger.enter(&refused, 1, &told, &mut tally);
        std::fs::create_dir(&cwd)?;
        let mended = home.run(&["mark", &format!("mended-{round}")])?;
        ledger.enter(&mended, 1, ledger::NONE, &mut tally);
        home.clear();
        std::fs::remove_dir(&cwd)?;
    }
    ledger::check_only_one(&home, &mut tally);
    ledger.close(&home, &mut tally)?;
    Ok(tally)
}

/// Callers, and meanwhile a fault at random moments.
fn under_load(
    setting: &Setting,
    tally: &mut Tally,
    ledger: &mut Ledger,
    permitted: ledger::Permitted<'_>,
    fault: &mut dyn FnMut(u64),
) -> Result<()> {
    let home = setting.home.with("PAUSE_US", &4000);
    let calls = setting.size(2000, 150);
    let callers: Vec<_> = (0..4)
        .map(|n| {
            let (prefix, calls) = (format!("r{n}"), calls.to_string());
            Caller::spawn(home.fixture(&["reconnect", &prefix, &calls]))
        })
        .collect::<Result<_>>()?;
    let end = Instant::now() + PATIENCE / 2;
    while Instant::now() < end && callers.iter().any(|caller| !is_gone(caller.pid)) {
        setting.pause(20, 150);
        fault(setting.random(crate::random::Random::draw));
    }
    for caller in callers {
        ledger.enter(&caller.done()?, calls, permitted, tally);
    }
    Ok(())
}

/// One daemon is left in the end, and it is the one that answers.
fn finish(home: &Home, tally: &mut Tally) {
    let began = Instant::now();
    let settled =
        eventually(PATIENCE, || home.daemon().is_ok_and(|daemon| home.processes() == [daemon]));
    tally.expect(settled, || format!("left over: {:?}", home.processes()));
    tally.expect(began.elapsed() < Duration::from_secs(10), || {
        format!("one daemon was left only after {:?}", began.elapsed())
    });
}
