//! What must never be seen.

use crate::state::{Client, Desk, Door, End, Pc, Phase, STARTER, Stage, State};
use crate::world::World;

/// A rule, by what breaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Two daemons serve for the same file of A.
    TwoServe,
    ExecutedTwice,
    ExecutedWithoutAccept,
    /// A caller's last word does not fit what was done for it.
    WrongWord,
    /// It ended in a way that nothing which happened can explain.
    WrongEnd,
    LostWithoutAKill,
    /// A is held and the daemon's process is dead.
    LostA,
    /// The door was published or removed without S and A.
    DoorTouchedWithoutLocks,
    /// It was, or was about to be, with locks that are not those at the paths.
    TouchedWithReplacedLocks,
    /// Somebody listens at the door although both locks were free.
    DoorWithoutLocks,
    /// A caller goes to sleep although the door was open all the time that it had S.
    NapAtOpenDoor,
    /// A caller goes to sleep for a daemon that is leaving.
    NapForLeaver,
    /// A daemon left without serving the one that had started it.
    StartedInVain,
    /// A caller that was due the error of a failed start started once more.
    StartedAgain,
    /// A daemon was replaced by its own build.
    ReplacedOwnBuild,
    /// A daemon was sent away for a candidate that never came to life.
    ReplacedForNothing,
    /// More daemons at once than the world has room for.
    TooManyLives,
    /// Without further faults, somebody waits for ever.
    Stuck,
}

impl State {
    /// The rule that this state breaks, however it came about.
    pub(crate) fn broken_by_itself(&self, world: &World) -> Option<Rule> {
        let serving = (0..).zip(&self.lives).filter(|(index, life)| {
            let busy = |client: &Client| {
                client.conn.life == *index
                    && matches!(client.conn.stage, Stage::Served | Stage::Executed)
            };
            life.is_moved_in()
                && life.a == self.a
                && (life.phase == Phase::Ready || self.clients.iter().any(busy))
        });
        if serving.count() > 1 {
            return Some(Rule::TwoServe);
        }
        for (index, life) in (0..).zip(&self.lives) {
            // A starter that has not handed over, or just has, is about to close it.
            let closing = |client: &Client| {
                client.starts == Some(index)
                    && life.copies & STARTER != 0
                    && client.pc.is_of_a_start()
            };
            if life.desk == Desk::Dead && life.locked && !self.clients.iter().any(closing) {
                return Some(Rule::LostA);
            }
        }
        let wrong = |client: &Client| match client.pc {
            Pc::Ended(end) => !world.permits(end),
            _ => false,
        };
        self.clients.iter().any(wrong).then_some(Rule::WrongEnd)
    }

    /// A good end: all callers have their answer, and whoever lives serves at the door.
    pub(crate) fn is_over(&self) -> bool {
        let mut lives = (0..).zip(&self.lives);
        self.clients.iter().all(|client| matches!(client.pc, Pc::Ended(_)))
            && lives.all(|(index, life)| {
                let at_door = matches!(self.door, Door::Leads(door) if door.life == index);
                match life.desk {
                    Desk::Free | Desk::Dead => true,
                    Desk::Serve => at_door && life.phase == Phase::Ready && life.a == self.a,
                    _ => false,
                }
            })
    }
}

impl Pc {
    /// Between taking A and knowing how the start went.
    fn is_of_a_start(self) -> bool {
        matches!(
            self,
            Self::Check
                | Self::Bind
                | Self::Rename
                | Self::Spawn
                | Self::LookOwn
                | Self::JoinOwn
                | Self::Attend
                | Self::CloseCopies
                | Self::RemoveDoor
        )
    }
}

impl World {
    fn permits(&self, end: End) -> bool {
        let faults = self.faults;
        match end {
            End::Answered => true,
            End::Killed | End::MaybeExecuted => faults.kills > 0,
            End::TurnedAway => faults.closes > 0 || faults.replacements > 0 || self.newer > 0,
            End::StartFailed => faults.kills > 0 || faults.replacements > 0 || self.failing,
            End::PlaceReplaced => faults.replacements > 0,
        }
    }
}
