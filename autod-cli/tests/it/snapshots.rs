//! What each command prints, on terminals and on a pipe, with colours and without.

use serde_json::{Value, json};

use crate::canned::{Canned, dead, hung};
use crate::snapshot::{assert_snapshot, visible};
use crate::terminal::on_terminal_with_code;
use crate::tmux::Terminal;
use crate::world::{World, eventually, example, has, out};

/// How a command is run: what stands above it, the columns of the terminal, and the variables.
type Way = (&'static str, Option<u16>, &'static [(&'static str, &'static str)]);

const WAYS: [Way; 7] = [
    ("a pipe", None, &[]),
    ("a pipe, CLICOLOR_FORCE=1", None, &[("CLICOLOR_FORCE", "1")]),
    ("80 columns", Some(80), &[]),
    ("80 columns, NO_COLOR=1", Some(80), &[("NO_COLOR", "1")]),
    ("80 columns, CLICOLOR=0", Some(80), &[("CLICOLOR", "0")]),
    ("120 columns", Some(120), &[]),
    ("120 columns, NO_COLOR=1", Some(120), &[("NO_COLOR", "1")]),
];

/// Runs it in all ways.
#[track_caller]
fn snapshot(world: &World, name: &str, words: &[&str]) {
    // At once, since some wait for a daemon that hangs.
    let printed = std::thread::scope(|scope| {
        let begun =
            WAYS.map(|(_, columns, set)| scope.spawn(move || printed(world, words, columns, set)));
        begun.map(|run| run.join().expect("no panic"))
    });
    compare(world, name, words, printed);
}

/// The same for what changes something: in one way after the other, each with a daemon that runs and
/// without what is another thing each time.
#[track_caller]
fn snapshot_by_turns(world: &World, name: &str, words: &[&str], steady: fn(&str) -> String) {
    let printed = WAYS.map(|(_, columns, set)| {
        world.daemon();
        steady(&printed(world, words, columns, set))
    });
    compare(world, name, words, printed);
}

/// Those ways that print the same stand above it together.
#[track_caller]
fn compare(world: &World, name: &str, words: &[&str], printed: [String; WAYS.len()]) {
    let mut text = format!("$ autod {}\n", without_home(world, &words.join(" ")));
    let mut ways: Vec<(Vec<&str>, String)> = Vec::new();
    for ((way, ..), printed) in WAYS.into_iter().zip(printed) {
        match ways.iter_mut().find(|(_, other)| *other == printed) {
            Some((same, _)) => same.push(way),
            None => ways.push((vec![way], printed)),
        }
    }
    for (same, printed) in ways {
        let heading = if same.len() == WAYS.len() { "all".to_owned() } else { same.join("; ") };
        text += &["\n--- ", &heading, "\n", &printed].concat();
    }
    assert_snapshot(&format!("{name}.txt"), &text);
}

/// What a command prints, and its exit code.
fn printed(world: &World, words: &[&str], columns: Option<u16>, set: &[(&str, &str)]) -> String {
    let mut command = world.autod(words);
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm").envs(set.iter().copied());
    let (code, printed) = if let Some(columns) = columns {
        on_terminal_with_code(&mut command, columns)
    } else {
        let output = command.output().expect("autod");
        let both = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(both).expect("text"))
    };
    let printed = without_home(world, &visible(&printed));
    format!("{printed}exit code {}\n", code.expect("a code"))
}

/// It stands in no table, whose columns would move.
fn without_home(world: &World, text: &str) -> String {
    let home = world.join("").display().to_string();
    text.replace(home.trim_end_matches('/'), "/HOME")
}

/// Everything that a status can say.
fn busy() -> Value {
    json!({
        "autod": env!("CARGO_PKG_VERSION"), "protocol": 1, "name": "counter", "service": "Counter",
        "pid": 4711, "life": "00000000000000aa", "version": "1.4.2", "build": "1.4.2",
        "outdated": true, "state": "ready", "uptime_ms": 7_300_000, "manner": "foreground",
        "socket": "/run/user/1000/counter/sock", "log": "/run/user/1000/counter/log",
        "executable": "/usr/bin/counter", "arguments": ["counter", "--autoclose", "10", "get"],
        "started_in": "/home/somebody", "autoclose_ms": 10_000,
        "connections": 2, "calls_open": 2, "streams_open": 1,
        "users": [
            {"pid": 812, "uid": 1000, "command": "counter watch", "age_ms": 340_000,
             "cwd": "/home/somebody/projects/a-rather-long-name/and/more/below/it", "calls_open": 1,
             "calls": [{"method": "watch", "age_ms": 340_000}]},
            {"pid": 31_337, "uid": 1000, "command": "/usr/local/bin/editor --with many --long words",
             "age_ms": 1_500, "cwd": "/", "calls_open": 1,
             "calls": [{"method": "add", "age_ms": 12}]},
        ],
        "holds": [{"reason": "3 downloads", "age_ms": 65_000}, {"reason": "an index", "age_ms": 900}],
        "methods": [
            {"name": "add", "kind": "unary", "calls": 1_204_311, "failed": 3, "cancelled": 12,
             "total_ns": 1, "mean_ns": 32_000, "p50_ns": 28_000, "p99_ns": 912_000, "max_ns": 15_000_000},
            {"name": "watch", "kind": "stream", "calls": 2, "failed": 0, "cancelled": 2,
             "total_ns": 1, "mean_ns": 61_000_000_000_u64, "p50_ns": 61_000_000_000_u64,
             "p99_ns": 90_000_000_000_u64, "max_ns": 90_000_000_000_u64},
        ],
        "memory": {"resident_bytes": 20 << 20, "peak_bytes": 26 << 20},
    })
}

fn idle(name: &str, state: &str) -> Value {
    json!({
        "autod": env!("CARGO_PKG_VERSION"), "name": name, "service": "Index", "pid": 90_210,
        "version": "0.9.0", "life": "00000000000000bb", "state": state, "uptime_ms": 4_200, "manner": "spawned",
        "connections": 0, "calls_open": 0, "streams_open": 0, "autoclose_ms": 600_000,
        "closes_in_ms": 480_000, "memory": {"resident_bytes": 3 << 20},
    })
}

fn starting() -> Value {
    let mut status = idle("an-indexer-with-a-long-name", "starting");
    status["progress"] = "reading the files of a rather large tree, which takes its time".into();
    status
}

/// Daemons in the states that there are.
fn scene(world: &World) -> impl Sized + use<> {
    let daemons = [
        Canned::new(world, "counter", busy()),
        Canned::new(world, "notes", idle("notes", "ready")),
        Canned::new(world, "an-indexer-with-a-long-name", starting()),
    ];
    dead(world, "killed");
    (daemons, hung(world, "stuck"))
}

/// Other daemons of this user would be in the lists.
#[track_caller]
fn is_alone(world: &World) -> bool {
    let alone = out(&mut world.autod(&["ps", "--all", "--json"])).is_empty();
    assert!(alone || std::env::var_os("CI").is_none(), "other daemons are there");
    if !alone {
        eprintln!("skipped: this user has other daemons, which would be shown");
    }
    alone
}

#[test]
fn daemons_in_each_state() {
    let world = World::new();
    if !is_alone(&world) {
        return;
    }
    let scene = scene(&world);
    // The others have a quarter of that, or one of them is behind the one that hangs.
    snapshot(&world, "ps", &["ps", "--all", "--timeout", "8000"]);
    snapshot(&world, "status", &["status", "counter"]);
    snapshot(&world, "status-idle", &["status", "notes"]);
    snapshot(&world, "status-starting", &["status", "an-indexer-with-a-long-name"]);
    snapshot(&world, "status-hung", &["status", "stuck", "--timeout", "3000"]);
    snapshot(&world, "status-dead", &["status", "killed"]);
    snapshot(&world, "restart-foreground", &["restart", "counter"]);
    snapshot(&world, "stop-hung", &["stop", "stuck", "--timeout", "3000"]);
    snapshot(&world, "stop-unknown", &["stop", "nobody", "nothing"]);
    drop(scene);
}

#[test]
fn nothing_at_all() {
    let world = World::new();
    if is_alone(&world) {
        snapshot(&world, "ps-empty", &["ps"]);
    }
    snapshot(&world, "help", &["--help"]);
}

#[test]
fn a_daemon_that_is_asked_and_called() {
    let world = World::new();
    let counter = || world.command(example("counter"));
    out(counter().args(["--autoclose", "600", "add", "2"]));
    snapshot(&world, "describe", &["describe", "autod-counter"]);
    snapshot(&world, "call", &["call", "autod-counter", "get"]);
    snapshot(&world, "call-unknown-method", &["call", "autod-counter", "subtract"]);
    snapshot(&world, "call-wrong-argument", &["call", "autod-counter", "add", "n=two"]);
    snapshot(&world, "probe", &["probe", "autod-counter"]);
    snapshot(&world, "probe-nobody", &["probe", "nobody"]);
    out(&mut world.autod(&["stop", "autod-counter"]));
    snapshot(&world, "call-ended", &["call", "autod-counter", "get"]);

    world.daemon();
    out(&mut world.fixture(&["say", "a line to read"]));
    snapshot(&world, "logs", &["logs", "fixture", "-n", "1"]);
    snapshot(&world, "logs-json", &["logs", "fixture", "-n", "1", "--json"]);
}

/// Without the numbers of processes.
fn without_pids(text: &str) -> String {
    let mut parts = text.split_inclusive(['{', ',']);
    let part = |part: &str| match part.split_once(':') {
        Some((key @ ("\"pid\"" | "\"before\""), value)) => {
            let rest = value.trim_start_matches(|c: char| c.is_ascii_digit());
            assert_ne!(rest, value, "a number");
            format!("{key}:PID{rest}")
        }
        _ => part.to_owned(),
    };
    parts.by_ref().map(part).collect()
}

/// What is so on every machine that is well.
fn of_any_machine(text: &str) -> String {
    let checks = ["runtime-directory", "file-system", "locks", "sockets", "daemon", "exit code"];
    let is_of_any = |line: &&str| {
        let is_of =
            |check: &&str| line.contains(&format!(" {check}: ")) || line.starts_with(*check);
        checks.iter().any(is_of)
    };
    let line = |line: &str| match line.split_once(" is on ") {
        Some((place, _)) => format!("{place} is on FILE SYSTEM\n"),
        None => format!("{line}\n"),
    };
    text.lines().filter(is_of_any).map(line).collect()
}

#[test]
fn what_is_done() {
    let world = World::new();
    snapshot_by_turns(&world, "restart", &["restart", "fixture"], str::to_owned);
    snapshot_by_turns(&world, "restart-json", &["restart", "fixture", "--json"], without_pids);
    snapshot_by_turns(&world, "stop", &["stop", "fixture"], str::to_owned);
    snapshot_by_turns(&world, "stop-json", &["stop", "fixture", "--json"], str::to_owned);
}

#[test]
fn a_system_that_is_well() {
    let world = World::new();
    if !is_alone(&world) {
        return;
    }
    world.daemon();
    let output = world.autod(&["doctor"]).output().expect("autod");
    if !output.status.success() {
        eprintln!("skipped: {}", String::from_utf8_lossy(&output.stdout));
        return;
    }
    snapshot_by_turns(&world, "doctor-well", &["doctor"], of_any_machine);
}

#[test]
fn a_file_of_services() {
    let world = World::new();
    let file =
        world.write("wrong.toml", "[service.a]\ncmd = 1\nlisten = [{ tcp = 0 }]\nidle = 1\n");
    snapshot(&world, "up-check", &["up", "--check", "-c", file.to_str().unwrap()]);
    snapshot(&world, "up-check-json", &["up", "--check", "--json", "-c", file.to_str().unwrap()]);
    let file = world.write("good.toml", "[service.a]\ncmd = [\"a\"]\nlisten = [{ tcp = 7 }]\n");
    snapshot(&world, "up-check-good", &["up", "--check", "-c", file.to_str().unwrap()]);
}

/// The words that are not in the terminal's own colour, each behind its number. Where the terminal says
/// that a colour ends depends on what it drew before.
fn words_in_colour(text: &str) -> String {
    let parts = text.split("\x1b[38;5;").skip(1).filter_map(|part| part.split_once('m'));
    let word = |text: &str| text.split(['\x1b', '\n']).next().map(str::trim_end).map(str::to_owned);
    let lines = parts.filter_map(|(colour, text)| Some(format!("{colour} {}\n", word(text)?)));
    lines.collect()
}

#[test]
fn the_live_view() {
    if !has("tmux") {
        return;
    }
    let world = World::new();
    if !is_alone(&world) {
        return;
    }
    let scene = scene(&world);
    for columns in [80, 120] {
        let world_of_terminal = World::new();
        let terminal = Terminal::open(&world_of_terminal, columns, 9);
        let home = world.join("");
        let line = format!(
            "XDG_RUNTIME_DIR='{}' {} top --interval 100 --timeout 3000",
            home.display(),
            env!("CARGO_BIN_EXE_autod")
        );
        terminal.press(&[&line, "Enter"]);
        // Their rates are there at the second answer.
        let has_rate = |line: &str| {
            let behind = line.split_once(" ready ").or(line.split_once(" starting "));
            behind.is_some_and(|(_, behind)| behind.trim_start().starts_with("0 "))
        };
        let is_whole = |text: &str| {
            let rated = text.lines().filter(|line| has_rate(line)).count();
            rated == 3 && text.contains(" hung") && text.contains(" dead")
        };
        let mut shown = String::new();
        eventually("it has asked twice", || {
            shown = terminal.shown();
            is_whole(&shown)
        });
        // The first row is the chosen one whatever came first.
        terminal.press(&["g"]);
        eventually("the first one is chosen", || {
            terminal.shown().starts_with("  NAME") && {
                shown = terminal.shown();
                shown.lines().nth(1).is_some_and(|line| line.starts_with('>'))
            }
        });
        let coloured = terminal.tmux(&["capture-pane", "-p", "-e"]);
        let text = format!("{shown}\n\n--- colours\n{}", words_in_colour(&coloured));
        terminal.press(&["q"]);
        assert_snapshot(&format!("top-{columns}.txt"), &text);
    }
    drop(scene);
}
