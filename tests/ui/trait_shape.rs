#[autod::service]
pub trait Bounded
where
    Self: Clone,
{
    async fn get(&self) -> i64;
}

#[autod::service]
pub unsafe trait Unsafe {
    async fn get(&self) -> i64;
}

macro_rules! more {
    () => {};
}

#[autod::service]
pub trait Items {
    const LIMIT: usize;
    type Value;
    more!();
    async fn get(&self) -> i64;
}

#[autod::service]
#[autod(crate = "other")]
pub trait Misplaced {
    async fn get(&self) -> i64;
}

fn main() {}
