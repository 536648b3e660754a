//! Clients that outlive their connections.

mod alive;
mod blocking;
mod daemons;
mod faults;
mod link;
mod rules;
