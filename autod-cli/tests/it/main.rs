//! The command as people and scripts run it. Leaves no process behind, also when a test fails.

mod control;
mod systemd;
mod up;
mod world;
