use std::io::{Error, ErrorKind};

use super::*;
use crate::doctor::Grade;

const HERE: &str = "/run/user/1000";

#[track_caller]
fn check(finding: &Finding, check: &str, grade: Grade, says: &str, mend: &str) {
    assert_eq!((finding.check, finding.grade), (check, grade), "{finding:?}");
    assert!(finding.text.contains(says), "{finding:?}");
    assert_eq!(finding.mend.is_some(), !mend.is_empty(), "{finding:?}");
    assert!(finding.mend.as_deref().unwrap_or("").contains(mend), "{finding:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn file_systems_of_several_machines_are_warned_of() {
    for (kind, name) in [
        (0x6969, "nfs"),
        (0x517b, "smb"),
        (0xff53_4d42, "smb"),
        (0xfe53_4d42, "smb"),
        (0x0102_1997, "9p"),
        (0x6573_5546, "fuse"),
        (0x00c3_6400, "ceph"),
        (0x6a65_6a62, "virtiofs"),
    ] {
        let finding = kind_of_file_system(Path::new(HERE), kind);
        check(&finding, "file-system", Grade::Warning, &format!("is on {name}, "), "local");
    }
    for (kind, name) in [
        (0x0102_1994, "tmpfs"),
        (0x8584_58f6, "ramfs"),
        (0xef53, "ext4"),
        (0x5846_5342, "xfs"),
        (0x9123_683e, "btrfs"),
        (0x2fc1_2fc1, "zfs"),
        (0x794c_7630, "overlayfs"),
        (1, "without a name here"),
    ] {
        let finding = kind_of_file_system(Path::new(HERE), kind);
        check(&finding, "file-system", Grade::Well, name, "");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_system_that_cannot_be_examined_is_told() {
    let finding = file_system(Path::new("/nonexistent/autod"));
    check(&finding, "file-system", Grade::Warning, "cannot examine", "XDG_RUNTIME_DIR");
}

#[test]
fn a_place_without_room_is_an_error() {
    let at = Path::new(HERE);
    check(
        &room_left(at, 4096, true).unwrap(),
        "room",
        Grade::Error,
        "has 4.0 KiB left",
        "make room",
    );
    check(&room_left(at, ROOM, false).unwrap(), "room", Grade::Error, "no inodes", "make room");
    assert!(room_left(at, ROOM, true).is_none());
}

#[test]
fn locks_and_sockets_that_do_not_work_are_errors() {
    let at = Path::new(HERE);
    let error = || Error::from(ErrorKind::Unsupported);
    check(&lock(at, Ok(true)), "locks", Grade::Well, "hold", "");
    check(&lock(at, Ok(false)), "locks", Grade::Error, "a second time", "local file system");
    check(&lock(at, Err(error())), "locks", Grade::Error, "cannot lock", "sandbox");
    check(&socket(at, Ok(())), "sockets", Grade::Well, "reached", "");
    check(
        &socket(at, Err(error())),
        "sockets",
        Grade::Error,
        "cannot use a local socket",
        "AF_UNIX",
    );
    let finding = Trial::begin(Path::new("/nonexistent/autod")).err().unwrap();
    check(&finding, "runtime-directory", Grade::Error, "cannot make a directory", "owner");
}
