//! What a shell is offered behind a tab: names of daemons and services that run, and their methods.
//!
//! The scripts of `autod completions` call the command itself for each tab, with [`VAR`] set. A name that
//! nobody answers for in time is left out: whoever types waits for no hung daemon.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Duration;

use autod::control::{self, Target};
use clap_complete::engine::{CompletionCandidate, PathCompleter, ValueCompleter};
use clap_complete::env::{CompleteEnv, Shells};

use crate::command::command;
use crate::failure::Failure;
use crate::name::find;
use crate::question::{ask, list, text};
use crate::state::name_of;
use crate::supervise::Supervisors;

/// Says to the command that a shell asks. Not the usual `COMPLETE`, which others may have set.
const VAR: &str = "AUTOD_COMPLETE";

/// How long a tab may take.
const PATIENCE: Duration = Duration::from_millis(300);

/// Answers a shell and ends the process, if that is who asks.
pub(crate) fn if_asked() {
    CompleteEnv::with_factory(command).var(VAR).bin("autod").completer("autod").complete();
}

/// The script that makes a shell ask.
pub(crate) fn script(shell: &str) -> Result<Vec<u8>, Failure> {
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let completer = shells
        .completer(shell)
        .ok_or_else(|| Failure::new(format!("there are no completions for {shell}")))?;
    completer.write_registration(VAR, "autod", "autod", "autod", &mut script)?;
    Ok(script)
}

/// Who is meant by a name.
#[derive(Clone, Copy)]
pub(crate) struct Names {
    /// Daemons that run.
    pub(crate) daemons: bool,
    /// Daemons that have ended, too.
    pub(crate) ended: bool,
    /// Services of supervisors that run.
    pub(crate) services: bool,
}

impl Names {
    pub(crate) const DAEMONS: Self = Self { daemons: true, ended: false, services: false };
    pub(crate) const LOGS: Self = Self { ended: true, ..Self::DAEMONS };
    pub(crate) const SERVICES: Self = Self { daemons: false, ended: false, services: true };
    pub(crate) const BOTH: Self = Self { services: true, ..Self::DAEMONS };
}

impl ValueCompleter for Names {
    fn complete(&self, current: &OsStr) -> Vec<CompletionCandidate> {
        let mut found = Vec::new();
        if self.daemons {
            let targets = control::find().0.into_iter();
            let lives = |target: &Target| matches!(target.life(), Ok(Some(_)));
            let names = targets.filter(|target| self.ended || lives(target));
            found.extend(names.map(|target| CompletionCandidate::new(name_of(&target))));
        }
        if self.services {
            found.extend(services());
        }
        let mut found = beginning_with(current, found);
        if self.daemons && current.to_string_lossy().contains('/') {
            let known: Vec<_> = found.iter().map(|one| one.get_value().to_owned()).collect();
            let paths = PathCompleter::any().filter(is_socket).complete(current).into_iter();
            found.extend(paths.filter(|path| !known.iter().any(|one| one == path.get_value())));
        }
        found
    }
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

fn services() -> Vec<CompletionCandidate> {
    let work = async {
        let found = Supervisors::find_within(None, PATIENCE).await?;
        let services = found.services().map(|(owner, service)| {
            CompletionCandidate::new(&service.name).help(Some(owner.file.clone().into()))
        });
        Ok(services.collect())
    };
    crate::block_on(work).unwrap_or_default()
}

/// The methods of the daemon that is named in the words before.
pub(crate) fn methods(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(name) = name_in(std::env::args_os()) else { return Vec::new() };
    let work = async {
        let asked = async { ask(&find(&name).await?, "describe", &[], PATIENCE).await };
        let description = tokio::time::timeout(PATIENCE, asked).await;
        description.map_err(|_| Failure::new("no answer")).flatten()
    };
    let Ok(description) = crate::block_on(work) else { return Vec::new() };
    let methods = list(&description, "methods").iter().filter_map(|method| {
        let docs = text(method, "docs").and_then(|docs| docs.trim().lines().next());
        let docs = docs.map(|line| line.to_owned().into());
        Some(CompletionCandidate::new(text(method, "name")?).help(docs))
    });
    beginning_with(current, methods.collect())
}

/// The name in `autod -- autod call NAME METHOD`, as a shell asks.
fn name_in(words: impl Iterator<Item = OsString>) -> Option<String> {
    let mut words = words.skip_while(|word| word != "call").skip(1);
    loop {
        let word = words.next()?.into_string().ok()?;
        match &*word {
            "--timeout" => drop(words.next()),
            "--" => {}
            option if option.starts_with('-') => {}
            _ => return Some(word),
        }
    }
}

fn beginning_with(
    current: &OsStr,
    mut candidates: Vec<CompletionCandidate>,
) -> Vec<CompletionCandidate> {
    let current = current.as_encoded_bytes();
    candidates.retain(|one| one.get_value().as_encoded_bytes().starts_with(current));
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_before_the_method_is_found() {
        let name = |words: &str| name_in(words.split(' ').map(OsString::from));
        assert_eq!(name("autod -- autod call counter ").as_deref(), Some("counter"));
        assert_eq!(name("autod -- autod call --json counter a").as_deref(), Some("counter"));
        assert_eq!(name("autod -- autod call --timeout 9 counter a").as_deref(), Some("counter"));
        assert_eq!(name("autod -- autod call --timeout=9 counter a").as_deref(), Some("counter"));
        assert_eq!(name("autod -- autod call"), None);
        assert_eq!(name("autod -- autod call --json"), None);
    }
}
