//! The command as people and scripts run it. Leaves no process behind, also when a test fails.

mod call;
mod canned;
mod control;
mod daemons;
mod doctor;
mod exits;
mod generated;
mod lives;
mod logs;
mod probes;
#[path = "../snapshot.rs"]
mod snapshot;
mod snapshots;
mod systemd;
mod terminal;
mod tmux;
mod tool;
mod top;
mod up;
mod world;
