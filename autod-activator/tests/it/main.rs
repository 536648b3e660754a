//! Real processes, real sockets: the fault table of lazy activation, row by row.
//!
//! Every test has a world of its own and leaves no process behind, also when it fails.

mod apart;
mod failing;
mod handing;
mod leaving;
mod managing;
mod relaying;
mod starting;
mod world;
