#[autod::service]
pub trait Counter {
    async fn add(&self, n: i64) -> i64;
    #[autod(rename = "add")]
    async fn plus(&self, n: i64) -> i64;
    #[autod(rename = "get")]
    async fn read(&self) -> i64;
    async fn get(&self) -> i64;
}

fn main() {}
