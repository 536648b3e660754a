//! `autod log-level`: how much a daemon writes.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;

use crate::failure::{Done, Failure};
use crate::name::find_daemon;
use crate::question::ask;

pub(crate) async fn run(
    name: &str,
    level: &str,
    json: bool,
    patience: Duration,
) -> Result<Done, Failure> {
    let target = find_daemon(name).await?;
    ask(&target, "log-level", &[("level", level)], patience).await.map_err(|failure| {
        failure.or_help(
            "a level is for its program to understand; to autod's own log it is off, error, warn, info, debug, \
             trace, or TARGET=LEVEL",
        )
    })?;
    if json {
        let said = json!({"name": target.name(), "level": level});
        writeln!(std::io::stdout().lock(), "{said}")?;
    }
    Ok(Done::Well)
}
