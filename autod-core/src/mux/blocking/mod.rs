//! A connection that is driven by the threads that use it: no runtime, no thread of its own. Those
//! that are made again are driven in the `background`, and the threads that use them only wait.
//!
//! The state and the machines of calls and streams are those of the async client; only what polls
//! them and what touches the socket is here. A thread that waits for something either reads for all
//! of them, or sleeps until its own part has come or the reader's place is handed to it (`desk`).
//! Each thread writes what it has to say itself (`writer`).
//!
//! **No wake-up is lost.** A thread polls its machine, which leaves a waker under the connection's
//! lock, and only then looks for something to wait at:
//!
//! - What comes over the socket is taken by the reader. There is one as long as anybody waits: the
//!   place is handed on under the lock under which the others line up, and whoever gets it is awake.
//! - A waker that fires in between is a flag of the thread's `seat`, which is looked at under its
//!   own lock before the thread sleeps.
//! - A reader that sits in `recv` hears no waker. That is allowed when nothing but the socket can
//!   bring what it waits for. A caller in the line for a free slot waits for other threads, so while
//!   there is a line the reader waits for its bell too.
//! - Who waits has handed all that it had to say to the kernel, or waits for the kernel to take it,
//!   too. Meanwhile somebody reads, so that two ends that are busy writing do not wait for each
//!   other.
//!
//! Between calls nobody reads: what the daemon says then is heard by the next call.

pub(crate) mod background;
mod call;
mod connection;
mod desk;
mod incoming;
mod line;
mod pipe;
mod reader;
mod seat;
mod socket;
mod upstream;
mod writer;

pub use call::{call, client};
pub use connection::Connection;
pub use incoming::{Incoming, open};
pub use pipe::{Pipe, pipe};
pub(crate) use socket::{Ready, wait};
pub(super) use socket::{receive_now, send_now, send_parts_now};
pub use upstream::items;
