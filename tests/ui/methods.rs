#[autod::service]
pub trait Counter {
    async fn add<T>(&self, n: T) -> i64;
    async fn longer<'a>(&self, n: i64) -> i64;
    async fn bounded(&self) -> i64
    where
        Self: Clone;
    async unsafe fn raw(&self) -> i64;
    extern "C" fn foreign(&self) -> i64;
    const fn constant(&self) -> i64;
    async fn right(&self) -> i64;
}

fn main() {}
