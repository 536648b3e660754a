//! Completions in a shell, and manual pages as man reads them.

use crate::world::{World, fails, has, out};

#[test]
fn bash_completes_commands_and_options() {
    if !has("bash") {
        return;
    }
    let world = World::new();
    let script = out(&mut world.autod(&["completions", "bash"]));
    let script = world.write("autod.bash", &script);
    let complete = |words: &str| {
        let count = words.split(' ').count() - 1;
        let line = format!(
            "source '{}'; COMP_WORDS=({words} ''); COMP_CWORD={count}; \
             COMP_WORDS[{count}]='{}'; _autod autod \"${{COMP_WORDS[{count}]}}\" \
             \"${{COMP_WORDS[{count}-1]}}\"; echo \"${{COMPREPLY[@]}}\"",
            script.display(),
            words.rsplit(' ').next().unwrap(),
        );
        out(world.command("bash").args(["--norc", "-c", &line]))
    };
    assert_eq!(complete("autod stat"), "status");
    assert_eq!(complete("autod ps --re"), "--reap");
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        assert!(out(&mut world.autod(&["completions", shell])).contains("doctor"), "{shell}");
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
