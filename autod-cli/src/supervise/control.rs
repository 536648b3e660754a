//! The supervisor's end: a daemon inside its process.

use std::path::Path;
use std::sync::Arc;

use autod::Listening;
use autod_activator::{Stop, Supervisor};
use tokio::sync::oneshot;

use super::{Overview, Refusal, Supervise, SuperviseClient, place, told};
use crate::failure::{ALREADY_RUNNING, Failure};
use crate::told::Told;

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
    let socket = place::socket_of(file)?;
    place::name(&socket, file);
    let mut listening = place::daemon(&socket)
        .init(async move |_start| {
            let opened = open();
            // Whoever listens is below.
            let _ = tell.send(match &opened {
                Ok(supervisor) => Ok(supervisor.clone()),
                Err(error) => Err(told(error)),
            });
            Ok(opened?)
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
                Failure::coded(ALREADY_RUNNING, text).with_help(format!(
                    "`autod ps -c {shown}` lists its services; SIGHUP lets it read the file again"
                ))
            } else {
                Told::from(&error).into()
            }
        })?;
    let ready = listening.ready().await;
    match (ready, opened.await) {
        (Ok(()), Ok(Ok(supervisor))) => Ok((supervisor, listening)),
        (ready, opened) => {
            // What it made is removed at its end only.
            let _ = listening.ended().await;
            let why = match (ready, opened) {
                (_, Ok(Err(why))) => why,
                (Err(error), _) => Told::from(&error),
                (Ok(()), _) => "the supervisor was not opened".into(),
            };
            Err(why.into())
        }
    }
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
        self.supervisor.start(&name).await.map_err(|error| refusal(&error))
    }

    async fn stop(&self, name: String, force: bool) -> Result<(), Refusal> {
        let how = if force { Stop::Force } else { Stop::Soft };
        self.supervisor.stop(&name, how).await.map_err(|error| refusal(&error))
    }
}

fn refusal(error: &autod_activator::Error) -> Refusal {
    if error.is_unknown_service() {
        Refusal::Unknown
    } else {
        Refusal::Failed(told(error).to_string())
    }
}
