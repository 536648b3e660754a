//! The shortest useful program: `hello NAME` greets, and knows how often it has done so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[autod::service]
pub trait Hello {
    /// Greets somebody.
    async fn greet(&self, name: String) -> String;
}

struct Greeter(Arc<AtomicU64>);

impl Hello for Greeter {
    async fn greet(&self, name: String) -> String {
        format!("Hello, {name}! Greeting number {}.", self.0.fetch_add(1, Ordering::Relaxed) + 1)
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
