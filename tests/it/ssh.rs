//! Daemons on another machine, over a real ssh.

use super::home::eventually;
use super::sshd::Sshd;

#[test]
fn the_counter_of_another_machine_counts() {
    let Some(sshd) = Sshd::start() else { return };
    assert_eq!(sshd.counter(&["add", "2"]).out(), "2");
    assert_eq!(sshd.counter(&["add", "3"]).out(), "5");
    // It is the daemon of that machine, which anybody there uses.
    assert_eq!(sshd.far.counter(["get"]).out(), "5");
    assert_eq!(sshd.near.counter(["get"]).out(), "0");
    sshd.counter(&["close"]).out();
    eventually("nothing is left", || sshd.far.processes().is_empty());
}
