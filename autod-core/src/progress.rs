//! The line on a terminal that says how far a start is.
//!
//! It is there only while somebody waits: on a pipe, and after the connection stands, nothing is
//! written.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::client::OnProgress;

const FRAMES: [char; 4] = ['-', '\\', '|', '/'];

/// Clears the line and goes back to its beginning.
const CLEAR: &str = "\r\x1b[2K";

/// What a command shows while its daemon starts. Cleared when it is dropped.
pub(crate) struct ProgressLine(Arc<AtomicUsize>);

impl ProgressLine {
    /// A line on standard error, if that is a terminal when there is something to show.
    pub(crate) fn new(name: &str) -> (Self, OnProgress) {
        let shown = Arc::new(AtomicUsize::new(0));
        let (count, name) = (Arc::clone(&shown), name.to_owned());
        let hear: OnProgress = Arc::new(move |text: &str| {
            let mut stderr = std::io::stderr();
            if stderr.is_terminal() {
                let frame = FRAMES[count.fetch_add(1, Ordering::Relaxed) % FRAMES.len()];
                // A terminal that is gone is no reason to fail.
                let _ = write!(stderr, "{CLEAR}{frame} {name}: {}", one_line(text));
            }
        });
        (Self(shown), hear)
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.0.load(Ordering::Relaxed) > 0 {
            let _ = write!(std::io::stderr(), "{CLEAR}");
        }
    }
}

/// What fits into a narrow terminal, without characters that would act on it.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_act_on_the_terminal() {
        assert_eq!(one_line("half\x1b[2J\nway"), "half[2Jway");
        assert_eq!(one_line(&"x".repeat(100)).len(), 60);
    }
}
