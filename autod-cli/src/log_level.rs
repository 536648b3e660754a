//! `autod log-level`: how much a daemon writes.

use std::time::Duration;

use crate::failure::{Done, Failure};
use crate::name::find;
use crate::question::ask;

pub(crate) async fn run(name: &str, level: &str, patience: Duration) -> Result<Done, Failure> {
    let target = find(name).await?;
    ask(&target, "log-level", &[("level", level)], patience).await?;
    Ok(Done::Well)
}
