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

fn watcher(home: &Home, words: &[&str]) -> Run {
    home.example("watcher", words).cwd(home.join("project"))
}

#[test]
fn an_index_knows_every_change_that_came_before_the_question() {
    let home = Home::new();
    let project = home.join("project");
    std::fs::create_dir_all(project.join("src/deep")).unwrap();
    std::fs::write(project.join("src/main.rs"), "").unwrap();
    assert_eq!(watcher(&home, &["count"]).out(), "1");
    let daemon = home.processes();
    for n in 0..20 {
        std::fs::write(project.join(format!("src/deep/file-{n}")), "").unwrap();
        assert_eq!(watcher(&home, &["count"]).out(), (n + 2).to_string());
    }
    assert_eq!(watcher(&home, &["find", "file-1"]).out().lines().count(), 11);
    assert_eq!(watcher(&home, &["find", "file-7"]).out(), "src/deep/file-7");
    std::fs::rename(project.join("src/deep"), project.join("moved")).unwrap();
    assert_eq!(watcher(&home, &["find", "file-7"]).out(), "moved/file-7");
    std::fs::remove_dir_all(project.join("moved")).unwrap();
    assert_eq!(watcher(&home, &["count"]).out(), "1");
    assert_eq!(home.processes(), daemon, "one daemon all along");
    // From elsewhere, and for another directory.
    let from_home = |words: &[&str]| home.example("watcher", words).cwd(home.path());
    assert_eq!(from_home(&["project", "count"]).out(), "1");
    assert_eq!(home.processes(), daemon);
    assert_eq!(from_home(&["project/src", "count"]).out(), "1");
    assert_eq!(home.processes().len(), 2);
    std::fs::remove_dir_all(&project).unwrap();
    eventually("the daemons go with their directories", || home.processes().is_empty());
    let missing = from_home(&["project", "count"]).done().failed(1);
    assert!(missing.contains("project: No such file or directory"), "{missing}");
}
