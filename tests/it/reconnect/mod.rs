//! Clients that outlive their connections.

mod faults;
mod link;
mod rules;
