//! What somebody is told who asks whether a session would be accepted now.

use super::Shop;
use crate::handle::Phase;
use crate::wire::greeting::{Answer, Hello, RejectCode};

impl Shop {
    /// The answer of this moment; nobody waits for it.
    pub(super) fn readiness(&self, hello: &Hello) -> Answer {
        if self.server.daemon.is_leaving() {
            return Answer::Closing;
        }
        match &*self.server.daemon.phase().borrow() {
            Phase::Ready(_) => self.accept(hello),
            Phase::Starting(progress) => Answer::Wait(progress.clone()),
            Phase::Failed(text) => self.reject(RejectCode::StartFailed, text.clone()),
            Phase::Leaving => Answer::Closing,
        }
    }
}
