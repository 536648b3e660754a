//! The end of a daemon.

use std::io::Write as _;
use std::time::{Duration, Instant};

use autod_core::control::Target;
use serde_json::json;

use crate::failure::Failure;

/// How long a killed process may take to be gone.
const DEATH: Duration = Duration::from_secs(10);

/// How long a daemon that is to be killed may take to end by itself.
const GRACE: Duration = Duration::from_secs(1);

/// Prints in JSON how it ended.
pub fn print(target: &Target, how: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{}", json!({"name": target.name(), "ended": how}))
}

/// Tells how it ended.
pub async fn end(
    target: &Target,
    is_killed: bool,
    patience: Duration,
) -> Result<&'static str, Failure> {
    let patience = if is_killed { patience.min(GRACE) } else { patience };
    let stopped = tokio::time::timeout(patience + GRACE, target.stop(patience)).await;
    let stopped = match stopped {
        Ok(Err(error)) if !error.is_timeout() => return Err(error.into()),
        Ok(stopped) => stopped.ok(),
        Err(_) => None,
    };
    match stopped {
        Some(true) => Ok("by itself"),
        Some(false) => {
            let text = format!("the {} daemon does not run", target.name());
            Err(Failure::not_running(text).with_help("`autod ps` lists those that do"))
        }
        None if is_killed => kill(target).await,
        None => {
            let life = target.life()?;
            let who = life.map_or_else(String::new, |life| format!(" (pid {})", life.pid));
            let name = target.name();
            Err(Failure::no_answer(format!(
                "the {name} daemon{who} has not ended within {} ms",
                patience.as_millis()
            ))
            .with_help(format!(
                "kill it with `autod stop --kill {name}`, its calls in flight are lost then"
            )))
        }
    }
}

/// Kills the process that holds the life lock, if it still does when it cannot be another one any
/// more.
async fn kill(target: &Target) -> Result<&'static str, Failure> {
    let name = target.name();
    let Some(life) = target.life()? else {
        return Err(Failure::new(format!(
            "the {name} daemon cannot be killed: no lock tells which process it is, because it is \
             being started, or because a supervisor looks after its socket"
        ))
        .with_help("`autod ps` tells who starts it, or the service that it is"));
    };
    let failed = |error: rustix::io::Errno| {
        Failure::new(format!("cannot kill the {name} daemon (pid {}): {error}", life.pid))
            .with_help(format!("end it as its own user, with `kill -KILL {}`", life.pid))
    };
    let pid = i32::try_from(life.pid).ok().and_then(rustix::process::Pid::from_raw);
    let Some(pid) = pid else { return Err(failed(rustix::io::Errno::SRCH)) };
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => {
                // The number was its own before it was opened, and is so still.
                if target.life()?.is_some_and(|now| now.pid == life.pid) {
                    pidfd_send_signal(&process, Signal::KILL).map_err(failed)?;
                }
            }
            Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    #[cfg(not(target_os = "linux"))]
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).map_err(failed)?;
    let began = Instant::now();
    while target.life()?.is_some_and(|now| now.pid == life.pid) {
        if began.elapsed() > DEATH {
            return Err(Failure::no_answer(format!(
                "the {name} daemon (pid {}) was killed and is not gone; the system holds it",
                life.pid
            ))
            .with_help("it goes when the system lets go, as of a disk that does not answer"));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    target.reap()?;
    Ok("killed")
}
