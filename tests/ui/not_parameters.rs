//! Types that cannot stand for a parameter.

use std::rc::Rc;

#[autod::service]
pub trait Store<T> {
    async fn get(&self) -> T;
}

/// No serde value.
pub struct Plain;

struct Memory<T>(T);

impl<T: Clone> Store<T> for Memory<T> {
    async fn get(&self) -> T {
        self.0.clone()
    }
}

pub fn use_it(store: StoreClient<Plain>, other: StoreClient<Rc<u8>>) {
    drop(store.get());
    drop(other.get());
}

fn main() {}
