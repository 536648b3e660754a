use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::process::{Command, Stdio};

use futures_util::FutureExt as _;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::*;

const SHOWS: &str = "AUTOD_TEST_SHOWS_BAR";

/// The process of the tests below.
#[test]
fn shows_a_bar_if_told_to() {
    if std::env::var_os(SHOWS).is_none() {
        return;
    }
    let start = Bar::new("sta\nrt");
    start.show(&Step { text: "reading \x1b[2Jthe index".to_owned(), ..Step::default() });
    drop(start);
    let step = |done: &u64| Step { done: *done, total: Some(4), text: format!("part {done}") };
    let mut items = pin!(Bar::new("copy").follow(futures_util::stream::iter(1..=4_u64), step));
    let mut sum = 0;
    while let Some(item) = items.next().now_or_never().expect("it is there") {
        sum += item;
        // A bar is not drawn more often than twenty times a second.
        std::thread::sleep(TURN * 2);
    }
    // The stream is not dropped yet.
    eprintln!("sum={sum}");
}

fn command() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "bar::tests::shows_a_bar_if_told_to", "--nocapture"])
        .env(SHOWS, "1")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    command
}

#[test]
fn a_terminal_shows_a_bar_that_goes() {
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap().into_string().unwrap();
    let terminal = std::fs::File::options().read(true).write(true).open(name).unwrap();
    let size = rustix::termios::Winsize { ws_row: 24, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&terminal, size).unwrap();
    let mut child = command().stderr(Stdio::from(OwnedFd::from(terminal))).spawn().unwrap();
    let mut bytes = Vec::new();
    // The last writer's end is an error of its own on a terminal.
    let _ = std::fs::File::from(control).read_to_end(&mut bytes);
    assert!(child.wait().unwrap().success());
    let text = String::from_utf8(bytes).unwrap();
    for words in ["start: reading [2Jthe index", "copy [", "/4 part"] {
        assert!(text.contains(words), "{words} is missing in {text:?}");
    }
    assert!(!text.contains('░'), "nothing is seen before the first step: {text:?}");
    assert!(!text.contains("\x1b[2J"), "it cannot clear the screen: {text:?}");
    let (before, _) = text.rsplit_once("sum=10").expect("all items have come");
    assert!(before.ends_with("\x1b[2K"), "the line is clear at the end: {text:?}");
}

#[test]
fn a_pipe_has_nothing_of_it() {
    let output = command().stderr(Stdio::piped()).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "sum=10\n");
}
