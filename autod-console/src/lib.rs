//! What the `autod` command and the commands of tools print about daemons.
//!
//! Made for those two, and changes with them: programs use `autod::cli` or `autod::control`. Knows
//! neither a command line nor how a daemon is named; it is given the daemon.

#[doc(hidden)]
pub mod failure;
#[doc(hidden)]
pub mod logs;
#[doc(hidden)]
pub mod question;
#[doc(hidden)]
pub mod reader;
#[doc(hidden)]
pub mod status;
#[doc(hidden)]
pub mod stop;
#[doc(hidden)]
pub mod style;
#[doc(hidden)]
pub mod table;
#[doc(hidden)]
pub mod told;
