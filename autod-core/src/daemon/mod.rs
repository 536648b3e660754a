//! The life of a daemon: where it lives, which locks prove that it does, how it is started and how
//! it leaves.
//!
//! Nothing here knows frames. The contract is LIFECYCLE.md.
pub(crate) mod lease;
