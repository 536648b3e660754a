//! Asking a daemon about itself.

use super::Connector;
use super::encounter::Greeted;
use crate::daemon::Knock;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::greeting::Purpose;

/// How a daemon takes a question.
#[derive(Debug)]
pub(crate) enum Asked {
    /// Its answer, as JSON.
    Report(String),
    /// It cannot be asked, and says why.
    Rejected(String),
    Closing,
    HungUp,
}

impl Connector<'_> {
    /// Asks once. `None`: nobody listens.
    pub(crate) async fn ask(&self, question: &str) -> Result<Option<Asked>> {
        let stream = match self.place.knock()? {
            Knock::Open(stream) => stream,
            Knock::Full => match self.wait_for_room().await? {
                Some(stream) => stream,
                None => return Ok(None),
            },
            Knock::Absent | Knock::Refused => return Ok(None),
        };
        let mut hello = self.introduction().hello(Purpose::Control, 0);
        question.clone_into(&mut hello.control);
        let spoken = self.say_hello(stream, &hello)?;
        Ok(Some(match self.listen(spoken, true).await?.1 {
            Greeted::Reported(report) => Asked::Report(report),
            Greeted::Rejected(rejection) => Asked::Rejected(rejection.text),
            Greeted::Closing => Asked::Closing,
            Greeted::HungUp => Asked::HungUp,
            Greeted::Accepted(_) => {
                let text = "the daemon takes a question for a call; it does not speak the protocol";
                return Err(Error::new(ErrorKind::Protocol, text));
            }
        }))
    }
}
