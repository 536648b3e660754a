//! The replicas as processes, over real sockets.

mod authority;
mod balanced;
mod drain;
mod running;
mod strangers;
