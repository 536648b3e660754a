//! Another set of services for a supervisor that runs.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::public::Public;
use crate::service::Service;
use crate::supervisor::{Supervisor, duplicate};

/// What a change of the services did, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones.
    pub added: Vec<String>,
    /// Those that are gone.
    pub removed: Vec<String>,
    /// Those that were stopped and go on with another description.
    pub changed: Vec<String>,
}

impl Supervisor {
    /// Makes the services what is given: adds, removes, and replaces those whose description is
    /// another one. Those that are described as before are not touched. A socket whose address stays
    /// in use stays open, and whoever comes meanwhile waits in its queue.
    ///
    /// # Errors
    ///
    /// All descriptions are checked first: after [`Error::is_description`](crate::Error::is_description) or
    /// [`Error::is_duplicate_service`](crate::Error::is_duplicate_service) nothing was changed. [`Error::is_in_use`](crate::Error::is_in_use) and the like name a
    /// service that could not be opened; the others are as they were given.
    pub async fn apply(&self, services: Vec<Service>) -> Result<Changes> {
        let _changing = self.begin_change().await;
        let mut wanted = BTreeMap::new();
        for service in services {
            service.check()?;
            let name = service.name.clone();
            if wanted.insert(name.clone(), service).is_some() {
                return Err(duplicate(&name));
            }
        }
        let present = self.descriptions()?;
        let mut changes = Changes::default();
        let mut leaving = Vec::new();
        for (name, service) in &present {
            match wanted.get(name) {
                Some(same) if *same == **service => {
                    wanted.remove(name);
                    continue;
                }
                Some(_) => changes.changed.push(name.clone()),
                None => changes.removed.push(name.clone()),
            }
            let this = self.clone();
            let name = name.clone();
            leaving.push(tokio::spawn(async move { this.take_out(&name, true).await }));
        }
        let mut publics = Vec::new();
        for left in leaving {
            publics.extend(left.await.ok().transpose()?.flatten().unwrap_or_default());
        }
        let mut failed = None;
        for (name, service) in wanted {
            let at = |public: &mut Public| {
                service.listens.iter().any(|listen| listen.at == public.address)
            };
            let own: Vec<Public> = publics.extract_if(.., at).collect();
            match self.add_with(service, own) {
                Ok(()) if changes.changed.contains(&name) => {}
                Ok(()) => changes.added.push(name),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(changes), Err)
    }
}
