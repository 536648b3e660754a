//! What travels on a connection: greetings first, frames after them.
//!
//! Pure functions over byte slices. Nothing here knows tokio, a clock, a file or a service.

mod answer;
mod fields;
pub(crate) mod frame;
pub(crate) mod greeting;
pub(crate) mod hello;
pub(crate) mod limits;
#[cfg(test)]
pub(crate) mod vectors;
