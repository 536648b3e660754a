//! What happens when a caller meets a daemon of another build.

use crate::identity::Build;

/// What a caller does when the running daemon is of another build than its own.
///
/// Builds are ordered by their version ([`Daemon::version`](crate::Daemon::version)), and builds of
/// one version by the age of their file. The same file is the same build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Upgrade {
    /// A newer build ends the older daemon and starts its own; an older one uses the newer daemon
    /// if the service has the same shape, else it is an error. A process does this at most once,
    /// and only when it connects for the first time.
    ///
    /// The old daemon answers the calls that run, ends its streams, and hands on what
    /// [`Daemon::snapshot`](crate::Daemon::snapshot) makes; other state in memory ends with it.
    #[default]
    Restart,
    /// Each build has a daemon of its own. Has no effect together with
    /// [`Daemon::sockfile`](crate::Daemon::sockfile): there it is [`Compatible`](Self::Compatible).
    Coexist,
    /// Any build may use the daemon if the service has the same shape, else it is an error.
    Compatible,
    /// Another build is an error.
    Refuse,
}

/// What to do about a daemon that was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Use,
    Replace,
    Refuse,
}

impl Upgrade {
    /// Judges the daemon's build. `may_replace` is false for whoever had its chance, `same_shape`
    /// tells whether the fingerprints of the service are equal.
    pub(crate) fn judge(
        self,
        ours: &Build,
        theirs: &Build,
        same_shape: bool,
        may_replace: bool,
    ) -> Verdict {
        match self {
            Self::Restart if may_replace && ours.is_newer_than(theirs) => Verdict::Replace,
            Self::Refuse if ours != theirs => Verdict::Refuse,
            _ if same_shape => Verdict::Use,
            _ => Verdict::Refuse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Upgrade::{Coexist, Compatible, Refuse, Restart};
    use super::Verdict::{Refuse as No, Replace, Use};
    use super::*;

    #[test]
    fn every_policy_judges_every_case() {
        let old = Build::parse("1.0.0@1.1.1.1");
        let new = Build::parse("1.0.0@1.2.2.1");
        // policy, ours, theirs, same shape, may replace
        for (policy, ours, theirs, same, may, verdict) in [
            (Restart, &new, &old, true, true, Replace),
            (Restart, &new, &old, false, true, Replace),
            (Restart, &new, &old, true, false, Use),
            (Restart, &new, &old, false, false, No),
            (Restart, &old, &new, true, true, Use),
            (Restart, &old, &new, false, true, No),
            (Restart, &old, &old, true, true, Use),
            (Compatible, &new, &old, true, true, Use),
            (Compatible, &new, &old, false, true, No),
            (Coexist, &new, &old, true, true, Use),
            (Coexist, &new, &old, false, true, No),
            (Refuse, &new, &old, true, true, No),
            (Refuse, &old, &old, true, true, Use),
        ] {
            let judged = policy.judge(ours, theirs, same, may);
            assert_eq!(judged, verdict, "{policy:?} {ours} {theirs} {same} {may}");
        }
    }
}
