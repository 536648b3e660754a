//! `autod up`.

use std::io::{Read as _, Write as _};
use std::path::Path;

use rustix::process::Signal;

use crate::world::{World, ask, connect, eventually, example, free_port, has};

/// An echo server as a service, with what else is set.
pub(crate) fn echo(name: &str, port: u16, settings: &str) -> String {
    let app = example("activated-app");
    let app = app.display();
    format!(
        "[service.{name}]\ncmd = [\"{app}\", \"serve\"]\nlisten = [{{ tcp = {port} }}]\n{settings}\n"
    )
}

#[test]
fn a_check_reports_every_mistake_at_its_place() {
    let world = World::new();
    let file =
        world.write("autod.toml", "[service.a]\ncmd = 1\nlisten = [{ tcp = 0 }]\nidle = 1\n");
    let file = file.to_str().unwrap();
    for arguments in [&["up", "--check", "-c", file][..], &["up", "-c", file]] {
        let output = world.autod(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let text = String::from_utf8(output.stderr).unwrap();
        let places: Vec<&str> = text.lines().map(|line| line.split(' ').next().unwrap()).collect();
        let mut expected =
            ["2:7:", "3:19:", "4:1:"].map(|place| format!("{file}:{place}")).to_vec();
        expected.push("help:".to_owned());
        assert_eq!(places, expected, "{text}");
        assert!(output.stdout.is_empty());
    }
    let file = world.write("good.toml", &echo("a", 1, ""));
    let output = world.autod(&["up", "--check", "-c", file.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    for arguments in [&["up", "-c", "/nonexistent/autod.toml"][..], &["up"], &["up", "--check"]] {
        let output = world.autod(arguments).current_dir("/").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stderr).unwrap();
        let [why, help] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert!(why.contains("autod.toml: the file cannot be read: "), "{text}");
        assert!(help.starts_with("help: ") && help.contains("`autod up -c FILE`"), "{text}");
    }
    assert_eq!(world.autod(&["down"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn events_are_lines_and_a_signal_ends_it_in_order() {
    let world = World::new();
    let port = free_port();
    let file = world.write("autod.toml", &echo("it", port, "idle_timeout = \"100ms\""));
    let mut up = world.up(&file);
    assert_eq!(ask(port, "hello").unwrap(), "hello");
    assert_eq!(up.event("connection")["service"], "it");
    assert_eq!(up.event("starting")["generation"], 1);
    assert!(up.event("ready")["pid"].as_u64().is_some());
    up.event("idle-stop");
    assert_eq!(up.event("stopped")["exit"], "exit code 0");
    assert_eq!(ask(port, "again").unwrap(), "again");
    up.event("ready");
    assert_eq!(up.end(), Some(0));
    assert!(ask(port, "hello").is_err());
    eventually("nothing is left over", || world.processes().is_empty());
}

#[test]
fn events_that_nobody_reads_hold_up_neither_the_clients_nor_the_end() {
    let world = World::new();
    let port = free_port();
    let file = world.write("autod.toml", &echo("it", port, ""));
    let up = world.up(&file);
    // Two pipes full, each line being longer than 64 bytes.
    for _ in 0..2048 {
        assert_eq!(ask(port, "x").unwrap(), "x");
    }
    assert!(world.listed(&["ps", "--json"]).contains(&("it".to_owned(), "running".to_owned())));
    assert_eq!(up.end_unread(), Some(0));
    eventually("nothing is left over", || world.processes().is_empty());
}

#[test]
fn an_address_that_is_taken_is_an_error_and_nothing_was_begun() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let text = echo("first", free_port(), "") + &echo("second", port, "");
    let file = world.write("autod.toml", &text);
    let output = world.autod(&["up", "-c", file.to_str().unwrap()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&format!("cannot listen at 127.0.0.1:{port}: ")), "{text}");
    assert!(text.contains("\nhelp: end whoever listens there"), "{text}");
    let output = world.autod(&["ps", "--json"]).output().unwrap();
    assert!(output.status.success() && output.stdout.is_empty(), "it is no daemon: {output:?}");
}

#[test]
fn a_reload_leaves_alone_what_is_described_as_before() {
    let world = World::new();
    let [same, changed, gone, new] = [(); 4].map(|()| free_port());
    let before = echo("same", same, "") + &echo("changed", changed, "") + &echo("gone", gone, "");
    let file = world.write("autod.toml", &before);
    let mut up = world.up(&file);
    let mut open = connect(same).unwrap();
    let mut say = |words: &str| {
        open.write_all(words.as_bytes()).unwrap();
        let mut answer = vec![0; words.len()];
        open.read_exact(&mut answer).unwrap();
        assert_eq!(answer, words.as_bytes());
    };
    say("before");
    assert_eq!(ask(changed, "x").unwrap(), "x");
    assert_eq!(ask(gone, "x").unwrap(), "x");

    world.write("autod.toml", "not toml at all");
    up.signal(Signal::HUP);
    say("during");
    let after = echo("same", same, "")
        + &echo("changed", changed, "idle_timeout = \"1h\"")
        + &echo("new", new, "");
    world.write("autod.toml", &after);
    up.signal(Signal::HUP);
    let mut closed = [(); 2].map(|()| up.event("closed")["service"].as_str().unwrap().to_owned());
    closed.sort();
    assert_eq!(closed, ["changed", "gone"]);
    say("after");
    for port in [changed, new] {
        eventually("it listens", || ask(port, "x").is_ok_and(|answer| answer == "x"));
    }
    assert!(ask(gone, "x").is_err());
    drop(open);
    assert_eq!(up.end(), Some(0));
}

/// What the README shows, run from its own text.
#[test]
fn a_python_server_is_made_lazy_by_the_file_alone() {
    if !has("python3") {
        return;
    }
    let world = World::new();
    let readme = include_str!("../../../README.md");
    let example =
        readme.split("```toml\n").nth(1).expect("an example").split("```").next().unwrap();
    let port = free_port();
    std::fs::create_dir(world.join("site")).unwrap();
    world.write("site/index.html", "it is there");
    let text =
        example.replace("~/site", "site").replace("127.0.0.1:8080", &format!("127.0.0.1:{port}"));
    assert!(text.contains("\"site\"") && text.contains(&port.to_string()), "{text}");
    let file = world.write("autod.toml", &text);
    let mut up = world.up(&file);
    let answer = ask(port, "GET /index.html HTTP/1.0\r\n\r\n").unwrap();
    assert!(answer.ends_with("it is there"), "{answer}");
    up.event("ready");
    assert_eq!(up.end(), Some(0));
}

pub(crate) fn counter(world: &World, sock: &Path, words: &[&str]) -> String {
    let output = world
        .command(example("counter"))
        .args(["--sockfile", sock.to_str().unwrap()])
        .args(words)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The very program that starts its own daemon elsewhere.
#[test]
fn a_daemon_of_autods_is_served_by_the_supervisor_without_a_change() {
    let world = World::new();
    let program = example("counter");
    let text = format!(
        "[service.counter]\ncmd = [\"{}\", \"--autoclose\", \"0.05\", \"get\"]\nkind = \"autod\"\nlisten = [{{ unix = \"sock\" }}]\n",
        program.display()
    );
    let file = world.write("autod.toml", &text);
    let mut up = world.up(&file);
    let sock = world.join("sock");
    assert_eq!(counter(&world, &sock, &["add", "2"]), "2");
    up.event("ready");
    assert_eq!(up.event("stopped")["exit"], "exit code 0");
    // Around the moment at which it goes, nobody is lost.
    for number in 0..100 {
        assert_eq!(counter(&world, &sock, &["add", "0"]), "0");
        std::thread::sleep(std::time::Duration::from_millis(40 + number % 20));
    }
    counter(&world, &sock, &["close"]);
    assert_eq!(counter(&world, &sock, &["get"]), "0");
    assert!(
        !world.join("sock.life").exists(),
        "no locks where somebody else looks after the socket"
    );
    assert_eq!(up.end(), Some(0));
}

/// The pid in the answer of the example.
pub(crate) fn greeted_by(port: u16) -> u32 {
    let answer = ask(port, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let words = answer.split("\r\n\r\n").nth(1).expect("a body").trim();
    let pid = words.strip_prefix("Hello from process ").and_then(|rest| rest.strip_suffix('.'));
    pid.unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
}

#[test]
fn a_server_on_tokio_cooperates_in_three_lines() {
    let world = World::new();
    let port = free_port();
    let program = example("hello-http");
    let text = format!(
        "[service.hello]\ncmd = [\"{}\"]\nkind = \"autod\"\nlisten = [{{ tcp = {port} }}]\n",
        program.display()
    );
    let file = world.write("autod.toml", &text);
    let mut up = world.up(&file);
    let first = greeted_by(port);
    assert_eq!(up.event("ready")["pid"], first);
    assert_eq!(up.event("stopped")["exit"], "exit code 0", "it went by itself");
    // Around the moment at which it goes, nobody is lost.
    let mut last = first;
    let mut changes = 0;
    for number in 0..40 {
        let now = greeted_by(port);
        changes += u32::from(now != last);
        last = now;
        std::thread::sleep(std::time::Duration::from_millis(190 + number % 20));
    }
    assert!(changes > 1, "it went {changes} times");
    assert_eq!(up.end(), Some(0));
}
