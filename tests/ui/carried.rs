//! The conditions and warnings of a method are those of the client's method too.

#![deny(deprecated)]

#[autod::service]
pub trait Counter {
    #[deprecated = "use `add`"]
    async fn plus(&self, n: i64) -> i64;
    #[cfg(any())]
    async fn gone(&self) -> NoSuchType;
    #[cfg_attr(all(), cfg(any()))]
    async fn away(&self) -> NoSuchType;
}

#[deprecated]
#[autod::service]
pub trait Old {
    async fn get(&self) -> i64;
}

pub fn use_it(counter: CounterClient, _: OldClient) {
    drop(counter.plus(1));
    drop(counter.gone());
    drop(counter.away());
}

fn main() {}
