//! A terminal with a shell in it, whose keys a test presses.

use std::cell::Cell;

use crate::world::{World, eventually, out};

/// A terminal with a shell in it.
pub(crate) struct Terminal<'a> {
    world: &'a World,
    lines: Cell<u32>,
}

impl<'a> Terminal<'a> {
    pub(crate) fn open(world: &'a World, columns: u16, rows: u16) -> Self {
        Self::with_shell(world, columns, rows, &["env", "PS1=$ ", "sh"])
    }

    pub(crate) fn with_shell(world: &'a World, columns: u16, rows: u16, shell: &[&str]) -> Self {
        let terminal = Self { world, lines: Cell::new(0) };
        let size = [columns.to_string(), rows.to_string()];
        let words = ["-f", "/dev/null", "new-session", "-d", "-x", &size[0], "-y", &size[1]];
        terminal.tmux(&[&words[..], shell].concat());
        terminal
    }

    #[track_caller]
    pub(crate) fn tmux(&self, words: &[&str]) -> String {
        let mut command = self.world.command("tmux");
        command.arg("-S").arg(self.world.join("tmux.sock")).args(words);
        out(command.env_remove("TMUX").env_remove("NO_COLOR").env("TERM", "xterm"))
    }

    #[track_caller]
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    #[track_caller]
    pub(crate) fn shown(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    #[track_caller]
    pub(crate) fn shows(&self, text: &str) {
        let mut last = String::new();
        eventually(text, || {
            last = self.shown();
            last.contains(text) || {
                assert!(!last.contains("panicked"), "{last}");
                false
            }
        });
    }

    /// Runs a command of the shell, whose end is seen by a line of its own in a file.
    #[track_caller]
    pub(crate) fn runs(&self, command: &str) -> String {
        let number = self.lines.get() + 1;
        self.lines.set(number);
        let [result, done] = ["out", "done"].map(|kind| self.world.join(format!("{kind}{number}")));
        let line = format!("{command} > {}; touch {}", result.display(), done.display());
        self.press(&[&line, "Enter"]);
        eventually(command, || done.exists());
        std::fs::read_to_string(result).expect("what it said")
    }
}
