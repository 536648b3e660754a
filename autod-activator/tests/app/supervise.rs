//! A supervisor in a process of its own, with one service: this program with the words that follow.

use std::io::Write as _;
use std::time::Duration;

use autod_activator::{Listen, Service, Shutdown, Supervisor};
use signal_hook::consts::SIGTERM;

/// Prints the address that it listens at. Ends on SIGTERM.
pub(crate) fn run(idle: &str, words: impl Iterator<Item = String>) {
    let own = std::env::current_exe().expect("its own path");
    let service = Service::new("it", own.to_str().expect("a path"))
        .args(words)
        .listen(Listen::tcp("127.0.0.1:0".parse().expect("an address")))
        .idle_timeout(idle.parse().ok().map(Duration::from_millis))
        .stop_timeout(Duration::from_millis(500));
    let (read, write) = std::os::unix::net::UnixStream::pair().expect("a pair");
    signal_hook::low_level::pipe::register(SIGTERM, write).expect("a handler");
    read.set_nonblocking(true).expect("a socket");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let supervisor = Supervisor::builder().service(service).open().expect("a supervisor");
        println!("{}", supervisor.addresses("it").expect("an address")[0]);
        std::io::stdout().flush().expect("output");
        let read = tokio::net::UnixStream::from_std(read).expect("a socket");
        read.readable().await.expect("a signal");
        supervisor.close(Shutdown::Drain(Duration::from_millis(100))).await;
    });
}
