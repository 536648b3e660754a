//! What a supervisor begins with.

use std::os::fd::OwnedFd;

use crate::error::{Error, Kind, Result};
use crate::place;
use crate::public::Public;
use crate::service::Service;
use crate::supervisor::{Supervisor, duplicate};

/// Collects what a supervisor begins with.
#[derive(Debug, Default)]
#[must_use = "nothing listens before it is opened"]
pub struct Builder {
    services: Vec<Service>,
    inherited: Vec<(String, OwnedFd)>,
}

impl Builder {
    /// Adds a service.
    pub fn service(mut self, service: Service) -> Self {
        self.services.push(service);
        self
    }

    /// Adds services.
    pub fn services(mut self, services: impl IntoIterator<Item = Service>) -> Self {
        self.services.extend(services);
        self
    }

    /// Hands over a socket that listens already, by systemd for example. It is used for the listener
    /// that has its address, else for the one that has this name.
    pub fn inherit(mut self, name: impl Into<String>, socket: OwnedFd) -> Self {
        self.inherited.push((name.into(), socket));
        self
    }

    /// Listens for all services. Everything is checked and opened before anything is served: after an
    /// error nothing listens.
    ///
    /// # Errors
    ///
    /// All that is wrong with the descriptions, or the first address that cannot be listened at
    /// ([`Error::is_in_use`]).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with IO and time.
    pub fn open(self) -> Result<Supervisor> {
        let faults: Vec<String> = self
            .services
            .iter()
            .filter_map(|service| service.check().err())
            .map(|error| error.to_string())
            .collect();
        if !faults.is_empty() {
            return Err(Error::new(Kind::Description, faults.join("; ")));
        }
        let mut inherited = Vec::new();
        for (name, socket) in self.inherited {
            inherited.push(Public::adopt(&name, socket)?);
        }
        let places = place::candidates()
            .map_err(|error| Error::system("cannot name a private directory", error))?;
        let supervisor = Supervisor::of_nothing(places, inherited);
        let mut ready = Vec::new();
        for service in self.services {
            ready.push(supervisor.prepare(service, Vec::new())?);
        }
        let mut names = Vec::new();
        for prepared in &ready {
            if names.contains(&prepared.service.name) {
                return Err(duplicate(&prepared.service.name));
            }
            names.push(prepared.service.name.clone());
        }
        for prepared in ready {
            supervisor.keep(prepared)?;
        }
        Ok(supervisor)
    }
}
