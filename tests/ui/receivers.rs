use std::sync::Arc;

#[autod::service]
pub trait Counter {
    async fn none() -> i64;
    async fn none_with(n: i64) -> i64;
    async fn value(self) -> i64;
    async fn value_mut(mut self) -> i64;
    async fn exclusive(&mut self, n: i64) -> i64;
    async fn typed(self: Arc<Self>) -> i64;
    async fn named(&'static self) -> i64;
    async fn right(&self) -> i64;
}

fn main() {}
