//! The same programs under systemd's own supervisor, and its opinion of the unit files.

use std::io::Read as _;
use std::process::Stdio;

use autod_activator::{Kind, Listen, Service};

use crate::up::{counter, greeted_by};
use crate::world::{World, connect, eventually, example, free_port, has};

#[test]
fn the_unit_files_are_right() {
    if !has("systemd-analyze") {
        return;
    }
    let world = World::new();
    let socket = world.join("100% it's here.sock");
    let units = Service::new("it", example("counter").to_str().unwrap())
        .args(["--autoclose", "60", "get"])
        .kind(Kind::Autod)
        .dir(world.join(""))
        .env("GREETING", "hello \"you\" for $5")
        .listen(Listen::unix(socket))
        .units()
        .unwrap();
    let paths =
        [world.write("it.socket", &units.socket), world.write("it.service", &units.service)];
    let output = world.command("systemd-analyze").arg("verify").args(paths).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let about_us: Vec<&str> = said.lines().filter(|line| line.contains("it.s")).collect();
    assert!(output.status.success() && about_us.is_empty(), "{said}\n{units:?}");

    // It would have said so.
    let broken = units.service.replace("Type=notify", "Type=nothing");
    let path = world.write("it.service", &broken);
    let output = world.command("systemd-analyze").arg("verify").arg(path).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("it.service"), "{said}");
}

/// `systemd-socket-activate` listens, and becomes the program on the first connection.
fn activate(world: &World, listen: &str, program: &[&str]) -> std::process::Child {
    let log = std::fs::File::create(world.join("log")).unwrap();
    let child = world
        .command("systemd-socket-activate")
        .args(["-l", listen])
        // It passes on what it is told to.
        .args(["-E", "AUTOD_TEST_HOME", "-E", "XDG_RUNTIME_DIR"])
        .args(program)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let listening = || std::fs::read_to_string(world.join("log")).unwrap_or_default();
    eventually("it listens", || listening().contains("Listening on"));
    child
}

#[test]
fn a_daemon_of_autods_is_served_by_systemd_without_a_change() {
    if !has("systemd-socket-activate") {
        return;
    }
    let world = World::new();
    let sock = world.join("sock");
    let program = example("counter");
    let words = [program.to_str().unwrap(), "--autoclose", "0.2", "get"];
    let mut child = activate(&world, sock.to_str().unwrap(), &words);
    assert_eq!(counter(&world, &sock, &["add", "2"]), "2");
    assert_eq!(counter(&world, &sock, &["add", "3"]), "5");
    // Nobody needs it any more.
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_server_on_tokio_is_served_by_systemd_without_a_change() {
    if !has("systemd-socket-activate") {
        return;
    }
    let world = World::new();
    let port = free_port();
    let program = example("hello-http");
    let mut child = activate(&world, &format!("127.0.0.1:{port}"), &[program.to_str().unwrap()]);
    assert_eq!(greeted_by(port), child.id());
    let mut open = connect(port).unwrap();
    assert_eq!(greeted_by(port), child.id(), "an open connection keeps it");
    assert!(child.try_wait().unwrap().is_none());
    open.shutdown(std::net::Shutdown::Write).unwrap();
    open.read_to_end(&mut Vec::new()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// `autod up` itself, on a socket of systemd's.
#[test]
fn the_supervisor_takes_over_the_sockets_that_it_is_handed() {
    if !has("systemd-socket-activate") {
        return;
    }
    let world = World::new();
    let port = free_port();
    let app = example("hello-http");
    let text = format!(
        "[service.hello]\ncmd = [\"{}\"]\nkind = \"autod\"\nlisten = [{{ tcp = {port} }}]\n",
        app.display()
    );
    let file = world.write("autod.toml", &text);
    let autod = [env!("CARGO_BIN_EXE_autod"), "up", "-c", file.to_str().unwrap()];
    let mut child = activate(&world, &format!("127.0.0.1:{port}"), &autod);
    assert_ne!(greeted_by(port), child.id());
    crate::world::kill(child.id().cast_signed(), rustix::process::Signal::TERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    eventually("nothing is left over", || world.processes().is_empty());
}
