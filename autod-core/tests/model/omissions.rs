//! Each step of the protocol left out in turn, and what the search finds then.

use crate::omit::Omit;
use crate::rules::Rule;
use crate::world::World;
use crate::worlds::callers;

/// Leaves a step out and expects a shortest counterexample of this rule.
#[track_caller]
fn breaks(world: World, omit: Omit, rule: Rule) {
    let world = World { omit: Some(omit), ..world };
    let found = world.explore().found;
    let found = found.unwrap_or_else(|| panic!("{world}: nobody misses it"));
    println!("{world}: {:?} after {} steps", found.rule, found.trace.len());
    if std::env::var_os("AUTOD_MODEL_TRACE").is_some() {
        println!("{found}");
    }
    assert_eq!(found.rule, rule, "{found}");
}

/// The same with rules left aside that are broken before.
#[track_caller]
fn breaks_also(world: World, omit: Omit, ignore: &'static [Rule], rule: Rule) {
    breaks(World { ignore, ..world }, omit, rule);
}

/// Without the step nothing breaks but perhaps these rules.
#[track_caller]
fn is_no_harm(world: World, omit: Omit, ignore: &'static [Rule]) {
    let world = World { omit: Some(omit), ignore, ..world };
    if let Some(found) = world.explore().found {
        panic!("{world}: {found}");
    }
}

#[test]
fn verify_lock_identity() {
    let world = callers(2).autoclose().replacements(1);
    breaks(world, Omit::VerifyLockIdentity, Rule::TouchedWithReplacedLocks);
}

#[test]
fn leave_when_replaced() {
    breaks(callers(2).replacements(1), Omit::LeaveWhenReplaced, Rule::Stuck);
}

#[test]
fn take_a_of_daemon() {
    let world = callers(2).removals(1);
    breaks(world, Omit::TakeAOfDaemon, Rule::DoorTouchedWithoutLocks);
    breaks_also(world, Omit::TakeAOfDaemon, &[Rule::DoorTouchedWithoutLocks], Rule::TwoServe);
}

#[test]
fn hand_over_after_seen() {
    let world = callers(2).kills(1);
    breaks(world, Omit::HandOverAfterSeen, Rule::LostA);
    breaks_also(world, Omit::HandOverAfterSeen, &[Rule::LostA], Rule::Stuck);
}

#[test]
fn socket_of_its_own() {
    let world = callers(2).kills(1);
    breaks(world, Omit::SocketOfItsOwn, Rule::LostA);
    breaks_also(world, Omit::SocketOfItsOwn, &[Rule::LostA], Rule::Stuck);
}

#[test]
fn close_parent_copies() {
    let world = callers(2).kills(1);
    breaks(world, Omit::CloseParentCopies, Rule::LostA);
    breaks_also(world, Omit::CloseParentCopies, &[Rule::LostA], Rule::Stuck);
}

#[test]
fn accept_before_dispatch() {
    let world = callers(2).kills(1);
    breaks(world, Omit::AcceptBeforeDispatch, Rule::WrongWord);
    let also = Rule::ExecutedWithoutAccept;
    breaks_also(world, Omit::AcceptBeforeDispatch, &[Rule::WrongWord], also);
}

#[test]
fn open_anew() {
    breaks(callers(2).removals(1), Omit::OpenAnew, Rule::Stuck);
}

#[test]
fn accept_once_more() {
    breaks(callers(2).autoclose(), Omit::AcceptOnceMore, Rule::StartedInVain);
}

#[test]
fn starter_connects_first() {
    breaks(callers(2).autoclose(), Omit::StarterConnectsFirst, Rule::StartedInVain);
}

/// It shields those who wait from a second start. The starter itself is in the queue before there is
/// a daemon that could feel idle.
#[test]
fn starter_keeps_s_until_ready() {
    let world = callers(2).autoclose();
    breaks(world.failing(), Omit::StarterKeepsSUntilReady, Rule::StartedAgain);
    is_no_harm(world.kills(1), Omit::StarterKeepsSUntilReady, &[Rule::StartedAgain]);
}

/// A makes up for S: what breaks is the rule alone.
#[test]
fn unlink_without_s() {
    let world = callers(2).autoclose();
    breaks(world, Omit::UnlinkWithoutS, Rule::DoorTouchedWithoutLocks);
    is_no_harm(world.kills(1), Omit::UnlinkWithoutS, &[Rule::DoorTouchedWithoutLocks]);
}

/// A makes up for it: without it a caller only sleeps beside an open door.
#[test]
fn connect_again_under_s() {
    let world = callers(2).autoclose();
    breaks(world, Omit::ConnectAgainUnderS, Rule::NapAtOpenDoor);
    is_no_harm(world.kills(1), Omit::ConnectAgainUnderS, &[Rule::NapAtOpenDoor]);
}

/// It saves a nap that is longer than most drains, and nothing else.
#[test]
fn mark_draining() {
    let world = callers(2).autoclose();
    breaks(world, Omit::MarkDraining, Rule::NapForLeaver);
    is_no_harm(world.kills(1), Omit::MarkDraining, &[Rule::NapForLeaver]);
}

/// As with the mark that it obeys.
#[test]
fn wait_for_draining() {
    let world = callers(2).autoclose();
    breaks(world, Omit::WaitForDraining, Rule::NapForLeaver);
    is_no_harm(world.kills(1), Omit::WaitForDraining, &[Rule::NapForLeaver]);
}

/// A hang-up before the Accept says the same; the word only saves one of the five tries.
#[test]
fn tell_the_queue() {
    is_no_harm(callers(3).autoclose().closes(1), Omit::TellTheQueue, &[]);
}

#[test]
fn seen_before_replace() {
    breaks(callers(2).newer(1).kills(1), Omit::SeenBeforeReplace, Rule::ReplacedForNothing);
}

#[test]
fn check_life_id() {
    breaks(callers(3).newer(2), Omit::CheckLifeId, Rule::ReplacedOwnBuild);
}

#[test]
fn keep_s_until_published() {
    breaks(callers(3).newer(1), Omit::KeepSUntilPublished, Rule::WrongEnd);
}

#[test]
fn end_with_starter() {
    breaks(callers(2).kills(1), Omit::EndWithStarter, Rule::Stuck);
    breaks(callers(2).newer(1).kills(1), Omit::EndWithStarter, Rule::Stuck);
}
