//! Parameters that a service cannot have, and a mistake beside those that it can have.

use futures::Stream;

#[autod::service]
pub trait Borrowed<'a, T>
where
    'a: 'static,
    T: Clone,
{
    async fn get(&self) -> T;
}

#[autod::service]
pub trait Store<K: Ord, V = String, const MOST: usize = 3>
where
    V: Clone,
{
    async fn put(&self, key: K, value: V) -> Option<V>;
    async fn take(&self, key: &str) -> Result<V, String>;
    fn pairs(&self, keys: impl Stream<Item = K>) -> impl Stream<Item = (K, V)>;
}

struct Memory<V>(V);

impl<V: autod::Value + Clone> Store<u8, V, 4> for Memory<V> {
    async fn put(&self, _: u8, value: V) -> Option<V> {
        Some(value)
    }
    async fn take(&self, _: &str) -> Result<V, String> {
        Ok(self.0.clone())
    }
    fn pairs(&self, _: autod::Incoming<u8>) -> impl Stream<Item = (u8, V)> {
        futures::stream::empty()
    }
}

pub async fn use_it(store: StoreClient<u8, u16, 4>) -> Result<(), Box<dyn std::error::Error>> {
    let before: Option<u16> = store.clone().put(1, 2).await?;
    let taken: u16 = store.take("a").await?;
    let _: autod::Incoming<(u8, u16)> = store.pairs(futures::stream::empty());
    println!("{before:?} {taken} {store:?}");
    Ok(())
}

fn main() {
    drop(autod::in_process::<StoreClient<u8, u16, 4>, _>(Memory(1_u16)));
}
