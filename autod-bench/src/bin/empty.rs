//! Nothing: what any Rust program costs from its start to its end.

fn main() {}
