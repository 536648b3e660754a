//! The command as people and scripts run it. Leaves no process behind, also when a test fails.

mod call;
mod control;
mod daemons;
mod doctor;
mod generated;
#[path = "../../../tests/it/home.rs"]
#[expect(dead_code, reason = "the tests of the library use the rest")]
mod home;
mod lives;
mod logs;
mod probes;
#[path = "../../../tests/it/sshd.rs"]
#[expect(dead_code, reason = "the tests of the library use the rest")]
mod sshd;
mod systemd;
mod terminal;
mod there;
mod tool;
mod top;
mod up;
mod world;
