//! What kind of failure an error is.

/// The private classification behind the predicates of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The operating system refused something.
    System,
    /// A directory, socket or lock file is not as it must be.
    Place,
    /// The other end belongs to somebody else.
    Denied,
    /// Nothing listens, and the caller asked not to start anything.
    NotRunning,
    /// The other machine could not be reached, or did not let us in.
    Unreachable,
    /// A daemon is there already.
    AlreadyRunning,
    /// The daemon could not be started; the message holds its own words.
    StartFailed,
    /// The other end did not answer within a limit.
    Timeout,
    /// Both ends are healthy but do not speak about the same service.
    Mismatch,
    /// The other end broke the protocol.
    Protocol,
    /// The connection ended.
    Lost,
    /// The daemon is closing and did not take the call.
    Closing,
    /// The call or stream was cancelled.
    Cancelled,
    /// The daemon does not know the method.
    UnknownMethod,
    /// A value could not be encoded or decoded.
    Codec,
    /// A limit was passed.
    Limit,
    /// The handler panicked.
    Panicked,
    /// The service's own error, flattened into text.
    Service,
    /// The program uses the library in a way that cannot work.
    Usage,
}

#[cfg(test)]
impl ErrorKind {
    /// All of them; a new one does not compile before it has its place here.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        use ErrorKind::{
            AlreadyRunning, Cancelled, Closing, Codec, Denied, Limit, Lost, Mismatch, NotRunning,
            Panicked, Place, Protocol, Service, StartFailed, System, Timeout, UnknownMethod,
            Unreachable, Usage,
        };
        let next = |kind: &Self| {
            Some(match kind {
                System => Place,
                Place => Denied,
                Denied => NotRunning,
                NotRunning => Unreachable,
                Unreachable => AlreadyRunning,
                AlreadyRunning => StartFailed,
                StartFailed => Timeout,
                Timeout => Mismatch,
                Mismatch => Protocol,
                Protocol => Lost,
                Lost => Closing,
                Closing => Cancelled,
                Cancelled => UnknownMethod,
                UnknownMethod => Codec,
                Codec => Limit,
                Limit => Panicked,
                Panicked => Service,
                Service => Usage,
                Usage => return None,
            })
        };
        std::iter::successors(Some(System), next)
    }
}
