//! All interleavings of a few callers, starters, daemons and faults, as small as they show.
//!
//! A model of the lock protocol of LIFECYCLE.md, step by step as `daemon`, `server` and `client` of
//! this crate take them. Each world is searched to its end: no rule is broken in any state, and
//! from every state a good end can be reached. Each omission of a step is found, or is said to be
//! no harm; `AUTOD_MODEL_TRACE=1` with `--nocapture` prints how.
//!
//! Each daemon's main has started a helper that inherits what it can and never ends.
//!
//! What is left out: time (every pause may end, every patience lasts), the limit of a queue, other
//! threads' forks, the bytes of the greetings, holds, and a handler that does not end.

mod caller;
mod desk;
mod explore;
mod faults;
mod kernel;
mod leaving;
mod omissions;
mod omit;
mod replacer;
mod rules;
mod session;
mod starter;
mod state;
mod vigil;
mod world;
mod worlds;

use crate::world::World;
use crate::worlds::callers;

#[track_caller]
fn holds(world: World) {
    let explored = world.explore();
    println!("{world}: {} states, {} steps", explored.states, explored.steps);
    if let Some(found) = explored.found {
        panic!("{world}: {found}");
    }
}

#[test]
fn a_daemon_that_comes_and_goes() {
    holds(callers(3).autoclose());
}

#[test]
fn kills() {
    holds(callers(2).kills(2));
    holds(callers(3).autoclose().kills(1));
}

#[test]
fn requests_to_close() {
    holds(callers(3).autoclose().closes(1));
}

#[test]
fn a_removed_door() {
    holds(callers(2).removals(2));
    holds(callers(3).autoclose().removals(1));
}

#[test]
fn a_replaced_lock_or_directory() {
    holds(callers(2).autoclose().replacements(1));
}

#[test]
fn an_init_that_fails() {
    holds(callers(3).autoclose().failing().kills(1));
}

#[test]
fn a_newer_build() {
    holds(callers(2).newer(2).kills(1));
    holds(callers(3).newer(2));
    holds(callers(3).newer(1).kills(1));
}

#[test]
fn many_faults_at_once() {
    holds(callers(2).autoclose().kills(1).closes(1).removals(1));
}

/// Half a gigabyte of states: a quarter of a minute with `--release`, minutes without.
#[cfg(not(debug_assertions))]
#[test]
fn larger_worlds() {
    holds(callers(3).autoclose().kills(2));
    holds(callers(3).autoclose().closes(2));
    holds(callers(3).autoclose().removals(2));
    holds(callers(3).autoclose().kills(1).closes(1).removals(1));
    holds(callers(2).removals(1).replacements(1));
    holds(callers(2).autoclose().kills(1).replacements(1));
    holds(callers(3).autoclose().replacements(1));
    holds(callers(3).newer(2).kills(1));
    holds(callers(3).newer(2).autoclose().closes(1));
}
