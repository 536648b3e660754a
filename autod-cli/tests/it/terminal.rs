//! Colours and widths, on a terminal and elsewhere.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::world::{World, out};

/// What a command prints on a terminal of so many columns, which does well.
fn on_terminal(command: &mut Command, columns: u16) -> String {
    let (code, text) = on_terminal_with_code(command, columns);
    assert_eq!(code, Some(0));
    text
}

/// The exit code of a command, and what it prints and says on a terminal of so many columns.
pub(crate) fn on_terminal_with_code(command: &mut Command, columns: u16) -> (Option<i32>, String) {
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap().into_string().unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = std::fs::File::options().read(true).write(true).open(name).unwrap();
    tcsetwinsize(&terminal, size).unwrap();
    let both = [terminal.try_clone().unwrap(), terminal].map(|end| Stdio::from(OwnedFd::from(end)));
    let [stdout, stderr] = both;
    let mut child = command.stdout(stdout).stderr(stderr).spawn().unwrap();
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut text = Vec::new();
    // The last writer's end is an error of its own on a terminal.
    let _ = std::fs::File::from(control).read_to_end(&mut text);
    let code = child.wait().unwrap().code();
    (code, String::from_utf8(text).unwrap().replace('\r', ""))
}

#[test]
fn colours_and_widths_follow_the_terminal() {
    let world = World::new();
    world.daemon();
    out(&mut world.fixture(&["hold", "600000"]));
    let ps = |set: &[(&str, &str)]| {
        let mut command = world.autod(&["ps"]);
        command.env("TERM", "xterm").env_remove("NO_COLOR").envs(set.iter().copied());
        command
    };
    let row = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("fixture ")).unwrap();
        line.to_owned()
    };
    let wide = on_terminal(&mut ps(&[]), 400);
    assert!(row(&wide).contains("\x1b[32mready\x1b[0m"), "{wide:?}");
    for set in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let plain = on_terminal(&mut ps(&[set]), 400);
        assert!(!plain.contains('\x1b') && row(&plain).contains(" ready "), "{plain:?}");
    }
    // It is set, and says nothing.
    assert!(on_terminal(&mut ps(&[("NO_COLOR", "")]), 400).contains('\x1b'));
    let piped = out(&mut ps(&[]));
    assert!(!piped.contains('\x1b') && row(&piped).ends_with("a test asked for it"), "{piped}");
    let narrow = on_terminal(&mut ps(&[("NO_COLOR", "1")]), 64);
    assert!(!narrow.contains("VERSION") && row(&narrow).ends_with("asked for it"), "{narrow}");
    let narrow = row(&on_terminal(&mut ps(&[("NO_COLOR", "1")]), 50));
    assert!(narrow.ends_with('…'), "{narrow}");
}
