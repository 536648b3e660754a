//! The command as people and scripts run it. Leaves no process behind, also when a test fails.

mod call;
mod canned;
mod control;
mod daemons;
mod doctor;
mod exits;
mod generated;
#[path = "../../../tests/it/home.rs"]
#[expect(dead_code, reason = "the tests of the library use the rest")]
mod home;
mod lives;
mod logs;
mod probes;
#[path = "../snapshot.rs"]
mod snapshot;
mod snapshots;
#[path = "../../../tests/it/sshd.rs"]
#[expect(dead_code, reason = "the tests of the library use the rest")]
mod sshd;
mod systemd;
mod terminal;
mod there;
mod tmux;
mod tool;
mod top;
mod up;
mod world;
