//! What a filter of the program's own finds in the spans of calls.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

#[autod::service]
trait Book {
    async fn write(&self, text: String) -> Result<u64, String>;
    async fn burn(&self);
}

struct Paper;

impl Book for Paper {
    async fn write(&self, text: String) -> Result<u64, String> {
        tracing::debug!(target: "paper", "writing");
        tokio::task::yield_now().await;
        tracing::debug!(target: "paper", "written");
        if text.is_empty() { Err("nothing".to_owned()) } else { Ok(1) }
    }

    async fn burn(&self) {
        tracing::debug!(target: "paper", "burning");
    }
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written with this filter while each method is called.
async fn seen(filter: &str) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let listening = tracing::subscriber::set_default(subscriber);
    let book = autod::in_process::<BookClient, _>(Paper);
    assert_eq!(book.write("a".to_owned()).await.unwrap(), 1);
    book.write(String::new()).await.unwrap_err();
    book.burn().await.unwrap();
    drop(listening);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

#[tokio::test]
async fn a_filter_finds_a_call_by_target_name_and_method() {
    let answered = "call{method=\"write\" outcome=\"answered\"}: autod::call: close";
    let failed = "call{method=\"write\" outcome=Service}: autod::call: close";
    let burnt = "call{method=\"burn\" outcome=\"answered\"}: autod::call: close";
    for (filter, all) in [
        ("autod::call=debug,paper=debug", true),
        ("[call]=debug", true),
        ("autod::call[call]=debug", true),
        ("[call{method=write}]=debug", false),
        ("off,[call{method=write}]=debug", false),
    ] {
        let text = seen(filter).await;
        let has = |line: &str| text.contains(line);
        assert!(has(answered) && has(failed), "{filter}: {text}");
        assert!(has("paper: writing") && has("paper: written"), "{filter}: {text}");
        assert_eq!(has("paper: burning"), all, "{filter}: {text}");
        assert!(has(burnt) || !all, "{filter}: {text}");
    }
}
