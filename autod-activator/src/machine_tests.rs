use super::*;

const LIMITS: Limits = Limits {
    start: Duration::from_secs(30),
    stop: Duration::from_secs(10),
    drain: Duration::from_secs(20),
    restart: Restart {
        first: Duration::from_millis(100),
        most: Duration::from_secs(30),
        stable: Duration::from_secs(10),
    },
};

const EXITS: [Exit; 3] = [Exit::Code(0), Exit::Code(3), Exit::Signal(9)];

fn events(generation: u64) -> Vec<Event> {
    let mut events = vec![
        Event::Wanted,
        Event::Failed { generation },
        Event::Ready { generation },
        Event::Leaving { generation },
        Event::Idle { generation },
        Event::Drained { generation },
        Event::Overdue,
        Event::Stop { drain: true },
        Event::Stop { drain: false },
        Event::Force,
    ];
    for exit in EXITS {
        for hungry in [false, true] {
            events.push(Event::Gone { generation, exit, hungry });
        }
    }
    events
}

/// What the keeper would have in its hands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct World {
    process: Option<u64>,
    killed: bool,
    spawned: u64,
}

/// Walks every sequence of events of this length, also those that cannot be, and checks what must
/// hold after each.
fn walk(depth: u32, path: &mut Vec<Event>, seen: &mut u64) {
    *seen += 1;
    if depth == 0 {
        return;
    }
    for event in events(1).into_iter().chain(events(2)) {
        path.push(event);
        if replay(path) {
            walk(depth - 1, path, seen);
        }
        path.pop();
    }
}

/// `false` if the last event cannot happen in the world that the others made.
fn replay(path: &[Event]) -> bool {
    let mut machine = Machine::new(LIMITS);
    let mut world = World::default();
    let mut now = Instant::now();
    for (index, &event) in path.iter().enumerate() {
        if let Event::Gone { generation, .. } | Event::Failed { generation } = event {
            if world.process != Some(generation) {
                assert_eq!(index + 1, path.len());
                return false;
            }
            if matches!((event, machine.state()), (Event::Failed { .. }, State::Running { .. })) {
                return false;
            }
            world.process = None;
        }
        now += Duration::from_millis(10);
        let before = machine.state();
        for action in machine.on(event, now, 0.5) {
            match action {
                Action::Spawn { generation } => {
                    assert_eq!(world.process, None, "a second process: {path:?}");
                    world.spawned += 1;
                    assert_eq!(generation, world.spawned);
                    world.process = Some(generation);
                    world.killed = false;
                }
                Action::Terminate | Action::Kill => {
                    assert!(world.process.is_some(), "a signal to nobody: {path:?}");
                    world.killed |= action == Action::Kill;
                }
                Action::Serve => assert!(matches!(machine.state(), State::Running { .. })),
                Action::Pause { .. } => assert!(matches!(machine.state(), State::Backoff { .. })),
                Action::Reset | Action::Cut => {}
            }
        }
        let state = machine.state();
        assert_eq!(state.generation(), world.process, "{before:?} {event:?} {state:?}: {path:?}");
        // Whatever has a process that should not stay either has a limit or was killed.
        if let State::Stopping { .. } = state {
            assert!(state.deadline().is_some() || world.killed, "stuck: {path:?}");
        }
        if let State::Starting { .. } | State::Backoff { .. } = state {
            assert!(state.deadline().is_some_and(|until| until > now), "stuck: {path:?}");
        }
    }
    true
}

#[test]
fn no_sequence_of_events_loses_or_doubles_a_process_or_gets_stuck() {
    let mut seen = 0;
    walk(4, &mut Vec::new(), &mut seen);
    assert!(seen > 100_000, "{seen}");
}

fn running(machine: &mut Machine, now: Instant) -> u64 {
    let actions = machine.on(Event::Wanted, now, 0.0);
    let [Action::Spawn { generation }] = actions[..] else { panic!("{actions:?}") };
    assert_eq!(machine.on(Event::Ready { generation }, now, 0.0), [Action::Serve]);
    generation
}

#[test]
fn what_belongs_to_an_older_generation_is_ignored() {
    let now = Instant::now();
    let mut machine = Machine::new(LIMITS);
    let first = running(&mut machine, now);
    machine.on(Event::Gone { generation: first, exit: Exit::Code(0), hungry: false }, now, 0.0);
    let second = running(&mut machine, now);
    let state = machine.state();
    for event in events(first) {
        if machine.is_stale(event) {
            assert_eq!(machine.on(event, now, 0.0), []);
            assert_eq!(machine.state(), state);
        }
    }
    assert_ne!(first, second);
}

#[test]
fn failures_wait_longer_and_longer_and_never_for_good() {
    let mut now = Instant::now();
    let mut machine = Machine::new(LIMITS);
    for expected in [100, 200, 400, 800] {
        let actions = machine.on(Event::Wanted, now, 0.0);
        let [Action::Spawn { generation }] = actions[..] else { panic!("{actions:?}") };
        let event = Event::Gone { generation, exit: Exit::Code(0), hungry: true };
        let delay = Duration::from_millis(expected);
        assert_eq!(machine.on(event, now, 0.0), [Action::Reset, Action::Pause { delay }]);
        assert_eq!(machine.on(Event::Wanted, now, 0.0), [], "nobody cuts the pause short");
        now += delay;
        assert_eq!(machine.on(Event::Overdue, now, 0.0), []);
    }
}

#[test]
fn a_clean_end_is_no_failure() {
    let mut now = Instant::now();
    let mut machine = Machine::new(LIMITS);
    for _ in 0..3 {
        let generation = running(&mut machine, now);
        now += Duration::from_secs(1);
        let event = Event::Gone { generation, exit: Exit::Code(0), hungry: true };
        assert_eq!(machine.on(event, now, 0.0), []);
        assert_eq!(machine.state(), State::Stopped);
    }
}

#[test]
fn an_app_that_comes_and_goes_at_once_is_slowed_down_but_not_more_and_more() {
    let mut now = Instant::now();
    let mut machine = Machine::new(LIMITS);
    for _ in 0..10 {
        let generation = running(&mut machine, now);
        let event = Event::Gone { generation, exit: Exit::Code(0), hungry: true };
        let delay = LIMITS.restart.first;
        assert_eq!(machine.on(event, now, 0.0), [Action::Pause { delay }]);
        now += delay;
        machine.on(Event::Overdue, now, 0.0);
    }
}
