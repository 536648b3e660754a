//! Bars for people who wait. They are on standard error, and only if that is a terminal: on a pipe
//! nothing is written.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::stream::{Stream, StreamExt as _, poll_fn};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a bar moves while nothing is heard.
const TURN: Duration = Duration::from_millis(100);

/// How far some work is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// So much is done, in any unit.
    pub done: u64,
    /// Of so much; `None` if nobody knows, which shows as a spinner.
    pub total: Option<u64>,
    /// What is being done, in a few words. It is cut to the width of the terminal.
    pub text: String,
}

/// A bar on standard error, if that is a terminal. It goes when it is dropped.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar of this name. It is seen from the first [`show`](Self::show) on.
    pub fn new(name: &str) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        // Setting it would draw, in a style that is not ours.
        Self(bar.with_prefix(one_line(name)))
    }

    /// Shows that the work is so far. Never waits, and cannot fail: a terminal that is gone shows
    /// nothing.
    pub fn show(&self, step: &Step) {
        if self.0.is_hidden() {
            return;
        }
        let template = match step.total {
            Some(_) => "{prefix} [{bar:24}] {pos}/{len} {wide_msg}",
            None => "{spinner} {prefix}: {wide_msg}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style.tick_chars("-\\|/ ").progress_chars("=> "));
        }
        match step.total {
            Some(total) => self.0.set_length(total),
            None => self.0.unset_length(),
        }
        self.0.set_position(step.done);
        self.0.set_message(one_line(&step.text));
        // Once more does nothing.
        self.0.enable_steady_tick(TURN);
    }

    /// Takes the bar away for good.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }

    /// The items of a stream as they come, shown as the steps that `step` makes of them. The bar goes
    /// at the end of the stream, or when it is dropped.
    pub fn follow<S: Stream>(
        self,
        stream: S,
        mut step: impl FnMut(&S::Item) -> Step,
    ) -> impl Stream<Item = S::Item> {
        let bar = Arc::new(self);
        let last = Arc::clone(&bar);
        let end = poll_fn(move |_| {
            last.clear();
            Poll::Ready(None)
        });
        stream.inspect(move |item| bar.show(&step(item))).chain(end)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Without what a terminal would act on.
fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
#[path = "bar_tests.rs"]
mod tests;
