//! Who says who is at the other end of a connection.

use crate::daemon::Peer;

/// Who says who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Voucher {
    /// The kernel: the caller is a process of this machine, of our user or of root.
    Kernel(Peer),
    /// The server of a login, such as sshd: the caller is on another machine, and came through a
    /// bridge that the login has started.
    ///
    /// The kernel proves `bridge` and its uid, which is the user that the login became; decide by
    /// that. `user` is the name that the login's environment gives, which any process of that user
    /// could have set; so could it have come without saying that it is a bridge.
    Login {
        /// The name of the user that logged in; empty if the login gives none.
        user: String,
        /// The process of this machine that stands for the caller.
        bridge: Peer,
    },
    /// The authority that signed the other end's certificate.
    Certificate {
        /// Whom the certificate names.
        subject: String,
    },
    /// Nobody: whoever reaches the transport is let in.
    Nobody,
}

impl Voucher {
    /// The same, for a caller who says that it stands for the login of somebody else.
    pub(crate) fn of_login(self, user: Option<&str>) -> Self {
        match (self, user) {
            (Self::Kernel(bridge), Some(user)) => Self::Login { user: user.to_owned(), bridge },
            (voucher, _) => voucher,
        }
    }
}
