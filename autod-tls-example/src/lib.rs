//! A service that runs as several replicas behind TCP with mutual TLS.
//!
//! `journal` is the service and knows no transport, `identity` turns files into what TLS needs,
//! `replica` serves until it is told to go, `caller` goes on with another replica when its own
//! leaves. How to run it is in docs/serving-many.md.

pub mod caller;
pub mod identity;
pub mod journal;
pub mod replica;

/// What fails here is for people: the text says all.
pub type Result<T> = std::result::Result<T, autod::BoxError>;
