//! 50 callers of a daemon that is stopped, with an empty queue and with a full one: continued, it
//! answers all of them; not continued, they say which process does not answer. Never a second
//! daemon.

use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::Signal;

use crate::Result;
use crate::barrier::at_once;
use crate::home::Home;
use crate::ledger::{self, Ledger};
use crate::process::{kill, stop};
use crate::setting::Setting;
use crate::tally::Tally;

/// More than any queue is long.
const ENOUGH: usize = 200_000;

pub(crate) fn run(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    let callers = setting.size(50, 12);
    let daemon = home.daemon()?;
    for round in 0..setting.rounds(4, 2) {
        let full = round % 2 == 1;
        tally.expect(stop(daemon), || "it cannot be stopped".to_owned());
        if full {
            let queued = fill(&home.place().join("sock"))?;
            tally.remark(format!("a queue of {queued} was filled"));
        }
        not_continued(home, callers, daemon, &mut tally)?;
        let commands = (0..callers).map(|n| home.fixture(&["mark", &format!("b{round}-{n}")]));
        let waiting = at_once(commands)?;
        std::thread::sleep(Duration::from_millis(500));
        kill(daemon, Signal::CONT);
        for caller in waiting {
            ledger.enter(&caller.done()?, 1, ledger::NONE, &mut tally);
        }
        tally.expect(home.daemon()? == daemon, || "it is another daemon".to_owned());
    }
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    tally.expect(tally.daemons == 1, || "a busy daemon was replaced".to_owned());
    Ok(tally)
}

/// Callers with little patience.
fn not_continued(home: &Home, callers: usize, daemon: u32, tally: &mut Tally) -> Result<()> {
    let home = home.with("SILENCE", &300).with("CONNECT", &800);
    for caller in at_once((0..callers).map(|_| home.fixture(&["mark", "never"])))? {
        let done = caller.done()?;
        tally.calls += 1;
        let clear = done.calls().next().and_then(|call| call.failure).is_some_and(|failure| {
            failure.kind == "timeout"
                && !failure.may_have_executed
                && failure.text.contains(&format!("kill {daemon}"))
        });
        tally.told += usize::from(clear);
        tally.expect(clear, || format!("not a clear timeout: {} {}", done.stdout, done.said()));
        tally.expect(done.took < Duration::from_secs(10), || {
            format!("the timeout took {:?}", done.took)
        });
    }
    Ok(())
}

/// Connects and hangs up until there is no room any more.
fn fill(sock: &Path) -> Result<usize> {
    let address = SocketAddrUnix::new(sock)?;
    for count in 0..ENOUGH {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &address) {
            Ok(()) => {}
            Err(Errno::AGAIN) => return Ok(count),
            Err(error) => return Err(error.into()),
        }
    }
    Err("the queue has no end".into())
}
