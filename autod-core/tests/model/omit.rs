//! The steps of the protocol that can be left out, to see that each is needed.

/// A deliberate omission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Omit {
    /// Nobody compares a lock that it holds with the file at the path.
    VerifyLockIdentity,
    /// A caller that has S does not look at the door again.
    ConnectAgainUnderS,
    /// A starter with S starts whether or not A is held.
    TakeAOfDaemon,
    /// A daemon leaves for want of work without S.
    UnlinkWithoutS,
    /// It looks at its queue no more once it has S.
    AcceptOnceMore,
    /// Those in the queue at the end are not told that the daemon is closing.
    TellTheQueue,
    /// The record of A goes on saying that it runs.
    MarkDraining,
    /// A starter that finds the old daemon draining goes away instead of waiting under S.
    WaitForDraining,
    /// The starter lets go of S as soon as the daemon's process runs.
    StarterKeepsSUntilReady,
    /// The starter looks how the start goes before it connects itself.
    StarterConnectsFirst,
    /// A call is taken before the Accept is written.
    AcceptBeforeDispatch,
    /// A and the listener are sent to a process that has not been seen.
    HandOverAfterSeen,
    /// They are sent through the socket that the process has inherited.
    SocketOfItsOwn,
    /// The starter keeps its copies of A and the listener.
    CloseParentCopies,
    /// A door that was removed is not made anew.
    OpenAnew,
    /// A daemon whose files were replaced goes on.
    LeaveWhenReplaced,
    /// The order to replace is given before the candidate was seen.
    SeenBeforeReplace,
    /// Whoever replaces does not look whose life it ends.
    CheckLifeId,
    /// Whoever replaces lets go of S before the new door is published.
    KeepSUntilPublished,
    /// A process whose starter is gone waits on for what makes it the daemon.
    EndWithStarter,
}
