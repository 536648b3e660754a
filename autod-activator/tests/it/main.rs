//! Real processes, real sockets: the fault table of lazy activation, row by row.
//!
//! Every test has a world of its own and leaves no process behind, also when it fails.

mod failing;
mod leaving;
mod relaying;
mod starting;
mod world;
