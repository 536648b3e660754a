//! The bar on a terminal that says how far a start is, or the spinner if the start does not know: [`Bar`] in
//! the place of the plain line.

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
            shown.show(&step(text));
        });
        (Self(bar), hear)
    }
}

/// A text that ends in `3/10` is so far.
fn step(text: &str) -> Step {
    let (words, last) = text.rsplit_once(' ').unwrap_or(("", text));
    let parts = last.split_once('/').map(|(done, total)| (done.parse().ok(), total.parse().ok()));
    match parts {
        Some((Some(done), Some(total))) if done <= total && total > 0 => {
            Step { done, total: Some(total), text: words.to_owned() }
        }
        _ => Step { text: text.to_owned(), ..Step::default() },
    }
}

impl Drop for ProgressLine {
    /// Whoever hears has the bar too, and may live longer.
    fn drop(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_knows_its_fraction_is_a_step() {
        let of = |done, total, text: &str| Step { done, total: Some(total), text: text.to_owned() };
        assert_eq!(step("indexing 3/10"), of(3, 10, "indexing"));
        assert_eq!(step("reading src/lib.rs 0/1"), of(0, 1, "reading src/lib.rs"));
        assert_eq!(step("10/10"), of(10, 10, ""));
        for text in
            ["", "indexing", "half 1/2 done", "1/0", "3/2", "a/b", "1/-2", "src/lib.rs", "1/2/3"]
        {
            assert_eq!(step(text), Step { text: text.to_owned(), ..Step::default() }, "{text}");
        }
    }
}
