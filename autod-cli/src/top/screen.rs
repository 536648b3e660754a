//! The terminal while the view is on it. It is given back as it was, whatever ends the view.

use std::io::{self, Stdout};
use std::panic;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{self, Event};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use tokio::sync::mpsc::{Receiver, channel};

/// So many events wait at most; more stay in the terminal.
const EVENTS: usize = 64;

pub(crate) struct Screen {
    pub(crate) terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Screen {
    pub(crate) fn enter() -> io::Result<Self> {
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        // What a panic says is to be read on the screen that stays.
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            leave();
            before(panic);
        }));
        enable_raw_mode()?;
        // From here on it is left when this is dropped.
        let screen = Self { terminal };
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Does no harm when it is done twice. A terminal that is gone needs nothing.
fn leave() {
    let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}

/// What comes from the terminal, read by a thread until nobody takes it any more or it fails.
pub(crate) fn events() -> io::Result<Receiver<io::Result<Event>>> {
    let (said, heard) = channel(EVENTS);
    let thread = std::thread::Builder::new().name("autod-keys".to_owned());
    thread.spawn(move || {
        loop {
            let event = event::read();
            let is_over = event.is_err();
            if said.blocking_send(event).is_err() || is_over {
                return;
            }
        }
    })?;
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::OwnedFd;
    use std::process::{Command, Stdio};

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::tcgetattr;

    use super::*;

    const PANICS: &str = "AUTOD_TEST_PANICS_ON_SCREEN";

    /// The process of the test below.
    #[test]
    fn panics_on_the_screen_if_told_to() {
        if std::env::var_os(PANICS).is_some() {
            let _screen = Screen::enter().unwrap();
            panic!("this is to be read");
        }
    }

    #[test]
    fn a_panic_is_read_on_the_screen_that_stays() {
        let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&control).unwrap();
        unlockpt(&control).unwrap();
        let name = ptsname(&control, Vec::new()).unwrap().into_string().unwrap();
        let open =
            || OwnedFd::from(std::fs::File::options().read(true).write(true).open(&name).unwrap());
        let terminal = open();
        let modes = || {
            let modes = tcgetattr(&terminal).unwrap();
            (modes.input_modes, modes.output_modes, modes.control_modes, modes.local_modes)
        };
        let before = modes();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "top::screen::tests::panics_on_the_screen_if_told_to", "--nocapture"])
            .env(PANICS, "1")
            .stdin(Stdio::from(open()))
            .stdout(Stdio::from(open()))
            .stderr(Stdio::from(open()));
        let mut child = command.spawn().unwrap();
        drop(command);
        assert!(!child.wait().unwrap().success());
        assert_eq!(modes(), before);
        drop(terminal);
        let mut bytes = Vec::new();
        // The last writer's end is an error of its own on a terminal.
        let _ = std::fs::File::from(control).read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let at =
            |words: &str| text.find(words).unwrap_or_else(|| panic!("no {words:?} in {text:?}"));
        assert!(at("\x1b[?1049h") < at("\x1b[?1049l"), "{text:?}");
        assert!(at("\x1b[?1049l") < at("this is to be read"), "{text:?}");
        assert!(at("\x1b[?25l") < at("\x1b[?25h"), "{text:?}");
    }
}
