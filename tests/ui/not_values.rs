use futures::Stream;

/// No serde value.
pub struct Plain;

#[autod::service]
pub trait Meter {
    async fn sum(&self, plains: impl Stream<Item = Plain>) -> i64;
}

fn main() {}
