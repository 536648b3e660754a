//! One mistake is one message, whatever the program does with the service.

use futures::Stream;

#[autod::service]
pub trait Counter {
    async fn add(&self, n: i64) -> i64;
    async fn label(&self, text: &str) -> Result<String, String>;
    fn watch(&self) -> impl Stream<Item = i64>;
    fn reset(&self, #[allow(unused)] to: i64);
}

struct Total;

impl Counter for Total {
    async fn add(&self, n: i64) -> i64 {
        n
    }
    async fn label(&self, text: &str) -> Result<String, String> {
        Ok(text.to_owned())
    }
    fn watch(&self) -> impl Stream<Item = i64> {
        futures::stream::empty()
    }
    fn reset(&self, _: i64) {}
}

pub async fn use_it(counter: CounterClient) -> Result<String, Box<dyn std::error::Error>> {
    let sum: i64 = counter.clone().add("1".parse()?).await?;
    let _: autod::Incoming<i64> = counter.watch();
    let label: String = counter.label("x").await?;
    Ok(format!("{label} {sum} {counter:?}"))
}

fn serve(_: impl Counter) {}

fn main() {
    serve(Total);
}
