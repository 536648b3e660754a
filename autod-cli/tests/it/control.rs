//! `autod ps`, `status`, `start` and `stop`, against supervisors that run.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::world::{World, ask, eventually, free_port};

/// A service that is ready when somebody has written a line into the pipe `gate`.
fn gated(world: &World) -> String {
    let gate = world.join("gate");
    rustix::fs::mkfifoat(rustix::fs::CWD, &gate, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
        .unwrap();
    let script = "read line <gate; echo go; exec sleep 1000";
    service("gated", &format!("[\"sh\", \"-c\", \"{script}\"]\nready = \"log:go\""))
}

fn service(name: &str, command: &str) -> String {
    format!("[service.{name}]\nlisten = [{{ tcp = {} }}]\ncmd = {command}\n", free_port())
}

fn sleeper(name: &str) -> String {
    service(name, "[\"sleep\", \"1000\"]\nready = \"delay:0ms\"")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl World {
    fn run(&self, arguments: &[&str]) -> Output {
        self.autod(arguments).output().expect("autod")
    }

    /// The exit code of a command that prints nothing if all is well.
    #[track_caller]
    fn code(&self, arguments: &[&str]) -> Option<i32> {
        let output = self.run(arguments);
        assert!(output.stdout.is_empty(), "{output:?}");
        assert_eq!(output.status.success(), output.stderr.is_empty(), "{output:?}");
        output.status.code()
    }

    fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.autod(arguments);
        command.stderr(Stdio::piped()).spawn().expect("autod")
    }

    /// What `status --json` says, and its exit code.
    #[track_caller]
    fn state(&self, name: &str) -> (Value, Option<i32>) {
        let output = self.run(&["status", name, "--json"]);
        let state = serde_json::from_slice(&output.stdout);
        (state.unwrap_or_else(|_| panic!("{output:?}")), output.status.code())
    }

    fn is(&self, name: &str, phase: &str) -> bool {
        self.state(name).0["state"] == phase
    }

    #[track_caller]
    pub(crate) fn listed(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let output = self.run(arguments);
        assert!(output.status.success(), "{output:?}");
        let rows = String::from_utf8(output.stdout).unwrap();
        rows.lines()
            .map(|row| serde_json::from_str::<Value>(row).unwrap())
            // The others are daemons.
            .filter(|row| row["kind"] == "service")
            .map(|row| {
                let word = |name: &str| row[name].as_str().unwrap().to_owned();
                (word("name"), word("state"))
            })
            .collect()
    }
}

#[test]
fn services_are_listed_started_and_stopped() {
    let world = World::new();
    assert!(world.listed(&["ps", "--json"]).is_empty());
    let dead = service("dead", "[\"false\"]");
    let file = world.write("autod.toml", &(sleeper("web") + &dead));
    let mut up = world.up(&file);

    let rows = world.listed(&["ps", "--json"]);
    let expected = ["dead", "web"].map(|name| (name.to_owned(), "stopped".to_owned()));
    assert_eq!(rows, expected);
    let (state, code) = world.state("web");
    assert_eq!(code, Some(3), "{state}");
    assert_eq!((state.get("pid"), &state["starts"]), (None, &Value::from(0)));
    assert_eq!(state["file"], text(&std::fs::canonicalize(&file).unwrap()));

    // What is so already is no error.
    assert_eq!(world.code(&["start", "web"]), Some(0));
    assert_eq!(world.code(&["start", "web", "-c", text(&file)]), Some(0));
    let (state, code) = world.state("web");
    assert_eq!((code, &state["state"]), (Some(0), &Value::from("running")));
    assert_eq!(state["pid"], up.event("ready")["pid"]);
    assert_eq!(world.code(&["stop", "web"]), Some(0));
    assert_eq!(world.code(&["stop", "web", "--force"]), Some(0));
    assert!(world.is("web", "stopped"));

    let output = world.run(&["start", "dead"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("dead did not start") && said.contains("exit code 1"), "{said}");
    assert!(said.contains("\nhelp: mend what it says"), "{said}");
    assert!(world.state("dead").0["failure"].as_str().unwrap().contains("exit code 1"));

    // For people.
    let table = String::from_utf8(world.run(&["ps"]).stdout).unwrap();
    let services = table.lines().skip_while(|line| !line.starts_with("SERVICE "));
    assert_eq!(services.count(), 3, "{table}");
    let details = String::from_utf8(world.run(&["status", "web"]).stdout).unwrap();
    assert!(
        details.contains("\nstate     stopped for ") && details.contains("\nstarts    1\n"),
        "{details}"
    );

    assert_eq!(world.code(&["start", "other"]), Some(4));
    assert_eq!(world.code(&["stop", "other"]), Some(4));
    assert_eq!(world.code(&["status", "other"]), Some(4));
    assert_eq!(world.run(&["start"]).status.code(), Some(2));
    assert_eq!(up.end(), Some(0));
    assert_eq!(world.code(&["ps", "-c", text(&file)]), Some(3));
    let said = |arguments: &[&str]| String::from_utf8(world.run(arguments).stderr).unwrap();
    let runs_it = format!("\nhelp: `autod up -c {}` runs it\n", text(&file));
    assert!(said(&["start", "web", "-c", text(&file)]).ends_with(&runs_it));
    assert_eq!(world.code(&["start", "web"]), Some(4));
    assert!(said(&["start", "web"]).contains("\nhelp: `autod ps` lists the services"));
}

#[test]
fn two_who_start_it_start_it_once_and_a_stop_meanwhile_is_told_to_both() {
    let world = World::new();
    let file = world.write("autod.toml", &gated(&world));
    let up = world.up(&file);
    let start = || world.begin(&["start", "gated"]);
    let mut starters = [start(), start()];
    eventually("it starts", || world.is("gated", "starting"));
    for starter in &mut starters {
        assert_eq!(starter.try_wait().unwrap(), None, "nobody returns before it is ready");
    }
    std::fs::File::options()
        .write(true)
        .open(world.join("gate"))
        .unwrap()
        .write_all(b"\n")
        .unwrap();
    for mut starter in starters {
        assert_eq!(starter.wait().unwrap().code(), Some(0));
    }
    assert_eq!(world.state("gated").0["starts"], 1);
    assert_eq!(world.code(&["stop", "gated"]), Some(0));

    let starter = start();
    eventually("it starts", || world.is("gated", "starting"));
    assert_eq!(world.code(&["stop", "gated"]), Some(0));
    let output = starter.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("was stopped before it was ready"), "{said}");

    // A supervisor that ends answers those who wait.
    let starter = start();
    eventually("it starts", || world.is("gated", "starting"));
    assert_eq!(up.end(), Some(0));
    assert_eq!(starter.wait_with_output().unwrap().status.code(), Some(1));
}

#[test]
fn a_file_has_one_supervisor_and_the_next_takes_the_place_of_a_killed_one() {
    let world = World::new();
    let file = world.write("autod.toml", &sleeper("web"));
    let up = world.up(&file);
    // By another name of the same file, too.
    std::os::unix::fs::symlink(&file, world.join("link.toml")).unwrap();
    for name in ["autod.toml", "link.toml"] {
        let output = world.run(&["up", "-c", text(&world.join(name))]);
        assert_eq!(output.status.code(), Some(5), "{output:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("has a supervisor already"), "{said}");
    }
    assert_eq!(world.code(&["start", "web"]), Some(0), "the first one goes on");

    up.signal(Signal::KILL);
    eventually("its end is seen", || world.listed(&["ps", "--json"]).is_empty());
    let directory = world.join("autod-up");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let sockets = || -> Vec<_> {
        let entries = std::fs::read_dir(&directory).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|end| end == "sock")).collect()
    };
    assert_eq!(sockets().len(), 1, "it is left over");
    drop(up);
    // Whoever finds it knows of which file it is.
    let dead = world.row(&[], text(&file.canonicalize().unwrap())).expect("a row");
    assert_eq!((&dead["kind"], &dead["state"]), (&"supervisor".into(), &"dead".into()));
    let next = world.up(&file);
    assert_eq!(sockets().len(), 1);
    assert_eq!(mode(&sockets()[0]), 0o600);
    assert_eq!(world.code(&["start", "web"]), Some(0));
    // By its file, as by its socket.
    assert_eq!(world.code(&["stop", text(&file)]), Some(0));
    assert!(sockets().is_empty());
    assert_eq!(next.end(), Some(0));
    assert!(sockets().is_empty());
}

#[test]
fn a_reload_keeps_the_control_socket() {
    let world = World::new();
    let file = world.write("autod.toml", &sleeper("old"));
    let mut up = world.up(&file);
    assert_eq!(world.code(&["start", "old"]), Some(0));
    let supervisor = world.state("old").0["supervisor"].clone();
    world.write("autod.toml", &sleeper("new"));
    up.signal(Signal::HUP);
    assert_eq!(up.event("closed")["service"], "old");
    up.event("listening");
    eventually("the new one is told", || {
        world.listed(&["ps", "--json"]) == [("new".to_owned(), "stopped".to_owned())]
    });
    assert_eq!(world.state("new").0["supervisor"], supervisor);
    assert_eq!(world.code(&["stop", "old"]), Some(4));
    assert_eq!(world.code(&["start", "new"]), Some(0));
    assert_eq!(up.end(), Some(0));
}

#[test]
fn a_name_of_two_supervisors_needs_the_file_and_one_that_is_stuck_holds_up_nobody() {
    let world = World::new();
    let [one, other] = ["one.toml", "other.toml"].map(|name| world.write(name, &sleeper("web")));
    let (up, stuck) = (world.up(&one), world.up(&other));
    assert_eq!(world.listed(&["ps", "--json"]).len(), 2);
    assert_eq!(world.code(&["start", "web"]), Some(2));
    assert_eq!(world.code(&["start", "web", "-c", text(&one)]), Some(0));

    stuck.signal(Signal::STOP);
    let began = Instant::now();
    let output = world.run(&["ps", "--json"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(output.status.code(), Some(1), "not all was told: {output:?}");
    let rows = String::from_utf8(output.stdout).unwrap();
    let services: Vec<&str> =
        rows.lines().filter(|row| row.contains("\"kind\":\"service\"")).collect();
    assert!(services.len() == 1 && services[0].contains(text(&one)), "{rows}");
    assert!(rows.lines().any(|row| row.contains("\"state\":\"hung\"")), "{rows}");
    assert!(!output.stderr.is_empty());
    stuck.signal(Signal::CONT);
    assert_eq!(world.listed(&["ps", "--json"]).len(), 2);
    assert_eq!(stuck.end(), Some(0));
    assert_eq!(up.end(), Some(0));
}

/// The public sockets are served as before while somebody controls.
#[test]
fn a_stop_drains_and_the_next_connection_starts_it_again() {
    let world = World::new();
    let port = free_port();
    let app = crate::world::example("activated-app");
    let file = world.write(
        "autod.toml",
        &format!(
            "[service.echo]\ncmd = [\"{}\", \"serve\"]\nlisten = [{{ tcp = {port} }}]\n",
            app.display()
        ),
    );
    let up = world.up(&file);
    for generation in 1..4 {
        assert_eq!(ask(port, "x").unwrap(), "x");
        assert_eq!(world.state("echo").0["starts"], generation);
        assert_eq!(world.code(&["stop", "echo"]), Some(0));
        assert_eq!(world.state("echo").1, Some(3));
    }
    assert_eq!(up.end(), Some(0));
}
