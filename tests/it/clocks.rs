//! Clocks that jump: a caller in a time namespace lives an hour after a sleep of the machine that
//! the others know nothing of.

use crate::home::{Home, Run, eventually, example, has, wait_until_gone};

/// A caller to whom the machine has slept for an hour; `None` where that cannot be made.
fn after_sleep(home: &Home, words: &[&str]) -> Option<Run> {
    if !has("unshare") {
        return None;
    }
    let namespace = ["-T", "--boottime", "3600"];
    if !home.run("unshare").args(namespace).args(["true"]).done().status.success() {
        eprintln!("skipped: this user may not make a time namespace");
        return None;
    }
    Some(home.run("unshare").args(namespace).args([example("fixture")]).args(words))
}

#[test]
fn a_daemon_that_drains_is_waited_for_also_when_the_machine_slept_meanwhile() {
    let home = Home::new();
    let Some(caller) = after_sleep(&home, &["pid"]) else { return };
    let run = |words: &[&str]| home.fixture(words).env("FIX_DRAIN", "5000");
    let old = run(&["pid"]).out();
    let call = run(&["sleep", "700"]).spawn();
    eventually("the call runs", || run(&["status"]).out().starts_with("(2,"));
    run(&["close"]).out();
    assert_ne!(caller.out(), old);
    call.done().good();
    wait_until_gone(old.parse().unwrap());
}

#[test]
fn a_daemon_is_the_same_for_a_caller_with_another_boot_clock() {
    let home = Home::new();
    let Some(caller) = after_sleep(&home, &["pid"]) else { return };
    let started = caller.out();
    assert_eq!(home.fixture(["pid"]).out(), started);
    let Some(caller) = after_sleep(&home, &["stop"]) else { return };
    assert_eq!(caller.out(), "true");
    wait_until_gone(started.parse().unwrap());
}

#[test]
fn a_start_that_failed_before_the_sleep_is_tried_again_after_it() {
    let home = Home::new();
    let config = home.join("config");
    let init = format!("file:{}", config.display());
    home.fixture(["pid"]).env("FIX_INIT", &init).done().failed(1);
    std::fs::write(&config, "").unwrap();
    let Some(caller) = after_sleep(&home, &["pid"]) else { return };
    caller.env("FIX_INIT", &init).out();
    assert!(!home.place().join("failed.json").exists());
}
