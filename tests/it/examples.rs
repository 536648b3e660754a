//! The examples that have no module of their own, run as their users would.

use rustix::process::Signal;

use crate::home::{Home, Run, eventually, kill};

fn stream(home: &Home, words: &[&str]) -> Run {
    home.example("stream", words)
}

#[test]
fn everybody_who_follows_a_build_reads_all_of_it() {
    let home = Home::new();
    assert_eq!(stream(&home, &["follow"]).out(), "there has been no build");
    let gate = home.join("gate");
    let script = "echo one; while [ ! -e \"$0\" ]; do sleep 0.01; done; echo two >&2; exit 3";
    let mut build = stream(&home, &["build", "sh", "-c", script, gate.to_str().unwrap()]).spawn();
    assert_eq!(build.line(), "one");
    let mut followers: Vec<_> = (0..3).map(|_| stream(&home, &["follow"]).spawn()).collect();
    for follower in &mut followers {
        assert_eq!(follower.line(), "one");
    }
    let second = stream(&home, &["build", "true"]).done().failed(1);
    assert!(second.contains("a build runs already"), "{second}");
    std::fs::write(gate, "").unwrap();
    for terminal in followers.into_iter().chain([build]) {
        let done = terminal.done();
        assert_eq!(done.stdout, "two", "the first line was read before");
        assert_eq!(done.status.code(), Some(3), "{done:?}");
    }
    let late = stream(&home, &["follow"]).done();
    assert_eq!((late.stdout.as_str(), late.status.code()), ("one\ntwo", Some(3)));
}

#[test]
fn a_build_outlives_the_terminal_that_asked_for_it() {
    let home = Home::new();
    let (gate, done) = (home.join("gate"), home.join("done"));
    let script = "echo begun; while [ ! -e gate ]; do sleep 0.01; done; pwd > done; echo \"$PATH\"";
    let path = format!("/from/the/caller:{}", std::env::var("PATH").unwrap());
    let mut build =
        stream(&home, &["build", "sh", "-c", script]).cwd(home.path()).env("PATH", &path).spawn();
    assert_eq!(build.line(), "begun");
    kill(build.pid(), Signal::KILL);
    drop(build);
    std::fs::write(gate, "").unwrap();
    eventually("the build ends", || {
        std::fs::read_to_string(&done).is_ok_and(|cwd| cwd.ends_with('\n'))
    });
    let follow = stream(&home, &["follow"]).done().good();
    assert_eq!(follow.stdout, format!("begun\n{path}"));
    let cwd = std::fs::read_to_string(done).unwrap();
    assert_eq!(std::path::Path::new(cwd.trim_end()), home.path().canonicalize().unwrap());
}
