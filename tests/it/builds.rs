//! A daemon that a build starts: it keeps nothing of the build's job server.

use crate::home::{Home, Run, eventually, example, has};

/// The links of a process's descriptors.
fn descriptors(pid: &str) -> Vec<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    links
        .filter_map(|link| std::fs::read_link(link.path()).ok())
        .map(|link| link.display().to_string())
        .collect()
}

#[track_caller]
fn check_daemon(home: &Home, lines: &str) {
    let daemon = home.daemon().to_string();
    assert!(lines.lines().all(|line| line == daemon), "{lines:?}");
    for link in descriptors(&daemon) {
        assert!(!link.starts_with("pipe:") && !link.contains("fifo"), "{link}");
    }
    for name in ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"] {
        let value = home.fixture(["env", name]).out();
        assert!(!value.contains("jobserver") && !value.contains("-j"), "{name}: {value}");
    }
}

/// The styles of job server that the installed make knows.
fn styles(home: &Home) -> Vec<&'static str> {
    let version = home.run("make").args(["--version"]).out();
    let number = version.split_whitespace().nth(2).unwrap_or_default();
    let mut parts = number.split('.').map(|part| part.parse().unwrap_or(0));
    let version: (u32, u32) = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    let both = ["--jobserver-style=pipe", "--jobserver-style=fifo"];
    if version >= (4, 4) { both.into() } else { vec!["--no-print-directory"] }
}

#[test]
fn a_parallel_make_ends_although_the_daemon_lives() {
    if !has("make") {
        return;
    }
    let home = Home::new();
    // The plus sign hands the job server on, as to a make further down.
    let makefile = "all: one two three\none two three:\n\t@+$(FIXTURE) pid 2>/dev/null\n";
    std::fs::write(home.join("Makefile"), makefile).unwrap();
    for style in styles(&home) {
        let run = home.run("make").args(["-j2", style, "-f"]).args([home.join("Makefile")]);
        let lines = run.cwd(home.path()).env("FIXTURE", example("fixture")).out();
        assert_eq!(lines.lines().count(), 3, "{lines:?}");
        check_daemon(&home, &lines);
        home.fixture(["stop"]).out();
    }
}

/// What make 4.4 and later hands on, whichever make is installed.
#[test]
fn the_named_pipe_of_a_job_server_is_left_alone() {
    if !has("mkfifo") {
        return;
    }
    let home = Home::new();
    let fifo = home.join("fifo");
    home.run("mkfifo").args([&fifo]).out();
    // A job server: it holds the pipe open, and the tokens lie in it.
    let mut server = std::fs::File::options().read(true).write(true).open(&fifo).unwrap();
    std::io::Write::write_all(&mut server, b"++").unwrap();
    let flags = format!(" -j3 --jobserver-auth=fifo:{}", fifo.display());
    let run = |words: [&str; 1]| -> Run {
        home.fixture(words).env("MAKEFLAGS", &flags).env("CARGO_MAKEFLAGS", &flags)
    };
    let lines = run(["pid"]).out();
    check_daemon(&home, &lines);
    let mut tokens = [0; 2];
    std::io::Read::read_exact(&mut server, &mut tokens).unwrap();
    assert_eq!(&tokens, b"++", "all tokens are there");
    run(["stop"]).out();
    eventually("nothing is left", || home.processes().is_empty());
}
