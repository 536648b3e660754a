//! Completions and manual pages, for whoever packages the command.

use std::io::Write as _;
use std::path::Path;

use clap_complete::Shell;

use crate::command::command;
use crate::complete;
use crate::failure::{Done, Failure};

pub(crate) fn completions(shell: Option<Shell>) -> Result<Done, Failure> {
    let shell = shell.ok_or_else(|| Failure::new("the shell is missing"))?;
    let script = complete::script(&shell.to_string())?;
    std::io::stdout().lock().write_all(&script)?;
    Ok(Done::Well)
}

pub(crate) fn manuals(directory: Option<&Path>) -> Result<Done, Failure> {
    let directory = directory.ok_or_else(|| Failure::new("the directory is missing"))?;
    let failed = |error: std::io::Error| {
        let path = directory.display();
        Failure::new(format!("cannot write manual pages into {path}: {error}"))
            .with_help("make the directory, or name another")
    };
    clap_mangen::generate_to(command(), directory).map_err(failed)?;
    Ok(Done::Well)
}
