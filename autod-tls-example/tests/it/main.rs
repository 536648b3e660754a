//! The replicas as processes, over real sockets.

mod authority;
mod drain;
mod running;
mod strangers;
