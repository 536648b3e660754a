//! The spinner on a terminal that says how far a start is: [`Bar`] in the place of the plain line.

use std::sync::Arc;

use crate::bar::{Bar, Step};
use crate::client::OnProgress;

/// What a command shows while its daemon starts. Cleared when it is dropped.
pub(crate) struct ProgressLine(Arc<Bar>);

impl ProgressLine {
    pub(crate) fn new(name: &str) -> (Self, OnProgress) {
        let bar = Arc::new(Bar::new(name));
        let shown = Arc::clone(&bar);
        let hear: OnProgress = Arc::new(move |text: &str| {
            shown.show(&Step { text: text.to_owned(), ..Step::default() });
        });
        (Self(bar), hear)
    }
}

impl Drop for ProgressLine {
    /// Whoever hears has the bar too, and may live longer.
    fn drop(&mut self) {
        self.0.clear();
    }
}
