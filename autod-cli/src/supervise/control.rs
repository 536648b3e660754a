//! The supervisor's end: a daemon inside its process.

use std::path::Path;
use std::sync::Arc;

use autod::Listening;
use autod_activator::{Stop, Supervisor};
use tokio::sync::oneshot;

use super::{Overview, Refusal, Supervise, SuperviseClient, place};
use crate::failure::{ALREADY_RUNNING, Failure};

/// Opens the supervisor of a file and serves its control socket. The socket is there first: a second
/// supervisor of the file ends before it has touched a public one, and whoever asks meanwhile waits.
///
/// # Errors
///
/// There is a supervisor of this file, the socket cannot be made, or what `open` says.
pub(crate) async fn serve(
    file: &Path,
    open: impl FnOnce() -> autod_activator::Result<Supervisor> + Send + 'static,
) -> Result<(Supervisor, Listening), Failure> {
    let shown = file.display().to_string();
    let (tell, opened) = oneshot::channel();
    let mut listening = place::daemon(&place::socket_of(file)?)
        .init(async move |_start| {
            let supervisor = open()?;
            // Whoever listens is below.
            let _ = tell.send(supervisor.clone());
            Ok(supervisor)
        })
        .serve({
            let file = std::fs::canonicalize(file)
                .map_or(shown.clone(), |file| file.display().to_string());
            move |supervisor: Arc<Supervisor>, _session| Control {
                supervisor: (*supervisor).clone(),
                file: file.clone(),
            }
        })
        .listen::<SuperviseClient>()
        .await
        .map_err(|error| {
            if error.is_already_running() {
                let text = format!("{shown} has a supervisor already: {error}");
                Failure::coded(ALREADY_RUNNING, text)
            } else {
                crate::failure::in_full(error).into()
            }
        })?;
    listening.ready().await.map_err(crate::failure::in_full)?;
    let supervisor = opened.await.map_err(crate::failure::in_full)?;
    Ok((supervisor, listening))
}

struct Control {
    supervisor: Supervisor,
    file: String,
}

impl Supervise for Control {
    async fn overview(&self) -> Overview {
        let services = self.supervisor.list().into_iter().map(Into::into).collect();
        Overview { pid: std::process::id(), file: self.file.clone(), services }
    }

    async fn start(&self, name: String) -> Result<(), Refusal> {
        self.supervisor.start(&name).await.map_err(refusal)
    }

    async fn stop(&self, name: String, force: bool) -> Result<(), Refusal> {
        let how = if force { Stop::Force } else { Stop::Soft };
        self.supervisor.stop(&name, how).await.map_err(refusal)
    }
}

fn refusal(error: autod_activator::Error) -> Refusal {
    if error.is_unknown_service() {
        Refusal::Unknown
    } else {
        Refusal::Failed(crate::failure::in_full(error))
    }
}
