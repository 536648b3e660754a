use autod::ByteStream;
use futures::Stream;

#[autod::service]
pub trait Meter {
    async fn first(&self, numbers: impl Stream<Item = i64>, n: i64) -> i64;
    async fn two(&self, a: impl Stream<Item = i64>, b: impl Stream<Item = i64>);
    async fn mixed(&self, bytes: ByteStream, numbers: impl Stream<Item = i64>);
    async fn referred(&self, numbers: &impl Stream<Item = i64>);
    async fn nothing(&self, numbers: impl Stream);
    async fn borrowed(&self, names: impl Stream<Item = &str>);
    async fn concrete(&self, numbers: autod::Incoming<i64>);
    async fn packed(&self, many: Vec<ByteStream>);
    async fn early(&self, bytes: ByteStream, n: i64);
    async fn nameless(&self, _: impl Stream<Item = i64>);
    fn bytes(&self, bytes: ByteStream) -> impl Stream<Item = i64>;
    #[autod(no_cancel)]
    async fn kept(&self, numbers: impl Stream<Item = i64>) -> i64;
    #[autod(drop_oldest = 1)]
    async fn sum(&self, numbers: impl Stream<Item = i64>) -> i64;
}

fn main() {}
