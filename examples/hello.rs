//! `hello NAME` greets, and knows how often it has done so.

use std::sync::{Arc, atomic::AtomicU64, atomic::Ordering::Relaxed};
use std::time::Duration;

#[autod::service]
trait Hello {
    async fn greet(&self, name: String) -> String;
}

struct Greeter(Arc<AtomicU64>);

impl Hello for Greeter {
    async fn greet(&self, name: String) -> String {
        format!("Hello, {name}! Greeting number {}.", self.0.fetch_add(1, Relaxed) + 1)
    }
}

fn main() -> autod::Result<()> {
    autod::Daemon::new("autod-hello")
        .autoclose(Duration::from_secs(60))
        .init(async |_start| Ok(AtomicU64::new(0)))
        .serve(|greetings, _session| Greeter(greetings))
        .run(async |hello: HelloClient| {
            let name = std::env::args().nth(1).unwrap_or("world".to_owned());
            println!("{}", hello.greet(name).await?);
            Ok(())
        })
}
