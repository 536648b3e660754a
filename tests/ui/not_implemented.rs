#[autod::service]
pub trait Counter {
    async fn get(&self) -> i64;
}

struct Total;

fn serve(_: impl Counter) {}

fn main() {
    serve(Total);
}
