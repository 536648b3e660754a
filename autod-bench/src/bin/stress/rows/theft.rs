//! A second daemon at the same place, and a stranger who takes the door away.

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Result;
use crate::caller::Caller;
use crate::ledger::{self, Ledger};
use crate::process::{PATIENCE, eventually, is_gone};
use crate::setting::Setting;
use crate::tally::Tally;

/// The second one says that there is a daemon already and exits with 1; the first serves on.
pub(crate) fn second(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    let daemon = home.daemon()?;
    let load = Caller::spawn(home.fixture(&["reconnect", "load", "2000"]))?;
    for round in 0..setting.rounds(50, 5) {
        let second = Caller::spawn(home.fixture(&["foreground"]))?.done()?;
        tally.waited(second.took);
        let clear = second.status.code() == Some(1)
            && second.stderr.contains("already")
            && second.stderr.contains(&format!("pid {daemon}"));
        tally.expect(clear, || format!("{}: {}", second.status, second.said()));
        ledger.enter(&home.run(&["mark", &format!("r{round}")])?, 1, ledger::NONE, &mut tally);
        tally.expect(home.newest() == Some(daemon), || "the first one is gone".to_owned());
    }
    ledger.enter(&load.done()?, 2000, ledger::NONE, &mut tally);
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}

/// The first daemon ends by itself and leaves the stranger's door alone; when the stranger is gone,
/// the next call works.
pub(crate) fn door(setting: &Setting) -> Result<Tally> {
    let (mut tally, mut ledger) = (Tally::default(), Ledger::default());
    let home = &setting.home;
    for round in 0..setting.rounds(30, 4) {
        let daemon = home.daemon()?;
        let sock = home.place().join("sock");
        std::fs::remove_file(&sock)?;
        let Ok(listener) = UnixListener::bind(&sock) else {
            // The daemon was faster and has made a new door.
            continue;
        };
        let is_over = Arc::new(AtomicBool::new(false));
        let thief = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                while let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.write_all(b"220 mail.example ESMTP\r\n");
                    if is_over.load(Ordering::SeqCst) {
                        return;
                    }
                }
            }
        });
        tally.expect(eventually(PATIENCE, || is_gone(daemon)), || {
            format!("round {round}: the robbed daemon stays")
        });
        tally.expect(sock.exists(), || "the stranger's door was removed".to_owned());
        let told = home.run(&["pid"])?;
        tally.expect(told.stderr.contains("does not speak"), || told.said());
        is_over.store(true, Ordering::SeqCst);
        let _ = std::os::unix::net::UnixStream::connect(&sock);
        thief.join().map_err(|_| "the thief panicked")?;
        ledger.enter(&home.run(&["mark", &format!("t{round}")])?, 1, ledger::NONE, &mut tally);
    }
    ledger::check_only_one(home, &mut tally);
    ledger.close(home, &mut tally)?;
    Ok(tally)
}
