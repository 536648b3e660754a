//! Who says who is at the other end of a connection.

use crate::daemon::Peer;

/// Who says who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Voucher {
    /// The kernel: a process of this machine, of our user or of root.
    Kernel(Peer),
    /// The server of a login.
    Login {
        /// The name of the user that logged in.
        user: String,
    },
    /// The authority that signed the other end's certificate.
    Certificate {
        /// Whom the certificate names.
        subject: String,
    },
    /// Nobody: whoever reaches the transport is let in.
    Nobody,
}
