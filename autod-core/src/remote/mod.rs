//! A daemon on another machine, reached by running its own program there through the user's `ssh`.
//!
//! The program there becomes a bridge: it connects to its daemon, starting it if it has to, and
//! joins its standard input and output to that connection. What goes over them travels in packets,
//! so that the output of a shell's profile cannot pass for it, and a link that is dead is noticed by
//! both ends. Who may log in, and how, is ssh's business; this module knows nothing of it.

mod bridge;
mod command;
mod dial;
mod distant;
mod explain;
mod packet;
mod pump;
mod request;
mod ssh;

pub use command::{relay, run_there};
pub use distant::Distant;
pub use request::is_bridge;
pub(crate) use request::{Way, check_unasked, daemon_variable, forget_variable};
pub use ssh::Ssh;
