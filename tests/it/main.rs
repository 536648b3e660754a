//! Real processes, real sockets: what users of a daemon meet.
//!
//! Every test has a runtime directory of its own and leaves no process behind, also when it fails.

mod bad_input;
mod counter;
mod failures;
mod features;
mod herd;
mod home;
mod leaving;
mod places;
mod removal;
mod streams;
mod terminal;
mod ui;
mod upgrade;
