//! Clients that outlive their connections.

mod daemons;
mod faults;
mod link;
mod rules;
