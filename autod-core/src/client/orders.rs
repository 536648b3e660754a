//! Orders to a running daemon: to end, or to make way for a newer build.
//!
//! They are obeyed whatever version, codec or service the two ends differ in.

use super::Connector;
use super::encounter::{Attempts, Greeted, TRIES, rejected, reported};
use crate::daemon::{Behind, Knock, Patience, Starter, Starting, Succession, wait_until_gone};
use crate::error::Result;
use crate::fault::{self, Point};
use crate::greet::Ear;
use crate::mux::Socket;
use crate::wire::greeting::{Purpose, RejectCode};

impl Connector<'_> {
    /// Ends the daemon that runs and waits until it is gone; one that goes already is waited for as
    /// well. `false` if there is none.
    pub(crate) async fn stop(&self) -> Result<bool> {
        let mut patience = Patience::until(self.deadline);
        let life = loop {
            if let Some(life) = self.life().await? {
                if let Some(mut stream) = self.order(Purpose::Close, life).await? {
                    // The connection ends with the process.
                    Ear::default().hung_up(&mut stream).await;
                }
                break life;
            }
            match Behind::the_door(self.place)? {
                Behind::Nobody => return Ok(false),
                Behind::Leaving(life) => break life,
                // It has a door in a moment, or nobody has.
                Behind::Busy => patience.wait(self.place).await?,
            }
        };
        wait_until_gone(self.place, life, self.deadline).await?;
        Ok(true)
    }

    /// Puts a daemon of our build in the place of the one with this life. `None`: start over.
    pub(super) async fn succeed<'a>(
        &self,
        starter: &mut Starter<'a>,
        life: u64,
        attempts: &mut Attempts,
    ) -> Result<Option<Starting<'a>>> {
        match starter.succeed(life).await? {
            Succession::Again => Ok(None),
            Succession::Ready(candidate) => {
                fault::pass(Point::ReplacerHasSuccessor);
                self.order(Purpose::Replace, life).await?;
                fault::pass(Point::ReplacerOrdered);
                let starting = candidate.move_in().await?;
                if starting.is_none() {
                    attempts.disobeyed += 1;
                    if attempts.disobeyed >= TRIES {
                        return Err(self.unresponsive("does not make way for a newer build"));
                    }
                }
                Ok(starting)
            }
        }
    }

    /// The life of the daemon that runs.
    async fn life(&self) -> Result<Option<u64>> {
        let mut hung_up = 0;
        loop {
            let Some(stream) = self.knock_existing().await? else { return Ok(None) };
            match self.listen(self.probe(stream)?, true).await?.1 {
                Greeted::Accepted(accept) => return Ok(Some(accept.life)),
                Greeted::Rejected(rejection) if rejection.life != 0 => {
                    return Ok(Some(rejection.life));
                }
                Greeted::Rejected(rejection) => return Err(rejected(rejection)),
                Greeted::Reported(_) => return Err(reported()),
                Greeted::Closing => self.check_closing()?,
                Greeted::HungUp => {
                    hung_up += 1;
                    self.check_manners(hung_up)?;
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Orders the daemon of this life to end; gives the connection that ends with it, if it has not
    /// gone already.
    async fn order(&self, purpose: Purpose, life: u64) -> Result<Option<Socket>> {
        let Some(stream) = self.knock_existing().await? else { return Ok(None) };
        let spoken = self.say(stream, purpose, life)?;
        match self.listen(spoken, true).await? {
            (kept, Greeted::Closing) => Ok(Some(kept.stream)),
            (_, Greeted::Rejected(rejection)) if rejection.code != RejectCode::Life => {
                Err(rejected(rejection))
            }
            // It is another one by now, or has hung up on everybody.
            (..) => Ok(None),
        }
    }

    pub(super) async fn knock_existing(&self) -> Result<Option<std::os::unix::net::UnixStream>> {
        loop {
            match self.place.knock()? {
                Knock::Open(stream) => return Ok(Some(stream)),
                Knock::Full => {
                    if let Some(stream) = self.wait_for_room().await? {
                        return Ok(Some(stream));
                    }
                }
                Knock::Absent | Knock::Refused => return Ok(None),
            }
        }
    }
}
