//! Completions in a shell, and manual pages as man reads them.

use std::path::Path;

use crate::tmux::Terminal;
use crate::up::echo;
use crate::world::{World, fails, free_port, freeze, has, is_installed, out};

/// The variable `PATH` with the command in it, which completions call by its name.
fn path() -> String {
    let directory = Path::new(env!("CARGO_BIN_EXE_autod")).parent().expect("a directory");
    format!("{}:{}", directory.display(), std::env::var("PATH").expect("a path"))
}

/// What bash offers behind these words.
#[track_caller]
fn offers(world: &World, words: &str) -> Vec<String> {
    let script = out(&mut world.autod(&["completions", "bash"]));
    let script = world.write("autod.bash", &script);
    let line = format!(
        "source '{}'; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); COMP_TYPE=9; \
         _clap_complete_autod autod \"${{COMP_WORDS[COMP_CWORD]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        script.display(),
    );
    let text = out(world.command("bash").args(["--norc", "-c", &line]).env("PATH", path()));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_options_and_who_is_there() {
    if !has("bash") {
        return;
    }
    let world = World::new();
    assert_eq!(offers(&world, "autod stat"), ["status"]);
    assert_eq!(offers(&world, "autod ps --re"), ["--reap"]);
    assert_eq!(offers(&world, "autod status fix"), [""; 0], "none runs");
    world.daemon();
    let sock = world.join("other.sock");
    out(world.fixture(&["pid"]).env("FIX_SOCK", &sock));
    let file = world.write("autod.toml", &echo("fixed", free_port(), ""));
    let up = world.up(&file);
    assert_eq!(offers(&world, "autod status fix"), ["fixture", "fixed"]);
    assert_eq!(offers(&world, "autod stop fixture fixe"), ["fixed"]);
    assert_eq!(offers(&world, "autod start fi"), ["fixed"]);
    assert_eq!(offers(&world, "autod call fix"), ["fixture"]);
    assert_eq!(offers(&world, "autod call fixture ech"), ["echo"]);
    let methods = offers(&world, "autod call --json fixture ''");
    assert!(methods.contains(&"divide".to_owned()), "{methods:?}");
    let sock = sock.to_str().unwrap();
    assert_eq!(offers(&world, &format!("autod describe {}", &sock[..sock.len() - 3])), [sock]);
    assert_eq!(offers(&world, &format!("autod call {sock} ech")), ["echo"]);
    let socket = std::os::unix::net::UnixListener::bind(world.join("othello")).unwrap();
    let begun = world.join("oth");
    let both = [sock.strip_suffix("er.sock").unwrap(), "ello"].concat();
    assert_eq!(offers(&world, &format!("autod stop {}", begun.display())), [sock, &both]);
    drop(socket);
    up.end();
    out(&mut world.autod(&["stop", "fixture", sock]));
    assert_eq!(offers(&world, "autod status fix"), [""; 0], "they have ended");
    assert_eq!(offers(&world, "autod logs fix"), ["fixture"], "its log is there");
}

#[test]
fn a_pressed_tab_completes_the_line() {
    if !has("tmux") || !has("bash") {
        return;
    }
    let world = World::new();
    world.daemon();
    let path = format!("PATH={}", path());
    let bash = ["env", "PS1=$ ", &path, "bash", "--norc", "--noprofile"];
    let terminal = Terminal::with_shell(&world, 80, 10, &bash);
    terminal.press(&["source <(autod completions bash)", "Enter"]);
    terminal.press(&["autod call fix", "Tab"]);
    terminal.shows("$ autod call fixture");
    terminal.press(&["div", "Tab"]);
    terminal.shows("$ autod call fixture divide");
    terminal.press(&["a=84 b=2", "Enter"]);
    terminal.shows("\n42\n");
}

/// A daemon that hangs is offered, and holds up no tab for long.
#[test]
fn a_daemon_that_hangs_has_a_name_and_no_methods() {
    if !has("bash") {
        return;
    }
    let world = World::new();
    let pid = world.daemon();
    freeze(pid);
    assert_eq!(offers(&world, "autod stop fix"), ["fixture"]);
    let began = std::time::Instant::now();
    assert_eq!(offers(&world, "autod call fixture div"), [""; 0]);
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn there_is_a_script_for_each_shell() {
    let world = World::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = out(&mut world.autod(&["completions", shell]));
        assert!(script.contains("AUTOD_COMPLETE") && script.contains("autod"), "{shell}: {script}");
        if !matches!(shell, "bash" | "zsh" | "fish") {
            continue;
        }
        if is_installed(shell) {
            let path = world.write(shell, &script);
            out(world.command(shell).arg("-n").arg(path));
        } else {
            eprintln!("the script for {shell} was not checked: it is not installed");
        }
    }
    assert_eq!(fails(&mut world.autod(&["completions", "csh"])).0, 2);
}

#[test]
fn there_is_a_page_for_each_command() {
    let world = World::new();
    let pages = world.join("man");
    std::fs::create_dir(&pages).unwrap();
    out(&mut world.autod(&["man", pages.to_str().unwrap()]));
    for name in ["autod", "autod-ps", "autod-status", "autod-doctor", "autod-restart"] {
        let page = std::fs::read_to_string(pages.join(format!("{name}.1"))).unwrap();
        assert!(page.contains(".TH"), "{name}");
    }
    let page = std::fs::read_to_string(pages.join("autod-ps.1")).unwrap();
    assert!(page.contains("reap"), "{page}");
    let (code, text) = fails(&mut world.autod(&["man", "/nonexistent/man"]));
    assert!(code == 1 && text.contains("make the directory"), "{text}");
}
