//! Nobody hangs because a daemon was started: not a shell, not a pipe, not a script.

use crate::home::{Home, Run, example, has, is_gone};

fn shell(home: &Home, script: &str) -> Run {
    home.run("/bin/bash").args(["-c", script]).args([example("counter")])
}

#[test]
fn command_substitution_and_pipes_end_although_the_daemon_lives() {
    let home = Home::new();
    assert_eq!(shell(&home, "x=$(\"$0\" add 2); echo got $x").out(), "got 2");
    assert_eq!(home.processes().len(), 1);
    let home = Home::new();
    assert_eq!(shell(&home, "\"$0\" add 2 | cat").out(), "2");
    let home = Home::new();
    assert_eq!(shell(&home, "\"$0\" add 2 2>&1 | cat").out(), "2");
    let home = Home::new();
    assert_eq!(shell(&home, "\"$0\" add 2 9>&1 | cat").out(), "2", "nor by a further descriptor");
    assert_eq!(home.processes().len(), 1);
}

#[test]
fn job_control_and_wait_do_not_wait_for_the_daemon() {
    let home = Home::new();
    let script = "set -m; \"$0\" add 2 & wait; echo waited";
    assert_eq!(shell(&home, script).out(), "2\nwaited");
}

#[test]
fn a_caller_without_standard_descriptors_works() {
    let home = Home::new();
    shell(&home, "\"$0\" add 2 <&- >&- 2>&-").done();
    assert_eq!(home.counter(["get"]).out(), "2");
    let log = std::fs::read_to_string(home.join("autod-counter/log")).unwrap();
    assert_eq!(log, "", "nothing of the caller's went there");
}

#[test]
fn the_daemon_survives_its_session_and_its_terminal() {
    if !has("script") {
        return;
    }
    let home = Home::new();
    // A session of its own, whose terminal hangs up when script ends.
    let run = home.run("script").args(["-qec"]);
    let mut run = run.args([format!("{} add 2", example("counter").display())]);
    run.command.args(["/dev/null"]);
    assert_eq!(run.out().trim(), "2");
    assert_eq!(home.counter(["add", "1"]).out(), "3");
}

#[test]
fn an_interrupt_of_the_foreground_group_spares_the_daemon() {
    let home = Home::new();
    // The caller and the shell's whole group are interrupted; the daemon is in none of them.
    let script = "set -m; (\"$0\" add 2; touch called; exec sleep 100) & \
                  while [ ! -e called ]; do sleep 0.01; done; kill -INT -- -$!; wait";
    shell(&home, script).cwd(home.path()).done();
    assert_eq!(home.counter(["get"]).out(), "2");
}

#[test]
fn a_removed_working_directory_is_no_obstacle() {
    let home = Home::new();
    let gone = home.join("gone");
    std::fs::create_dir(&gone).unwrap();
    let script = "cd \"$1\" && rmdir \"$1\" && \"$0\" add 2";
    let run = home.run("/bin/bash").args(["-c", script]).args([example("counter"), gone]);
    assert_eq!(run.out(), "2");
    let [daemon] = home.processes()[..] else { panic!("one daemon") };
    assert!(!is_gone(daemon));
}

#[test]
fn a_terminal_shows_how_far_a_start_is_and_a_pipe_does_not() {
    if !has("script") {
        return;
    }
    let home = Home::new();
    let slow = |run: Run| run.env("FIX_INIT", "slow:400").env("FIX_SHOW", "1");
    let done = slow(home.fixture(["add", "1"])).done().good();
    assert!(!done.stderr.contains("step"), "{done:?}");
    home.fixture(["stop"]).out();
    let command = format!("{} add 1", example("fixture").display());
    let shown = slow(home.run("script").args(["-qec", &command, "/dev/null"])).out();
    assert!(shown.contains("fixture: step 2"), "{shown:?}");
    // The line is gone before the result is there.
    assert!(shown.ends_with("\r\u{1b}[2K1"), "{shown:?}");
}
