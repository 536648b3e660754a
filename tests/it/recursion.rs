//! A daemon that is its own caller, and programs that start themselves.

use std::io::Write;
use std::time::Duration;

use crate::home::{Home, eventually};

#[test]
fn a_handler_that_connects_reaches_its_own_daemon() {
    let home = Home::new();
    let daemon = home.daemon();
    for how in ["connection", "child"] {
        assert_eq!(home.fixture(["ask-again", how]).out(), daemon.to_string(), "{how}");
    }
    assert_eq!(home.processes(), [daemon]);
}

#[autod::service]
trait Unserved {
    /// Nothing.
    async fn nothing(&self);
}

/// A test executable has a `main` of its own that never hands over: started as a daemon it runs its
/// tests, which connect.
#[test]
fn a_test_executable_that_connects_is_told_and_starts_itself_once() {
    const MARK: &str = "AUTOD_IT_CONNECTS";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    if let Some(path) = std::env::var_os(MARK) {
        let mut starts = std::fs::File::options().append(true).create(true).open(path).unwrap();
        writeln!(starts, "{}", std::process::id()).unwrap();
        let daemon = autod::Daemon::new("unserved").silence_timeout(Duration::from_secs(20));
        let error = runtime.block_on(daemon.connect::<UnservedClient>()).err();
        println!("told: {}", error.expect("nobody serves"));
        return;
    }
    let home = Home::new();
    let starts = home.join("starts");
    let own = std::env::current_exe().unwrap();
    let name = "recursion::a_test_executable_that_connects_is_told_and_starts_itself_once";
    let run = home.run(own).args(["--exact", name, "--nocapture"]).env(MARK, &starts);
    let said = run.out();
    assert!(said.contains("told: unserved daemon "), "{said}");
    assert!(said.contains("main() never called autod's run"), "{said}");
    assert_eq!(std::fs::read_to_string(starts).unwrap().lines().count(), 2);
    eventually("nothing is left", || home.processes().is_empty());
}
