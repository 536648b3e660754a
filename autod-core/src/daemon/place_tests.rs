use std::os::unix::fs::PermissionsExt as _;

use super::*;

#[test]
fn names_that_are_no_plain_file_names_are_refused() {
    let long = "x".repeat(65);
    for name in ["", ".", ".hidden", "a/b", "a\0b", long.as_str()] {
        let error = Place::of_app(name, None).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Usage, "{name:?}");
    }
    assert!(check_name(&"x".repeat(64)).is_ok());
}

#[test]
fn instances_have_directories_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let surroundings = Surroundings {
        runtime_variable: Some(root.path().into()),
        run_user: None,
        temporary: root.path().to_owned(),
        euid: rustix::process::geteuid().as_raw(),
    };
    let open = |instance: Option<&str>| {
        Place::in_surroundings(&surroundings, "counter", instance.map(OsStr::new)).unwrap()
    };
    assert_eq!(open(None).sock(), root.path().join("counter/sock"));
    assert_eq!(open(Some("a")).sock(), root.path().join("counter-af63dc4c8601ec8c/sock"));
    let again = Place::reopen(open(Some("a")).sock(), false, "counter").unwrap();
    assert_eq!(again.dir(), open(Some("a")).dir());
    assert_eq!(again.life_path(), again.dir().join("life.lock"));
}

#[test]
fn an_explicit_path_has_its_files_beside_it() {
    let root = tempfile::tempdir().unwrap();
    let place = Place::at(&root.path().join("my.sock")).unwrap();
    assert_eq!(place.app(), "my");
    assert_eq!(place.log_path(), root.path().join("my.sock.log"));
    assert_eq!(place.names().spawn, "my.sock.spawn");
    assert_eq!(place.names().failed, "my.sock.failed.json");
    assert!(place.is_still_here());
    assert_eq!(place.named("counter").app(), "counter");
}

#[test]
fn a_relative_path_becomes_absolute_and_an_impossible_one_is_refused() {
    let place = Place::at(Path::new("x.sock"));
    if let Ok(place) = place {
        assert!(place.sock().is_absolute());
    }
    for impossible in ["", "/", "/tmp/", "/tmp/.."] {
        assert!(Place::at(Path::new(impossible)).is_err(), "{impossible:?}");
    }
    let error = Place::at(Path::new("/nonexistent/autod/x.sock")).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Place);
}

#[test]
fn the_directory_of_an_explicit_path_must_be_safe() {
    let root = tempfile::tempdir().unwrap();
    let chmod = |mode| {
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let sock = root.path().join("sock");
    chmod(0o777);
    assert!(Place::at(&sock).err().unwrap().help().contains("chmod go-w"));
    chmod(0o1777);
    assert!(Place::at(&sock).is_ok());
    chmod(0o755);
    assert!(Place::at(&sock).is_ok());
}

#[test]
fn a_replaced_directory_is_noticed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("r");
    std::fs::create_dir(&path).unwrap();
    let place = Place::at(&path.join("sock")).unwrap();
    assert!(place.is_still_here());
    std::fs::rename(&path, root.path().join("old")).unwrap();
    assert!(!place.is_still_here());
    std::fs::create_dir(&path).unwrap();
    assert!(!place.is_still_here());
}

#[test]
fn length_alone_decides_about_the_route() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("d".repeat(200));
    std::fs::create_dir(&deep).unwrap();
    let place = Place::at(&deep.join("sock")).unwrap();
    let address = place.door_address(place.door_directory(), place.door_name());
    assert!(address.as_os_str().len() <= ADDRESS, "{}", address.display());
    let place = Place::at(&root.path().join("sock")).unwrap();
    assert_eq!(place.door_address(place.door_directory(), place.door_name()), place.sock());
}

#[test]
fn closed_standard_descriptors_are_filled_before_anything_takes_their_numbers() {
    let home = crate::daemon::testing::Home::with_processes();
    let launch = home.launch("closed");
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(launch.arguments.unwrap());
    command.envs(launch.env.into_iter().filter_map(|(name, value)| Some((name, value?))));
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let forking = crate::daemon::testing::forking();
    let mut child = command.spawn().unwrap();
    drop(forking);
    assert_eq!(child.wait().unwrap().code(), Some(17));
}
