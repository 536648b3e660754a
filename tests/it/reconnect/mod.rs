//! Clients that outlive their connections.

mod alive;
mod daemons;
mod faults;
mod link;
mod rules;
