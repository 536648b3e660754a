//! Real processes, real sockets: what users of a daemon meet.
//!
//! Every test has a runtime directory of its own and leaves no process behind, also when it fails.

// As a program that renames the crate in its Cargo.toml sees it.
extern crate autod as other_name;

mod bad_input;
mod blocking;
mod builds;
mod callbacks;
mod carried;
mod clocks;
mod counter;
mod counting;
mod distance;
mod documents;
mod examples;
mod failures;
mod faults;
mod features;
mod generic;
mod hand_over;
mod harms;
mod herd;
mod home;
mod hostile;
mod in_process;
mod inherited;
mod json;
mod leaving;
mod limits;
mod logs;
mod netem;
mod over;
mod places;
mod python;
mod reconnect;
mod recursion;
mod removal;
mod root;
mod sandbox;
mod scope;
mod shapes;
mod spans;
mod ssh;
mod sshd;
mod streams;
mod table;
mod terminal;
mod ui;
mod upgrade;
mod users;
mod windows;
