//! What an app is handed: words, variables, descriptors, a directory.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use autod_activator::{Kind, Listen, Mode, Target};

use crate::apart::Apart;
use crate::world::{World, any_port, app, ask};

#[test]
fn an_app_is_told_its_addresses_by_words_and_by_variables() {
    let world = World::new();
    let told = world.join("told");
    let told = told.to_str().unwrap();
    let words = "${PORT} ${PORT_two} ${SOCKET} ${SOCKET_four} ${PORT_four} $PORT";
    let mut all = vec!["note", told, words];
    for name in ["PORT", "PORT_one", "PORT_two", "SOCKET", "SOCKET_three", "SOCKET_four", "MADE"] {
        all.extend(["variable", told, name]);
    }
    all.push("serve");
    let service = world
        .bare(&all)
        .env("MADE", "<${PORT_two}>")
        .listen(Listen::tcp(any_port()).name("one"))
        .listen(Listen::tcp(any_port()).name("two").to(Target::FreePort))
        .listen(Listen::unix(world.join("three")).name("three").to(Target::PrivateSocket))
        .listen(Listen::unix(world.join("four")).name("four").to(Target::PrivateSocket));
    let running = world.open(service);
    assert_eq!(running.ask().unwrap(), "hello");
    let lines = world.lines("told");
    let [words, variables @ .., made] = &lines[..] else { panic!("{lines:?}") };
    let [one, port_one, two, three, socket_three, four] = variables else { panic!("{lines:?}") };
    assert_eq!((one, three), (port_one, socket_three), "the first that has one");
    assert_ne!(one, two);
    assert_ne!(three, four);
    assert_eq!(*words, format!("{one} {two} {three} {four} ${{PORT_four}} $PORT"));
    assert_eq!(*made, format!("<{two}>"));
    let private = Path::new(three).parent().unwrap();
    assert_eq!(std::fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn listeners_that_are_handed_over_have_names() {
    let world = World::new();
    let told = world.join("told");
    let told = told.to_str().unwrap();
    let words = ["variable", told, "LISTEN_FDS", "variable", told, "LISTEN_FDNAMES", "serve"];
    let service = world
        .bare(&words)
        .mode(Mode::Fd)
        .listen(Listen::tcp(any_port()))
        .listen(Listen::unix(world.join("public")).name("admin"));
    let running = world.open(service);
    assert_eq!(running.ask().unwrap(), "hello");
    assert_eq!(world.lines("told"), ["2", "it:admin"]);
}

#[test]
fn a_cooperating_app_is_handed_its_data() {
    for mode in [Mode::Fd, Mode::Proxy] {
        let world = World::new();
        let file = world.join("data");
        let data = serde_json::json!({"any": ["value", 1, null], "long": "x".repeat(200_000)});
        let words = ["data", file.to_str().unwrap(), "serve", "say", "READY=1"];
        let service = world.service(&words).kind(Kind::Autod).mode(mode).data(data.clone());
        let running = world.open(service);
        assert_eq!(running.ask().unwrap(), "hello");
        let found = std::fs::read_to_string(file).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&found).unwrap(), data);
    }
}

/// Its own listeners, and whom it tells that it is ready.
#[test]
fn what_is_the_supervisors_is_not_handed_on() {
    let world = World::new();
    let told = world.join("told");
    let told = told.to_str().unwrap();
    let mut command = world.command(app());
    command.arg("supervise").envs([
        ("LISTEN_FDS", "1"),
        ("LISTEN_PID", "1"),
        ("LISTEN_FDNAMES", "x"),
        ("NOTIFY_SOCKET", "/nonexistent"),
        ("AUTOD_DATA", "5"),
        ("OTHER", "is handed on"),
    ]);
    let names =
        ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "AUTOD_DATA", "OTHER", "NOTIFY_SOCKET"];
    let mut words: Vec<&str> =
        names.into_iter().flat_map(|name| ["variable", told, name]).collect();
    words.push("serve");
    let apart = Apart::run(&world, command, &words);
    assert_eq!(ask(apart.address).unwrap(), "hello");
    let lines = world.lines("told");
    assert_eq!(lines[..5], ["", "", "", "", "is handed on"]);
    assert!(Path::new(&lines[5]).starts_with(world.join("")), "{lines:?}");
}

#[test]
fn a_script_is_run_by_its_interpreter_in_its_directory() {
    let world = World::new();
    let dir = world.join("dir");
    std::fs::create_dir(&dir).unwrap();
    let path = dir.join("run");
    let script = "#!/bin/sh\npwd -P >\"$TOLD\"\nexec \"$APP\" \"$@\"\n";
    for (mode, words) in [(0o755, &["./run", "serve"][..]), (0o644, &["sh", "run", "serve"])] {
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        let service = world
            .program(words[0])
            .args(words[1..].iter().copied())
            .dir(&dir)
            .env("APP", app().to_str().unwrap())
            .env("TOLD", world.join("told").to_str().unwrap())
            .listen(Listen::tcp(any_port()));
        let running = world.open(service);
        assert_eq!(running.ask().unwrap(), "hello");
        let real = std::fs::canonicalize(&dir).unwrap();
        assert_eq!(world.lines("told"), [real.to_str().unwrap()]);
    }
}
