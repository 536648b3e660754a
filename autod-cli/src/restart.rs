//! `autod restart`: a new daemon in the place of one that runs.
//!
//! The daemon's own program does it: it alone knows how its daemon is described. It is run as the
//! daemon was, with variables that tell it what it is run for.

use std::process::Stdio;
use std::time::Duration;

use autod::control::Target;
use autod_console::status::print_restarted;
use serde_json::Value;

use crate::failure::{Done, Failure};
use crate::name::find_daemon;
use crate::question::{ask, list, number, text};
use crate::told::Told;

/// How long the daemon may take to say how it was started.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) async fn run(name: &str, json: bool, patience: Duration) -> Result<Done, Failure> {
    let target = find_daemon(name).await?;
    let before = ask(&target, "status", &[], PATIENCE.min(patience)).await?;
    start_anew(&target, &before, patience).await?;
    let after = ask(&target, "status", &[], PATIENCE.min(patience)).await?;
    if before["life"] == after["life"] {
        return Err(Failure::new(format!(
            "the program of the {} daemon has ended without restarting it: by the arguments of the \
             daemon it does not come to autod's run any more",
            target.name()
        ))
        .with_help(format!("`autod stop {}`, and start it by a command", target.name())));
    }
    if json {
        print_restarted(&target, number(&before, "pid"), &after)?;
    }
    Ok(Done::Well)
}

async fn start_anew(target: &Target, status: &Value, patience: Duration) -> Result<(), Failure> {
    let name = target.name();
    let refuse = |why: &str| {
        Failure::new(format!("the {name} daemon cannot be restarted from outside: {why}"))
            .with_help(format!("end it with `autod stop {name}` and start it as it was started"))
    };
    match text(status, "manner") {
        Some("spawned") => {}
        Some("foreground") => return Err(refuse("it runs in the foreground of a program")),
        _ => return Err(refuse("a supervisor looks after it")),
    }
    let program = text(status, "executable").ok_or_else(|| refuse("its program has no path"))?;
    let words: Vec<&str> = list(status, "arguments").iter().filter_map(Value::as_str).collect();
    let Some((first, words)) = words.split_first() else {
        return Err(refuse("its arguments are not text"));
    };
    let directory = text(status, "started_in").unwrap_or("/");
    let app = text(status, "name").ok_or_else(|| refuse("it does not say what it is called"))?;
    let mut command = std::process::Command::new(program);
    std::os::unix::process::CommandExt::arg0(&mut command, first);
    command
        .args(words)
        .current_dir(directory)
        .envs(target.restart_variables(app))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let child = command.spawn().map_err(|error| {
        Failure::new(format!(
            "cannot run the program {program} of the {name} daemon in {directory}: {error}"
        ))
        .with_help("the daemon runs on; put its program back, or end it with `autod stop`")
    })?;
    let pid = child.id();
    // It has a limit of its own for the start; this is for a program that does something else.
    let waiting = tokio::task::spawn_blocking(move || child.wait_with_output());
    let output = tokio::time::timeout(patience, waiting).await.map_err(|_| {
        Failure::no_answer(format!(
            "the program of the {name} daemon (pid {pid}) has not restarted it within {} ms; it goes on",
            patience.as_millis()
        ))
        .with_help(format!("see with `autod status {name}` what became of it"))
    })?;
    let output = output
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(|error| Failure::new(format!("cannot wait for pid {pid}: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = Told::read(String::from_utf8_lossy(&output.stderr).trim());
    Err(Failure::new(said).about(format!("the {name} daemon was not restarted")))
}
