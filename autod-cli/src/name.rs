//! From what a user calls a daemon to the daemon.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use autod::control::{self, Target};

use crate::failure::Failure;
use crate::question::{ask, text};
use crate::supervise::{Supervisors, supervisor_of};
use crate::there;

/// How long a daemon may take to say what it is called.
const PATIENCE: Duration = Duration::from_millis(500);

/// Finds the daemon that is meant: by a path if it has a slash in it, which is that of a socket or of the
/// file of a supervisor, else by name, else by process
/// id.
pub(crate) async fn find(name: &str) -> Result<Target, Failure> {
    if there::is_address(name) {
        return Err(there::not_from_here(name));
    }
    if name.contains('/') {
        let path = Path::new(name);
        if let Some(socket) = supervisor_of(path) {
            return Ok(Target::at(&socket)?);
        }
        let is_other = std::fs::metadata(path).is_ok_and(|file| !file.file_type().is_socket());
        // With a slash at its end a path has a fault of its own.
        if is_other && !name.ends_with('/') {
            return Err(Failure::unknown(format!(
                "{name} is no socket of a daemon, nor the file of a supervisor that runs"
            ))
            .with_help("`autod ps --json` lists sockets and files"));
        }
        return Ok(Target::at(path)?);
    }
    let (targets, _) = control::find();
    let (mut exact, others): (Vec<_>, Vec<_>) =
        targets.into_iter().partition(|target| target.name() == name);
    if !exact.is_empty() {
        // One may have ended in another of the user's directories, where the next does not go.
        let first = exact.iter().position(|target| matches!(target.life(), Ok(Some(_))));
        return Ok(exact.swap_remove(first.unwrap_or(0)));
    }
    let (instances, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|target| is_instance(&target.name(), name));
    if let Ok(pid) = name.parse::<u32>() {
        for target in instances.into_iter().chain(others) {
            if target.life()?.is_some_and(|life| life.pid == pid) {
                return Ok(target);
            }
        }
        let text = format!("no daemon of this user has the process id {pid}");
        return Err(Failure::unknown(text).with_help("`autod ps` lists those that run"));
    }
    let mut found = instances;
    for target in others.into_iter().filter(Target::is_explicit) {
        // One that does not run, or does not answer, is named by its path.
        let status = ask(&target, "status", &[], PATIENCE).await;
        if status.is_ok_and(|status| text(&status, "name") == Some(name)) {
            found.push(target);
        }
    }
    match found.pop() {
        Some(target) if found.is_empty() => Ok(target),
        Some(target) => {
            found.push(target);
            Err(several(name, &found))
        }
        None => Err(Failure::unknown(format!("there is no daemon called {name}"))
            .with_help("`autod ps --all` lists those that there are")),
    }
}

/// The same, for what cannot be asked of a service of a supervisor: of one that is, it is said.
pub(crate) async fn find_daemon(name: &str) -> Result<Target, Failure> {
    let failure = match find(name).await {
        Err(failure) if failure.is_unknown() => failure,
        found => return found,
    };
    let found = Supervisors::find_within(None, PATIENCE).await.unwrap_or_default();
    let service = found.services().find(|(_, service)| service.name == name);
    Err(service.map_or(failure, |(owner, _)| {
        Failure::unknown(format!("{name} is no daemon, but a service of {}", owner.file))
            .with_help(format!("`autod status {name}`, `start` and `stop` are for services"))
    }))
}

fn several(name: &str, targets: &[Target]) -> Failure {
    let sockets: Vec<_> =
        targets.iter().map(|target| format!("  {}", target.socket().display())).collect();
    Failure::new(format!("several daemons are called {name}:\n{}", sockets.join("\n")))
        .with_help("name one by its socket")
}

/// Instances have a hash behind the name of their application.
fn is_instance(directory: &str, app: &str) -> bool {
    let hash = directory.strip_prefix(app).and_then(|rest| rest.strip_prefix('-'));
    hash.is_some_and(|hash| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::is_instance;

    #[test]
    fn an_instance_is_known_by_its_hash() {
        assert!(is_instance("counter-0123456789abcdef", "counter"));
        for other in ["counter", "counter-", "counter-beta", "counter-0123456789abcdefa", "x"] {
            assert!(!is_instance(other, "counter"), "{other}");
        }
    }
}
