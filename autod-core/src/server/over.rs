//! Connections that somebody else has accepted, over any byte stream.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};

use super::Shop;
use super::reception::{Admission, Open};
use crate::error::Result;
use crate::greet::{self, Ear};
use crate::mux::Foreign;
use crate::voucher::Voucher;
use crate::wire::greeting::RejectCode;

impl Shop {
    /// Greets and serves one connection; returns when it has ended.
    pub(crate) async fn serve_over<T>(self: &Arc<Self>, io: T, voucher: Voucher) -> Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        self.tasks.track_future(self.attend(Foreign::new(io), voucher)).await
    }

    async fn attend<T>(self: &Arc<Self>, mut stream: Foreign<T>, voucher: Voucher) -> Result<()>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let connected = self.server.daemon.lease().connect();
        let mut open = Open::count(self);
        let mut ear = Ear::default();
        match self.admit(&mut stream, &mut ear, connected, &mut open, &voucher).await? {
            // It counts as a user of the daemon until it has ended.
            Admission::Session(hello, host, _connected, registered) => {
                self.serve(stream, voucher, hello, ear, &registered, &*host).await
            }
            Admission::Order(_) => {
                let text =
                    "the daemon takes orders and questions on its own socket only".to_owned();
                let answer = self.reject(RejectCode::Other, text);
                greet::say(&mut stream, &answer, self.server.limits.handshake).await
            }
            Admission::None => Ok(()),
        }
    }
}
