//! The running supervisors of this user, as other commands see them.

use std::path::Path;
use std::time::Duration;

use autod::CallError;
use tokio::task::JoinSet;

use super::{Overview, Refusal, ServiceState, SuperviseClient, place};
use crate::failure::{Failure, UNKNOWN, USAGE};
use crate::told::Told;

/// A supervisor that answers.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) overview: Overview,
    client: SuperviseClient,
}

/// All supervisors that run.
#[derive(Debug, Default)]
pub(crate) struct Supervisors {
    /// By their files.
    pub(crate) running: Vec<Supervisor>,
    /// What is wrong with those that do not answer.
    pub(crate) silent: Vec<Told>,
}

impl Supervisors {
    /// Asks the supervisor of this file, or all of this user.
    ///
    /// # Errors
    ///
    /// The file has no supervisor that runs, or there is no such file.
    pub(crate) async fn find(file: Option<&Path>) -> Result<Self, Failure> {
        Self::find_within(file, place::PATIENCE).await
    }

    /// The same, waiting for none of them longer than that.
    ///
    /// # Errors
    ///
    /// As of [`find`](Self::find).
    pub(crate) async fn find_within(
        file: Option<&Path>,
        patience: Duration,
    ) -> Result<Self, Failure> {
        let sockets = place::sockets(file)?;
        let mut asked = JoinSet::new();
        for socket in sockets {
            asked.spawn(async move {
                let daemon =
                    place::daemon(&socket).connect_timeout(patience).silence_timeout(patience);
                let client: SuperviseClient = daemon.connect_existing().await?;
                let overview = client.overview().deadline(patience).await?;
                Ok(Supervisor { overview, client })
            });
        }
        let mut found = Self::default();
        for answer in asked.join_all().await {
            let error: autod::Error = match answer {
                Ok(supervisor) => {
                    found.running.push(supervisor);
                    continue;
                }
                Err(error) => error,
            };
            // A socket is what the last one left; or the supervisor has ended meanwhile.
            if !(error.is_not_running() || error.is_closing()) {
                found.silent.push(Told::from(&error));
            }
        }
        found.running.sort_by(|one, other| one.overview.file.cmp(&other.overview.file));
        match file {
            Some(file) if found.running.is_empty() && found.silent.is_empty() => {
                let text = format!("no supervisor of {} runs", file.display());
                let help = format!("`autod up -c {}` runs it", file.display());
                Err(Failure::not_running(text).with_help(help))
            }
            _ => Ok(found),
        }
    }

    /// The services of all of them.
    pub(crate) fn services(&self) -> impl Iterator<Item = (&Overview, &ServiceState)> {
        self.running.iter().flat_map(|supervisor| {
            let overview = &supervisor.overview;
            overview.services.iter().map(move |service| (overview, service))
        })
    }

    /// The one supervisor that has this service.
    ///
    /// # Errors
    ///
    /// None has it, or several have.
    pub(crate) fn of_service(&self, name: &str) -> Result<(&Supervisor, &ServiceState), Failure> {
        let mut having = self.running.iter().filter_map(|supervisor| {
            let services = &supervisor.overview.services;
            Some((supervisor, services.iter().find(|service| service.name == name)?))
        });
        match (having.next(), having.next()) {
            (Some(found), None) => Ok(found),
            (Some((one, _)), Some((other, _))) => {
                let [one, other] = [one, other].map(|supervisor| &supervisor.overview.file);
                let text = format!("{one} and {other} have a service {name}");
                Err(Failure::coded(USAGE, text).with_help("say which one is meant with -c FILE"))
            }
            (None, _) if self.silent.is_empty() => Err(unknown(name)),
            (None, _) => Err(Failure::several(self.silent.clone())),
        }
    }
}

impl Supervisor {
    /// Starts a service and waits until it is ready.
    ///
    /// # Errors
    ///
    /// It did not start, or the supervisor has ended.
    pub(crate) async fn start(&self, name: &str) -> Result<(), Failure> {
        self.client.start(name.to_owned()).await.map_err(|error| refused(name, error))
    }

    /// Stops a service and waits until it is gone.
    ///
    /// # Errors
    ///
    /// The supervisor has ended.
    pub(crate) async fn stop(&self, name: &str, force: bool) -> Result<(), Failure> {
        self.client.stop(name.to_owned(), force).await.map_err(|error| refused(name, error))
    }
}

fn unknown(name: &str) -> Failure {
    Failure::coded(UNKNOWN, format!("no running supervisor has a service {name}")).with_help(
        "`autod ps` lists the services that there are; `autod up -c FILE` runs those of a file",
    )
}

fn refused(name: &str, error: CallError<Refusal>) -> Failure {
    match error {
        CallError::Service(Refusal::Unknown) => unknown(name),
        CallError::Service(Refusal::Failed(text)) => Told::read(&text).into(),
        CallError::Autod(error) => Told::from(&error).into(),
    }
}
