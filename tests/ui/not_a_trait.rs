#[autod::service]
pub struct Counter;

#[autod::service]
pub fn add(n: i64) -> i64 {
    n
}

fn main() {}
