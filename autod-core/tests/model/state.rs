//! The state of the small world: names, files, callers and lives, as plain data.
//!
//! Everything that belongs to a caller lies in its [`Client`], its connection too, so that two
//! states which differ only in who is who are one state. What the kernel does with all this is in
//! `kernel`.

pub(crate) const CLIENTS: usize = 3;
pub(crate) const LIVES: usize = 3;

/// A descriptor of one of the lock files, with the generation of the file that it leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Lock {
    #[default]
    Closed,
    Open(u8),
    Held(u8),
}

/// A listening socket: that of a life, or the one that it made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Listener {
    pub(crate) life: u8,
    pub(crate) anew: bool,
}

/// What the name `sock` leads to, or what a look at it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Door {
    /// ENOENT.
    #[default]
    Absent,
    /// ECONNREFUSED.
    Dead,
    Leads(Listener),
}

/// How a caller ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum End {
    Answered,
    /// It was accepted, and the daemon was killed before the answer came.
    MaybeExecuted,
    /// It was accepted, and the daemon left before it took the call: an error, "not executed".
    TurnedAway,
    StartFailed,
    /// The directory was replaced under the caller.
    PlaceReplaced,
    Killed,
}

/// The next step of a caller. The steps themselves say which function they stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Pc {
    #[default]
    Begin,
    Look,
    Join,
    OpenS,
    FlockS,
    VerifyS,
    LookUnderS,
    JoinUnderS,
    Consult,
    OpenA,
    FlockA,
    VerifyA,
    Check,
    Bind,
    Rename,
    Spawn,
    LookOwn,
    JoinOwn,
    Attend,
    CloseCopies,
    RemoveDoor,
    Exchange,
    AwaitReply,
    ReplaceTakeS,
    ReplaceCheck,
    ReplaceSpawn,
    ReplaceSeen,
    ReplaceAsk,
    ReplaceLockA,
    Ended(End),
}

/// How far the daemon is with a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    #[default]
    Absent,
    Queued(Listener),
    /// Accepted by the desk, greeted by a task of its own.
    Taken,
    /// The task has seen that the daemon is ready and is about to write the Accept.
    Admitted,
    Served,
    Executed,
    Replied,
    /// The daemon's end is closed; what was said before can still be read.
    Cut,
    /// Its process was killed.
    CutByKill,
}

/// The last word of a daemon on a connection, but for the Accept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Said {
    #[default]
    Nothing,
    Closing,
    Reject,
    Goodbye,
    Reply,
}

/// A caller's connection; a caller has one at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Conn {
    pub(crate) stage: Stage,
    pub(crate) life: u8,
    /// The Accept is with the kernel.
    pub(crate) accepted: bool,
    pub(crate) said: Said,
    pub(crate) called: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Client {
    pub(crate) pc: Pc,
    pub(crate) s: Lock,
    /// The life lock's file, opened and not locked yet.
    pub(crate) a: u8,
    /// The life that this caller starts.
    pub(crate) starts: Option<u8>,
    /// What its look at the door found.
    pub(crate) found: Door,
    pub(crate) conn: Conn,
    pub(crate) executed: u8,
    /// The generation of the directory that it holds open.
    pub(crate) directory: u8,
    /// A start failed after it had begun, and the starter lives to write that down.
    pub(crate) warned: bool,
    /// It replaces daemons of an older build, once.
    pub(crate) newer: bool,
    /// The life that it met and means to replace.
    pub(crate) met: Option<u8>,
}

/// The next step of a daemon's desk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Desk {
    #[default]
    Free,
    /// The life lock is taken, the process does not exist yet.
    Unborn,
    /// The process runs, somewhere before `run`.
    Spawned,
    /// It has been seen, and has nothing yet.
    Heir,
    Verify,
    Serve,
    IdleLook,
    IdleMark,
    IdleCheck,
    IdleUnlink,
    LeaveMark,
    LeaveTryS,
    LeaveCheck,
    LeaveUnlink,
    Drain,
    FreeS,
    CloseListener,
    Finish,
    AnewTryS,
    AnewCheck,
    AnewPublish,
    AnewServe,
    Dead,
}

/// What the record of the life lock says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Mark {
    #[default]
    Starting,
    Running,
    Draining,
}

/// `session::Phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Phase {
    #[default]
    Starting,
    Ready,
    Failed,
    Leaving,
}

/// What the daemon last told its starter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Status {
    #[default]
    Nothing,
    Seen,
    Ready,
    Failed,
}

/// Who has the open file description of A, and with it the first listener.
pub(crate) const STARTER: u8 = 1;
/// The queue of a socket that the daemon's process alone has.
pub(crate) const FLIGHT: u8 = 2;
pub(crate) const DAEMON: u8 = 4;
/// The queue of the socket that the process has inherited. Main has started a helper, which has a
/// copy of that socket and never ends.
pub(crate) const INHERITED: u8 = 8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(crate) struct Life {
    pub(crate) desk: Desk,
    pub(crate) copies: u8,
    /// The generation of the life lock's file.
    pub(crate) a: u8,
    /// Its description holds the lock.
    pub(crate) locked: bool,
    pub(crate) s: Lock,
    /// The generations of S and of the directory when it moved in.
    pub(crate) s_seen: u8,
    pub(crate) directory: u8,
    pub(crate) mark: Mark,
    pub(crate) phase: Phase,
    pub(crate) status: Status,
    /// The listeners that are open: the inherited one, the one made anew.
    pub(crate) open: [bool; 2],
    /// It has closed its copy of the first, of which others have one.
    pub(crate) left_first: bool,
    /// Which of them it accepts from.
    pub(crate) anew: bool,
    pub(crate) evicted: bool,
    /// Somebody has been accepted by the desk.
    pub(crate) visited: bool,
    pub(crate) newer: bool,
}

/// What may still go wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Faults {
    pub(crate) kills: u8,
    pub(crate) closes: u8,
    pub(crate) removals: u8,
    pub(crate) replacements: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct State {
    pub(crate) clients: [Client; CLIENTS],
    pub(crate) lives: [Life; LIVES],
    pub(crate) door: Door,
    /// The generations of the files that stand at the paths now.
    pub(crate) s: u8,
    pub(crate) a: u8,
    pub(crate) directory: u8,
    /// `failed.json` is there.
    pub(crate) failed: bool,
    pub(crate) faults: Faults,
    /// The rule that the last step broke.
    pub(crate) broken: Option<crate::rules::Rule>,
}

impl State {
    pub(crate) fn client(&mut self, index: usize) -> &mut Client {
        &mut self.clients[index]
    }

    pub(crate) fn life(&mut self, index: u8) -> &mut Life {
        &mut self.lives[usize::from(index)]
    }

    pub(crate) fn life_of(&self, index: u8) -> &Life {
        &self.lives[usize::from(index)]
    }

    /// Callers are interchangeable: one order stands for all.
    pub(crate) fn canonical(mut self) -> Self {
        self.clients.sort_unstable();
        self
    }
}
