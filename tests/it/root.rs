//! The directory that a daemon works for.

use std::path::PathBuf;

use crate::home::{Home, Run, eventually, wait_until_gone};

fn project(home: &Home) -> PathBuf {
    let path = home.join("project");
    std::fs::create_dir(&path).unwrap();
    path
}

fn run(home: &Home, words: &[&str]) -> Run {
    home.fixture(words).env("FIX_ROOT", home.join("project"))
}

fn pid(home: &Home) -> u32 {
    run(home, &["pid"]).out().parse().unwrap()
}

#[test]
fn a_daemon_ends_when_its_project_is_removed() {
    let home = Home::new();
    let project = project(&home);
    std::fs::write(project.join("file"), "content").unwrap();
    let daemon = pid(&home);
    std::fs::write(home.join("neighbour"), "").unwrap();
    std::fs::remove_file(home.join("neighbour")).unwrap();
    assert_eq!(pid(&home), daemon, "what is beside the project does not matter");
    std::fs::remove_dir_all(&project).unwrap();
    wait_until_gone(daemon);
    assert!(!home.place().join("sock").exists(), "it takes its door away in order");
    assert!(!project.exists(), "it makes nothing there");
}

#[test]
fn a_removal_is_noticed_while_somebody_works_in_the_project() {
    let home = Home::new();
    let project = project(&home);
    let daemon = pid(&home);
    // Its working directory keeps the directory alive under no name.
    let somebody = home.run("sleep").args(["1000"]).cwd(&project).spawn();
    std::fs::remove_dir(&project).unwrap();
    wait_until_gone(daemon);
    drop(somebody);
}

#[test]
fn a_daemon_ends_when_its_project_is_moved_or_replaced() {
    let home = Home::new();
    let project = project(&home);
    let first = pid(&home);
    std::fs::rename(&project, home.join("moved")).unwrap();
    wait_until_gone(first);
    std::fs::create_dir(&project).unwrap();
    let second = pid(&home);
    // In one step, as a tool does that makes a checkout anew.
    let other = home.join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::remove_dir(&project).unwrap();
    std::fs::rename(&other, &project).unwrap();
    wait_until_gone(second);
    let third = pid(&home);
    assert_eq!(pid(&home), third);
}

#[test]
fn calls_that_run_are_answered_when_the_project_goes() {
    let home = Home::new();
    let project = project(&home);
    let daemon = pid(&home);
    let call = run(&home, &["sleep", "600"]).spawn();
    eventually("the call runs", || run(&home, &["status"]).out().starts_with("(2,"));
    std::fs::remove_dir(&project).unwrap();
    call.done().good();
    wait_until_gone(daemon);
}

#[test]
fn without_its_project_no_daemon_is_started() {
    let home = Home::new();
    let said = run(&home, &["pid"]).done().failed(1);
    let path = home.join("project");
    assert!(
        said.contains(&format!("the project root {} does not exist", path.display())),
        "{said}"
    );
    assert!(home.processes().is_empty());
    assert!(!home.place().exists(), "nothing was made");
    for word in ["foreground", "listen"] {
        let said = run(&home, &[word]).done().failed(1);
        assert!(said.contains("does not exist"), "{said}");
        assert!(!home.place().join("sock").exists(), "{word}");
    }
    std::fs::write(&path, "").unwrap();
    let said = run(&home, &["pid"]).done().failed(1);
    assert!(said.contains("is not a directory"), "{said}");
}

#[test]
fn a_daemon_whose_project_went_during_its_start_does_not_stay() {
    let home = Home::new();
    let project = project(&home);
    let caller = run(&home, &["pid"]).env("FIX_INIT", "slow:600").spawn();
    eventually("the daemon starts", || home.place().join("sock").exists());
    std::fs::remove_dir(&project).unwrap();
    drop(caller.done());
    eventually("nothing is left", || home.processes().is_empty());
}

#[test]
fn each_project_can_have_a_daemon_of_its_own() {
    let home = Home::new();
    let pid = |name: &str| {
        let path = home.join(name);
        std::fs::create_dir_all(&path).unwrap();
        let run = home.fixture(["pid"]).env("FIX_ROOT", &path).env("FIX_INSTANCE", &path);
        run.out().parse::<u32>().unwrap()
    };
    let (one, two) = (pid("one"), pid("two"));
    assert_ne!(one, two);
    std::fs::remove_dir(home.join("one")).unwrap();
    wait_until_gone(one);
    assert_eq!(pid("two"), two);
}
