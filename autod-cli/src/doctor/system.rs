//! The process and the machine: limits, the sandbox, what ends daemons from outside.

use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::Finding;

/// A daemon has a descriptor for each caller.
const DESCRIPTORS: u64 = 256;

/// Each daemon has one of them.
const INOTIFY: u64 = 16;

pub(super) fn examine() -> Vec<Finding> {
    let mut findings = limits();
    findings.extend(sandbox());
    findings.extend(login());
    findings
}

fn limits() -> Vec<Finding> {
    let mut findings = Vec::new();
    let files = getrlimit(Resource::Nofile);
    // A daemon raises its own to the hard limit.
    match files.maximum {
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
    if let Some(seconds) = getrlimit(Resource::Cpu).current {
        findings.push(Finding::warning(
            "cpu-time",
            format!("a process ends after {seconds} s of CPU time, and a daemon inherits that"),
            "lift the limit where daemons are started: ulimit -t unlimited",
        ));
    }
    if let Some(limit) = number("/proc/sys/fs/inotify/max_user_instances")
        && limit < INOTIFY
    {
        findings.push(Finding::note(
            "inotify",
            format!("{limit} processes may watch files: other daemons look every 30 s instead"),
        ));
    }
    findings
}

fn sandbox() -> Vec<Finding> {
    let mut findings = Vec::new();
    if cfg!(target_os = "linux") && !Path::new("/proc/self/fd").is_dir() {
        findings.push(Finding::error(
            "proc",
            "/proc is not mounted, so a daemon cannot find its own program",
            "mount /proc in the sandbox or container",
        ));
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().to_owned())
    };
    let seccomp = field("Seccomp:").is_some_and(|mode| mode != "0");
    let container =
        ["/.dockerenv", "/run/.containerenv"].iter().any(|path| Path::new(path).exists());
    match (seccomp, container) {
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
