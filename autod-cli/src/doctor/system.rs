//! The process and the machine: limits, the sandbox, what ends daemons from outside.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::Finding;

/// A daemon has a descriptor for each caller.
const DESCRIPTORS: u64 = 256;

/// Each daemon has one of them.
const INOTIFY: u64 = 16;

pub(super) fn examine() -> Vec<Finding> {
    let files = getrlimit(Resource::Nofile);
    let mut findings = limits(
        // A daemon raises its own to the hard limit.
        files.maximum,
        getrlimit(Resource::Cpu).current,
        number("/proc/sys/fs/inotify/max_user_instances"),
    );
    findings.extend(sandbox(&Surroundings::look()));
    findings.extend(login());
    findings
}

/// `None` is no limit, and of `inotify` that nobody knows.
fn limits(files: Option<u64>, cpu: Option<u64>, inotify: Option<u64>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match files {
        Some(limit) if limit < DESCRIPTORS => findings.push(Finding::warning(
            "open-files",
            format!("a process may have {limit} files open, so a daemon serves few callers"),
            "raise the hard limit: ulimit -Hn, or LimitNOFILE of the unit",
        )),
        limit => {
            let limit = limit.map_or_else(|| "any number of".to_owned(), |limit| limit.to_string());
            findings
                .push(Finding::well("open-files", format!("a daemon may have {limit} files open")));
        }
    }
    if let Some(seconds) = cpu {
        findings.push(Finding::warning(
            "cpu-time",
            format!("a process ends after {seconds} s of CPU time, and a daemon inherits that"),
            "lift the limit where daemons are started: ulimit -t unlimited",
        ));
    }
    if let Some(limit) = inotify.filter(|limit| *limit < INOTIFY) {
        findings.push(Finding::note(
            "inotify",
            format!("{limit} processes may watch files: other daemons look every 30 s instead"),
        ));
    }
    findings
}

/// What can be seen of a sandbox.
struct Surroundings {
    has_proc: bool,
    is_filtered: bool,
    is_container: bool,
}

impl Surroundings {
    fn look() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let seccomp = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
        let marks = ["/.dockerenv", "/run/.containerenv"];
        Self {
            has_proc: cfg!(not(target_os = "linux")) || Path::new("/proc/self/fd").is_dir(),
            is_filtered: seccomp.is_some_and(|mode| mode.trim() != "0"),
            is_container: marks.iter().any(|path| Path::new(path).exists()),
        }
    }
}

fn sandbox(around: &Surroundings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !around.has_proc {
        findings.push(Finding::error(
            "proc",
            "/proc is not mounted, so a daemon cannot find its own program",
            "mount /proc in the sandbox or container",
        ));
    }
    match (around.is_filtered, around.is_container) {
        (_, true) => findings.push(Finding::note(
            "sandbox",
            "this is a container: its daemons end with it, and are not seen from outside",
        )),
        (true, false) => findings.push(Finding::note(
            "sandbox",
            "a filter of system calls is on; what it forbids, it forbids to daemons too",
        )),
        (false, false) => findings.push(Finding::well("sandbox", "no sandbox was recognised")),
    }
    findings
}

/// Under systemd the runtime directory goes with the last session of the user.
fn login() -> Option<Finding> {
    if !Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let user = std::env::var_os("USER")?;
    let lingers = Path::new("/var/lib/systemd/linger").join(&user).exists();
    let of_session = std::env::var_os("XDG_RUNTIME_DIR")
        .is_some_and(|directory| directory.to_string_lossy().starts_with("/run/user/"));
    session(of_session, lingers)
}

fn session(of_session: bool, lingers: bool) -> Option<Finding> {
    (of_session && !lingers).then(|| {
        Finding::note(
            "login",
            "the runtime directory goes with the last login session, and daemons with it; \
             loginctl enable-linger keeps both",
        )
    })
}

fn number(path: &str) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Grade;

    #[track_caller]
    fn one(findings: &[Finding], check: &str) -> Finding {
        let mut found = findings.iter().filter(|finding| finding.check == check);
        let one = found.next().unwrap_or_else(|| panic!("no {check} in {findings:?}"));
        assert!(found.next().is_none(), "{findings:?}");
        one.clone()
    }

    #[test]
    fn limits_that_are_too_low_are_told_with_their_mend() {
        let well = limits(Some(DESCRIPTORS), None, Some(INOTIFY));
        assert_eq!((well.len(), well[0].grade), (1, Grade::Well), "{well:?}");
        assert!(limits(None, None, None)[0].text.contains("any number of"));
        let low = limits(Some(DESCRIPTORS - 1), Some(60), Some(INOTIFY - 1));
        let files = one(&low, "open-files");
        assert_eq!(files.grade, Grade::Warning);
        assert!(files.text.contains("255") && files.mend.unwrap().contains("ulimit -Hn"));
        let cpu = one(&low, "cpu-time");
        assert!(cpu.text.contains("60 s") && cpu.mend.unwrap().contains("ulimit -t unlimited"));
        let inotify = one(&low, "inotify");
        assert_eq!((inotify.grade, inotify.mend), (Grade::Note, None));
    }

    #[test]
    fn a_sandbox_is_told_and_one_without_proc_is_an_error() {
        let around = |has_proc, is_filtered, is_container| Surroundings {
            has_proc,
            is_filtered,
            is_container,
        };
        assert_eq!(one(&sandbox(&around(true, false, false)), "sandbox").grade, Grade::Well);
        let filtered = one(&sandbox(&around(true, true, false)), "sandbox");
        assert!(filtered.grade == Grade::Note && filtered.text.contains("filter"), "{filtered:?}");
        let container = one(&sandbox(&around(true, true, true)), "sandbox");
        assert!(container.text.contains("container"), "{container:?}");
        let proc = one(&sandbox(&around(false, false, false)), "proc");
        assert!(proc.grade == Grade::Error && proc.mend.unwrap().contains("mount /proc"));
    }

    #[test]
    fn a_session_that_takes_daemons_along_is_a_note() {
        assert!(session(true, false).unwrap().text.contains("loginctl enable-linger"));
        assert!(session(true, true).is_none() && session(false, false).is_none());
    }
}
