#[autod::service(crates = "autod")]
pub trait Typo {
    async fn get(&self) -> i64;
}

#[autod::service(crate)]
pub trait NoValue {
    async fn get(&self) -> i64;
}

#[autod::service(crate = "not a path")]
pub trait NoPath {
    async fn get(&self) -> i64;
}

#[autod::service]
pub trait Counter {
    #[autod(renmae = "plus")]
    async fn add(&self, n: i64) -> i64;
    #[autod(rename = minus)]
    async fn sub(&self, n: i64) -> i64;
    #[autod(rename = "")]
    async fn get(&self) -> i64;
    #[autod]
    async fn close(&self);
    #[autod(rename = "a", rename = "b", timeout = 3)]
    async fn reset(&self);
    #[autod(drop_oldest = 64)]
    async fn total(&self) -> i64;
    #[autod(drop_oldest = 64, drop_oldest = 0)]
    fn watch(&self) -> impl futures::Stream<Item = i64>;
    #[autod(no_cancel)]
    fn endless(&self) -> impl futures::Stream<Item = i64>;
    #[cfg_attr(unix, autod(no_cancel))]
    async fn store(&self);
    #[autod(idempotent, idempotent)]
    async fn load(&self) -> i64;
    #[autod(idempotent("yes"))]
    async fn read(&self) -> i64;
    #[autod(no_cancel = true, no_cancel)]
    async fn save(&self);
    #[autod(drop_oldest)]
    fn totals(&self) -> impl futures::Stream<Item = i64>;
}

fn main() {}
