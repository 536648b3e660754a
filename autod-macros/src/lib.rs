//! The `#[service]` attribute of the `autod` crate.
