use std::rc::Rc;

#[autod::service]
pub trait Counter {
    async fn get(&self) -> i64;
}

struct Total;

impl Counter for Total {
    async fn get(&self) -> i64 {
        let total = Rc::new(1);
        std::future::ready(()).await;
        *total
    }
}

fn main() {}
