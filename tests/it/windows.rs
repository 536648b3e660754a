//! Every window in which processes can meet, opened on purpose: somebody is killed, held or stopped
//! at each fault point while others come.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use crate::faults::Faults;
use crate::home::{Done, Home, Run, Running, eventually, is_gone};

/// A part of a daemon's life, and the points that it passes.
struct Part {
    /// What has to be so before.
    prepare: fn(&Home),
    /// What makes processes pass the points.
    run: fn(&Home) -> Option<Running>,
    points: &'static [&'static str],
}

const START: Part = Part {
    prepare: |_| {},
    run: |home| Some(caller(home, "first").spawn()),
    points: &[
        "caller-refused",
        "starter-locked",
        "record-write",
        "starter-took-life",
        "door-bind",
        "door-bound",
        "door-published",
        "log-open",
        "spawn",
        "starter-spawned",
        "caller-said-hello",
        "daemon-begins",
        "daemon-seen",
        "starter-heard-seen",
        "starter-handed-over",
        "daemon-inherited",
        "daemon-initialised",
        "daemon-ready",
        "starter-heard-ready",
        "daemon-took-connection",
        "daemon-accepts",
        "daemon-said-accept",
        "caller-accepted",
    ],
};

const FAILURE: Part = Part {
    prepare: |_| {},
    run: |home| Some(caller(home, "first").env("FIX_INIT", "fail").spawn()),
    points: &["daemon-failed", "starter-heard-failure", "starter-recorded-failure"],
};

const IDLE: Part = Part {
    prepare: |_| {},
    run: |home| Some(caller(home, "first").env("FIX_AUTOCLOSE", "20").spawn()),
    points: &[
        "daemon-idle",
        "leaver-locked",
        "leaver-looked",
        "daemon-draining",
        "leaver-unpublished",
        "leaver-emptied-queue",
        "leaver-closed-door",
        "daemon-drained",
        "daemon-exits",
    ],
};

const UPGRADE: Part = Part {
    prepare: |home| {
        caller(home, "old").env("FIX_SNAPSHOT", "1").out();
    },
    run: |home| {
        let newer = caller(home, "first").env("FIX_VERSION", "2.0.0").env("FIX_SNAPSHOT", "1");
        Some(newer.spawn())
    },
    points: &[
        "replacer-has-successor",
        "replacer-ordered",
        "daemon-draining",
        "leaver-emptied-queue",
        "leaver-closed-door",
        "daemon-drained",
        "snapshot-written",
        "snapshot-published",
        "daemon-exits",
        "replacer-took-life",
        "door-published",
        "starter-heard-seen",
        "starter-handed-over",
        "daemon-inherited",
        "daemon-ready",
    ],
};

const REMOVED_DOOR: Part = Part {
    prepare: |home| {
        caller(home, "old").out();
    },
    run: |home| {
        fs::remove_file(home.place().join("sock")).expect("the door is there");
        None
    },
    points: &["door-anew", "door-bind", "door-bound", "door-published"],
};

const PARTS: [Part; 5] = [START, FAILURE, IDLE, UPGRADE, REMOVED_DOOR];

/// A caller with one call that leaves its id behind when it is executed.
fn caller(home: &Home, id: &str) -> Run {
    home.fixture(["mark", id])
        .env("FIX_EXECUTED", home.join("executed"))
        .env("FIX_STARTS", home.join("starts"))
}

#[track_caller]
fn lines(home: &Home, file: &str) -> Vec<String> {
    let text = fs::read_to_string(home.join(file)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// What the caller was told fits what was executed.
#[track_caller]
fn check_told(home: &Home, point: &str, id: &str, done: &Done) {
    let executed = lines(home, "executed").iter().filter(|line| *line == id).count();
    let told = done.stdout.split(' ').collect::<Vec<_>>();
    match told[..] {
        ["answered", ..] => assert_eq!(executed, 1, "{point}: {done:?}"),
        ["error", _, _, _, "untouched", ..] => assert_eq!(executed, 0, "{point}: {done:?}"),
        _ => assert!(executed <= 1, "{point}: {done:?}"),
    }
}

/// The place works, and has one daemon and nothing that nobody needs.
#[track_caller]
fn check_place(home: &Home, point: &str) {
    let next = caller(home, "next").done();
    assert!(next.stdout.starts_with("answered"), "{point}: {next:?}");
    check_told(home, point, "next", &next);
    // One that does not go by itself while it is looked at, as that of an idle part does.
    let daemon: u32 = home.fixture(["restart"]).out().parse().expect("a pid");
    eventually(&format!("{point}: nobody else is left over"), || home.processes() == [daemon]);
    let beside = lines(home, "starts").into_iter().find(|line| line.contains("beside"));
    assert_eq!(beside, None, "{point}: two daemons");
    let known: BTreeSet<_> =
        ["spawn.lock", "life.lock", "sock", "log", "log.prev", "failed.json"].into();
    let found: BTreeSet<_> = fs::read_dir(home.place())
        .expect("the place is there")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    let litter: Vec<_> = found.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(litter.is_empty(), "{point}: {litter:?}");
    // A daemon that nobody needs may have gone by itself on a slow machine, and there is none then.
    home.fixture(["stop"]).done().good();
    assert!(is_gone(daemon), "{point}: stop returned before the daemon was gone");
}

fn kill_at_each_point(part: &Part) {
    for point in part.points {
        let home = Home::new();
        (part.prepare)(&home);
        let faults = Faults::of(&home);
        faults.order(point, "kill");
        let first = (part.run)(&home);
        let killed = faults.wait(point);
        eventually("it is dead", || is_gone(killed));
        if let Some(first) = first {
            let is_killed = first.pid() == killed;
            let done = first.done();
            check_told(&home, point, "first", &done);
            if !is_killed && !done.stdout.starts_with("answered") {
                assert!(done.stdout.starts_with("error first "), "{point}: {done:?}");
            }
        }
        check_place(&home, point);
    }
}

/// While somebody cannot go on at a point, others come; nobody gets an error but those who come to a
/// start that fails, and nothing is executed twice.
fn delay_at_each_point(part: &Part, order: &str) {
    for point in part.points {
        let home = Home::new();
        (part.prepare)(&home);
        let faults = Faults::of(&home);
        faults.order(point, order);
        let first = (part.run)(&home);
        faults.wait(point);
        let ids = ["a", "b", "c", "d"];
        let others: BTreeMap<_, _> =
            ids.iter().map(|id| (*id, caller(&home, id).spawn())).collect();
        // Long enough for them to come to wherever they have to wait; it decides nothing.
        std::thread::sleep(Duration::from_millis(60));
        faults.release(point);
        for (id, other) in others.into_iter().chain(first.map(|first| ("first", first))) {
            let done = other.done();
            let reads_why = part.points == FAILURE.points
                && done.stdout.contains(" untouched start ")
                && done.stdout.contains("the index is damaged");
            assert!(done.stdout.starts_with("answered") || reads_why, "{point}: {id} {done:?}");
            check_told(&home, point, id, &done);
        }
        check_place(&home, point);
    }
}

#[test]
fn whoever_is_killed_while_a_daemon_starts_leaves_nothing_stuck() {
    kill_at_each_point(&START);
}

#[test]
fn whoever_is_killed_when_a_start_fails_leaves_nothing_stuck() {
    kill_at_each_point(&FAILURE);
}

#[test]
fn a_daemon_that_is_killed_while_it_leaves_leaves_nothing_stuck() {
    kill_at_each_point(&IDLE);
}

#[test]
fn whoever_is_killed_in_an_upgrade_leaves_nothing_stuck() {
    kill_at_each_point(&UPGRADE);
}

#[test]
fn a_daemon_that_is_killed_while_it_makes_a_new_door_leaves_nothing_stuck() {
    kill_at_each_point(&REMOVED_DOOR);
}

#[test]
fn callers_that_come_while_a_start_is_held_up_are_served() {
    delay_at_each_point(&START, "hold");
}

#[test]
fn callers_that_come_while_a_start_fails_read_why_or_start_another() {
    delay_at_each_point(&FAILURE, "hold");
}

#[test]
fn callers_that_come_while_a_daemon_leaves_are_served() {
    delay_at_each_point(&IDLE, "hold");
    delay_at_each_point(&IDLE, "stop");
}

#[test]
fn callers_that_come_while_an_upgrade_is_held_up_are_served() {
    delay_at_each_point(&UPGRADE, "hold");
}

#[test]
fn callers_that_come_while_a_new_door_is_made_are_served() {
    delay_at_each_point(&REMOVED_DOOR, "hold");
}

/// The order to make way cannot be given when the door has gone meanwhile: the replacer starts over,
/// and the old daemon opens its door anew.
#[test]
fn a_door_removed_before_the_order_to_make_way_costs_a_second_attempt() {
    let home = Home::new();
    (UPGRADE.prepare)(&home);
    let old = home.daemon();
    let faults = Faults::of(&home);
    faults.order("replacer-has-successor", "hold");
    let newer = (UPGRADE.run)(&home).expect("a caller");
    faults.wait("replacer-has-successor");
    fs::remove_file(home.place().join("sock")).expect("the door is there");
    faults.release("replacer-has-successor");
    let done = newer.done();
    assert!(done.stdout.starts_with("answered first"), "{done:?}");
    eventually("the old daemon has gone", || is_gone(old));
    check_place(&home, "replacer-has-successor");
}

/// What the system refuses is named, with the file that it is about; the next call works.
#[test]
fn a_system_that_refuses_is_named_and_leaves_nothing_stuck() {
    const EIO: i32 = 5;
    const EAGAIN: i32 = 11;
    const NO_SPACE: i32 = 28;
    const NOT_SUPPORTED: i32 = 95;
    let cases = [
        ("door-bind", NOT_SUPPORTED, "cannot make the socket", "Operation not supported"),
        ("log-open", NO_SPACE, "cannot open the log", "No space left"),
        ("spawn", EAGAIN, "cannot execute", "temporarily unavailable"),
        ("record-write", NO_SPACE, "help: make room", "No space left"),
        ("record-write", EIO, "cannot write into the spawn lock", "Input/output error"),
    ];
    for (point, errno, what, cause) in cases {
        let home = Home::new();
        let faults = Faults::of(&home);
        faults.order(point, &format!("fail {errno}"));
        let done = caller(&home, "first").done();
        assert!(faults.taken(point).is_some(), "{point}");
        assert!(done.stdout.starts_with("error first "), "{point}: {done:?}");
        assert!(done.stdout.contains(what) && done.stdout.contains(cause), "{point}: {done:?}");
        check_told(&home, point, "first", &done);
        check_place(&home, point);
    }
}

#[test]
fn each_point_is_passed_by_a_test() {
    let home = Home::new();
    let all = home.fixture(["fault-points"]).out();
    let all: BTreeSet<&str> = all.lines().collect();
    let passed: BTreeSet<&str> = PARTS.iter().flat_map(|part| part.points).copied().collect();
    assert_eq!(all, passed);
}
