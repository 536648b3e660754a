use std::time::Duration;

use super::*;
use crate::address::Target;
use crate::service::{Kind, Mode, Ready};

/// `LINE:COLUMN message` of everything that is wrong.
fn mistakes(text: &str) -> Vec<String> {
    let mistakes = parse_file("/etc/autod.toml", text).unwrap_err().mistakes;
    mistakes
        .into_iter()
        .map(|mistake| format!("{}:{} {}", mistake.line, mistake.column, mistake.message))
        .collect()
}

#[track_caller]
fn one(settings: &str, expected: &str) {
    let text = format!("[service.web]\ncmd = [\"x\"]\nlisten = [{{ tcp = 80 }}]\n{settings}\n");
    let found = mistakes(&text);
    assert!(found.len() == 1 && found[0].contains(expected), "{settings}: {found:?}");
    assert!(found[0].starts_with("4:"), "{found:?}");
}

#[test]
fn the_example_of_the_documentation_is_valid_and_complete() {
    let page = include_str!("../../../docs/activation.md");
    let example = page.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let services = parse_file("/etc/autod.toml", example).unwrap();
    assert!(services.len() >= 2);
    for key in table_keys() {
        assert!(example.contains(&format!("\n{key} = ")), "{key} is not in the example");
        assert!(page.contains(&format!("| `{key}` |")), "{key} is not in the table of the keys");
    }
    let web = services.iter().find(|service| service.name == "web").unwrap();
    let mut plain =
        Service::new("web", "x").listen(crate::address::Listen::tcp("1.1.1.1:1".parse().unwrap()));
    plain.command.clone_from(&web.command);
    plain.dir.clone_from(&web.dir);
    plain.env.clone_from(&web.env);
    plain.listens.clone_from(&web.listens);
    plain.mode = web.mode;
    plain.ready.clone_from(&web.ready);
    assert_eq!(web, &plain, "it shows the defaults");
}

fn table_keys() -> Vec<&'static str> {
    table::KEYS.split(", ").map(str::trim).collect()
}

#[test]
fn every_key_is_read() {
    let text = r#"
[service.web]
cmd = ["./server", "${PORT_http}"]
dir = "site"
env = { A = "1" }
listen = [
    { name = "http", tcp = "0.0.0.0:80", to = "tcp" },
    { name = "admin", unix = "run/admin", to = "unix:/run/app" },
]
mode = "proxy"
ready = "log:^listening on [0-9]+$"
start_timeout = "1s"
stop_timeout = "2m"
drain_timeout = "3h"
idle_timeout = "never"
min_uptime = "4ms"
max_connections = 5
max_pending = 6
restart = { backoff = ["7ms", "8s"], stable = "9s" }
[service.app]
cmd = ["app"]
kind = "autod"
listen = [{ tcp = 81 }]
data = { list = [1, 2.5, true, "x", 1979-05-27], table = { a = "b" } }
"#;
    let services = parse_file("/etc/autod.toml", text).unwrap();
    let [app, web] = &services[..] else { panic!("{services:?}") };
    assert_eq!(web.dir.as_deref(), Some(Path::new("/etc/site")));
    assert_eq!(web.listens[0].at, "0.0.0.0:80".parse().unwrap());
    assert_eq!(web.listens[1].at, Address::Unix("/etc/run/admin".into()));
    assert_eq!(web.listens[1].to, Target::At(Address::Unix("/run/app".into())));
    assert_eq!(web.mode, Some(Mode::Proxy));
    assert!(matches!(&web.ready, Some(Ready::Log(pattern)) if pattern.is_match("listening on 80")));
    assert_eq!(
        (web.start_timeout, web.min_uptime),
        (Duration::from_secs(1), Duration::from_millis(4))
    );
    assert_eq!((web.idle_timeout, web.max_connections, web.max_pending), (None, 5, 6));
    assert_eq!(web.restart.most, Duration::from_secs(8));
    assert_eq!((app.kind, app.effective_mode()), (Kind::Autod, Mode::Fd));
    let data = serde_json::json!({"list": [1, 2.5, true, "x", "1979-05-27"], "table": {"a": "b"}});
    assert_eq!(app.data.as_ref(), Some(&data));
    assert_eq!(app.dir.as_deref(), Some(Path::new("/etc")), "the file's directory is the default");
}

#[test]
fn everything_that_is_wrong_is_reported_at_once_at_its_place() {
    let text = r#"
[service.a]
cmd = ["x", 1]
listen = [{ tcp = 80 }, { tcp = 0 }]
idle = "5m"
[service.b]
listen = [{ tcp = "0.0.0.0:80", colour = 1 }]
start_timeout = "soon"
[other]
"#;
    let found = mistakes(text);
    let starts: Vec<&str> = found.iter().map(|text| text.split(' ').next().unwrap()).collect();
    assert_eq!(
        starts,
        ["3:13", "4:33", "5:1", "6:10", "7:19", "7:33", "8:17", "9:2"],
        "{found:#?}"
    );
}

#[test]
fn every_value_is_checked() {
    one("nothing = 1", "unknown key \"nothing\"");
    one("dir = 1", "a text is needed, this is of type integer");
    one("dir = \"~other/site\"", "only ~ and ~/");
    one("env = { A = 1 }", "a text is needed");
    one("env = [\"A\"]", "a table is needed");
    one("kind = \"node\"", "is none of \"plain\", \"autod\"");
    one("mode = \"both\"", "is none of \"fd\", \"proxy\"");
    one("ready = \"soon\"", "is none of \"notify\"");
    one("ready = \"http:health\"", "no path");
    one("ready = \"log:(\"", "\"(\"");
    one("ready = \"delay:5\"", "is not a time");
    one("ready = \"fd:2\"", "from 3 to 255");
    one("ready = \"connect\"\nmode = \"fd\"", "a connection proves nothing");
    one("stop_timeout = 5", "a text is needed");
    one("stop_timeout = \"never\"", "is not a time");
    one("stop_timeout = \"99999999999999999h\"", "is not a time");
    one("max_pending = 0", "at least 1");
    one("max_connections = \"many\"", "at least 1");
    one("restart = { backoff = [\"1s\"] }", "two times");
    one("restart = { backoff = [\"0s\", \"1s\"] }", "more than 0");
    one("restart = { first = \"1s\" }", "unknown key \"first\"");
    one("data = { a = 1 }", "kind = \"autod\"");
    one("data = { a = inf }\nkind = \"autod\"", "no such number");
}

#[test]
fn listeners_are_checked_too() {
    let listen =
        |entries: &str| mistakes(&format!("[service.a]\ncmd = [\"x\"]\nlisten = {entries}"));
    for (entries, expected) in [
        ("[]", "nothing to listen on"),
        ("[{}]", "tcp or unix is missing"),
        ("[{ tcp = 80, unix = \"/x\" }]", "one of tcp and unix"),
        ("[{ tcp = \"localhost:http\" }]", "is not an address"),
        ("[{ tcp = 70000 }]", "is not an address"),
        ("[{ tcp = \"127.0.0.1:0\" }]", "port 0"),
        ("[{ tcp = 80, to = \"127.0.0.1:0\" }]", "is none of"),
        ("[{ tcp = 80 }, { tcp = 81 }]", "two listeners have the name \"a\""),
        ("[{ name = \"b\", tcp = 80 }, { tcp = 80 }]", "service a listens at 127.0.0.1:80 already"),
        ("[{ name = \"b:c\", tcp = 80 }]", "is no name"),
        ("[{ tcp = 80, to = \"127.0.0.1:80\" }]", "where it listens itself"),
        ("[{ tcp = \"0.0.0.0:80\", to = \"[::1]:80\" }]", "where it listens itself"),
        ("[{ unix = \"run/a\", to = \"unix:/etc/run/a\" }]", "where it listens itself"),
        ("80", "a list is needed"),
    ] {
        let found = listen(entries);
        assert!(found.len() == 1 && found[0].contains(expected), "{entries}: {found:?}");
        assert!(found[0].starts_with("3:"), "{found:?}");
    }
}

#[test]
fn services_are_checked_against_each_other() {
    let text = r#"
[service.a]
cmd = ["x"]
listen = [{ tcp = 80, to = "127.0.0.1:81" }]
[service.b]
cmd = ["x"]
listen = [{ tcp = 81 }, { name = "c", unix = "s" }]
[service.c]
cmd = ["x"]
listen = [
    { tcp = 82, to = "unix:./s" },
    { name = "d", tcp = "0.0.0.0:81" },
]
"#;
    let found = mistakes(text);
    assert_eq!(
        found,
        [
            "4:19 it is forwarded to 127.0.0.1:81, where service b listens",
            "11:13 it is forwarded to unix:/etc/./s, where service b listens",
            "12:25 service b listens at 0.0.0.0:81 already",
        ]
    );
}

#[test]
fn paths_are_relative_to_the_file_or_to_the_home() {
    let text = r#"
[service.web]
cmd = ["~/bin/server", "~"]
dir = "~/site"
listen = [{ unix = "run/s", to = "unix:../private/s" }]
"#;
    let services = parse_file("/etc/autod.toml", text).unwrap();
    let home = PathBuf::from(std::env::var_os("HOME").unwrap());
    let command = [home.join("bin/server").to_str().unwrap().to_owned(), "~".to_owned()];
    assert_eq!(services[0].command, command, "only the program is a path");
    assert_eq!(services[0].dir, Some(home.join("site")));
    assert_eq!(services[0].listens[0].at, Address::Unix("/etc/run/s".into()));
    let private = Address::Unix("/etc/../private/s".into());
    assert_eq!(services[0].listens[0].to, Target::At(private));
}

#[test]
fn what_is_no_toml_has_a_place_too() {
    assert!(mistakes("[service.a]\ncmd = [").iter().all(|text| text.starts_with("2:")));
    let doubled = "[service.a]\ncmd = [\"x\"]\nlisten = [{ tcp = 80 }]\n[service.a]\n";
    let found = mistakes(doubled);
    assert!(found.len() == 1 && found[0].starts_with("4:"), "{found:?}");
    assert_eq!(mistakes(""), ["1:1 there is no service: add a table [service.NAME]"]);
    assert!(
        read_file("/nonexistent/autod.toml").unwrap_err().to_string().contains("cannot be read")
    );
}
