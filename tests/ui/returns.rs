use futures::Stream;

#[autod::service]
pub trait Counter {
    fn add(&self, n: i64) -> i64;
    fn close(&self);
    fn lines(&self) -> impl Iterator<Item = String>;
    fn silent(&self) -> impl Stream;
    async fn watch(&self) -> impl Stream<Item = i64>;
    async fn open(&self) -> Result<impl Stream<Item = i64>, String>;
    async fn open_alias(&self) -> std::io::Result<impl Stream<Item = i64>>;
    async fn open_lines(&self) -> Result<impl Iterator<Item = i64>, String>;
    fn open_later(&self) -> Result<impl Stream<Item = i64>, String>;
    async fn bytes(&self) -> autod::ByteStream;
    async fn name(&self) -> &str;
    fn names(&self) -> impl Stream<Item = &str>;
    async fn parts(&self) -> Vec<&[u8]>;
    async fn same(&self) -> Option<Self>;
    async fn shape(&self) -> dyn ToString;
}

fn main() {}
