//! `autod top` in a terminal, as a person uses it.

use rustix::process::Signal;

use crate::tmux::Terminal;
use crate::up::echo;
use crate::world::{World, connect, eventually, fails, free_port, has, kill, out};

#[track_caller]
fn begin_top(terminal: &Terminal<'_>, words: &str) {
    let top = env!("CARGO_BIN_EXE_autod");
    terminal.press(&[&format!("echo was-here; {top} top {words}; echo code=$?"), "Enter"]);
    terminal.shows("q quit");
}

/// Daemons of this user outside of the test may stand before it.
#[track_caller]
fn choose(terminal: &Terminal<'_>, name: &str) {
    terminal.press(&["g"]);
    let chosen = format!("> {name} ");
    eventually(&chosen, || {
        let is_chosen = terminal.shown().lines().any(|line| line.starts_with(&chosen));
        if !is_chosen {
            terminal.press(&["j"]);
        }
        is_chosen
    });
}

#[test]
fn daemons_are_watched_read_and_stopped() {
    if !has("tmux") {
        return;
    }
    let world = World::new();
    let pid = world.daemon();
    let sock = world.join("other.sock");
    let other: i32 = out(world.fixture(&["pid"]).env("FIX_SOCK", &sock)).parse().unwrap();
    out(&mut world.fixture(&["say", "a line to read"]));
    kill(other, Signal::STOP);

    let terminal = Terminal::open(&world, 120, 20);
    let modes = terminal.runs("stty -a");
    begin_top(&terminal, "--interval 100 --timeout 600000");
    // The other one is asked for ten minutes.
    terminal.shows("fixture ");
    terminal.shows(&pid.to_string());
    let screen = terminal.shown();
    assert!(screen.contains("CALLS/S") && screen.contains("ready"), "{screen}");
    assert!(!screen.contains("was-here"), "the shell's screen is away: {screen}");
    out(&mut world.fixture(&["adds", "50"]));

    choose(&terminal, "fixture");
    terminal.press(&["l"]);
    terminal.shows("log of fixture");
    terminal.shows("a line to read");
    out(&mut world.fixture(&["say", "one more line"]));
    terminal.shows("one more line");
    terminal.press(&["q"]);
    terminal.shows("NAME");

    terminal.press(&["s"]);
    terminal.shows("stop fixture? y or n");
    terminal.press(&["n"]);
    terminal.shows("q quit");
    assert_eq!(world.daemon(), pid, "that was no yes");
    terminal.press(&["s"]);
    terminal.shows("stop fixture? y or n");
    terminal.press(&["y"]);
    terminal.shows("fixture has ended");
    assert!(world.row(&["--timeout", "100"], "fixture").is_none());

    terminal.press(&["q"]);
    terminal.shows("code=0");
    let screen = terminal.shown();
    assert!(screen.contains("was-here") && !screen.contains("CALLS/S"), "{screen}");
    assert_eq!(terminal.runs("stty -a"), modes);
    kill(other, Signal::CONT);
}

#[test]
fn a_daemon_that_hangs_is_shown_and_can_be_killed() {
    if !has("tmux") {
        return;
    }
    let world = World::new();
    let pid = world.daemon();
    kill(pid, Signal::STOP);
    let terminal = Terminal::open(&world, 40, 8);
    begin_top(&terminal, "--interval 100 --timeout 200");
    terminal.shows("hung");
    assert!(terminal.shown().lines().all(|line| line.chars().count() <= 40));
    choose(&terminal, "fixture");
    terminal.press(&["K"]);
    terminal.shows("kill fixture?");
    terminal.press(&["y"]);
    terminal.shows("fixture was killed");
    terminal.shows("no daemon runs");
    terminal.press(&["C-c"]);
    terminal.shows("code=0");
}

#[test]
fn a_signal_gives_the_terminal_back() {
    if !has("tmux") {
        return;
    }
    let world = World::new();
    let terminal = Terminal::open(&world, 100, 10);
    let modes = terminal.runs("stty -a");
    for signal in [Signal::TERM, Signal::HUP, Signal::INT] {
        begin_top(&terminal, "");
        let is_top = |pid: &i32| {
            let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.ends_with(b"autod\0top\0")
        };
        let pid = world.processes().into_iter().find(is_top).expect("the view");
        kill(pid, signal);
        terminal.shows("code=0");
        let screen = terminal.shown();
        assert!(!screen.contains("CALLS/S") && !screen.contains("q quit"), "{screen}");
        assert_eq!(terminal.runs("stty -a"), modes);
        terminal.press(&["clear", "Enter"]);
        eventually("it is clear", || !terminal.shown().contains("code="));
    }
}

#[test]
fn without_a_terminal_it_says_what_to_use() {
    let world = World::new();
    let (code, text) = fails(&mut world.autod(&["top"]));
    assert!(
        code == 1 && text.contains("no terminal") && text.contains("autod ps --json"),
        "{text}"
    );
    assert_eq!(fails(&mut world.autod(&["top", "--interval", "5"])).0, 2);
}

#[test]
fn services_of_a_supervisor_are_watched_and_stopped() {
    if !has("tmux") {
        return;
    }
    let world = World::new();
    let port = free_port();
    let text = echo("echo", port, "") + &echo("idle", free_port(), "");
    let up = world.up(&world.write("autod.toml", &text));
    let terminal = Terminal::open(&world, 140, 10);
    begin_top(&terminal, "--interval 100");
    let row = |name: &str| {
        let shown = terminal.shown();
        let line =
            shown.lines().find(|line| line.get(2..).is_some_and(|line| line.starts_with(name)));
        line.unwrap_or("").to_owned()
    };
    eventually("they are listed", || row("echo ").contains(" stopped "));
    assert!(row("idle ").contains("listens at "), "{}", terminal.shown());
    let open = connect(port).unwrap();
    eventually("it runs", || row("echo ").contains(" running ") && row("echo ").contains("1 user"));
    // Down from the supervisor's own row.
    terminal.press(&["g"]);
    // It is known by its file, whose path keeps its end.
    let is_chosen = |line: &str| {
        line.starts_with('>') && line.contains("/autod.toml ") && line.contains("autod up")
    };
    eventually("the first is chosen", || terminal.shown().lines().any(is_chosen));
    terminal.press(&["j"]);
    eventually("it is chosen", || row("echo ").starts_with('>'));
    terminal.press(&["l"]);
    terminal.shows("what echo writes goes where its supervisor writes");
    terminal.press(&["K"]);
    terminal.shows("kill echo?");
    terminal.press(&["y"]);
    terminal.shows("echo was killed");
    eventually("it is stopped", || row("echo ").contains(" stopped "));
    drop(open);
    assert_eq!(world.listed(&["ps", "--json"]).len(), 2, "the supervisor goes on");
    assert_eq!(up.end(), Some(0));
    eventually("they are gone", || row("echo ").is_empty());
    terminal.press(&["q"]);
    terminal.shows("code=0");
}
