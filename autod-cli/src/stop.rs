//! `autod stop`: the end of daemons.

use std::io::Write as _;
use std::time::Duration;

use autod_console::stop;
use futures::future::join_all;
use serde_json::json;

use crate::failure::{Done, Failure, UNKNOWN};
use crate::name::find;
use crate::{block_on, services};

pub(crate) struct Options {
    pub(crate) names: Vec<String>,
    pub(crate) kill: bool,
    pub(crate) json: bool,
    pub(crate) patience: Duration,
}

pub(crate) fn run(options: &Options, of_services: &services::Options) -> Result<Done, Failure> {
    let ended = match &of_services.file {
        Some(_) => options.names.iter().map(|_| Err(Failure::silent(UNKNOWN))).collect(),
        None => block_on(async {
            Ok(join_all(options.names.iter().map(|name| end(name, options))).await)
        })?,
    };
    let mut failed: Option<Failure> = None;
    let mut answers = Vec::new();
    for (name, ended) in options.names.iter().zip(ended) {
        // What no daemon is called may be a service.
        let ended = ended.or_else(|daemon: Failure| {
            if !daemon.is_unknown() {
                return Err(daemon);
            }
            let service = services::stop(name, options.kill, of_services);
            service.map(|()| "by its supervisor").map_err(|service| {
                if service.is_unknown() && of_services.file.is_none() { daemon } else { service }
            })
        });
        match ended {
            Ok(how) => answers.push(json!({"name": name, "ended": how})),
            Err(failure) => {
                answers.push(json!({"name": name, "error": failure.to_json()}));
                failed = Some(match failed {
                    Some(first) => first.and(&failure),
                    None => failure,
                });
            }
        }
    }
    if options.json {
        let mut out = std::io::stdout().lock();
        for answer in answers {
            writeln!(out, "{answer}")?;
        }
    }
    failed.map_or(Ok(Done::Well), Err)
}

/// Tells how it ended.
async fn end(name: &str, options: &Options) -> Result<&'static str, Failure> {
    stop::end(&find(name).await?, options.kill, options.patience).await
}
