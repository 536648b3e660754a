//! The settings that are tried out.

use crate::state::Faults;
use crate::world::World;

const NONE: Faults = Faults { kills: 0, closes: 0, removals: 0, replacements: 0 };

/// So many callers of a daemon that stays until it is closed.
pub(crate) const fn callers(clients: usize) -> World {
    World {
        clients,
        newer: 0,
        faults: NONE,
        failing: false,
        autoclose: false,
        omit: None,
        ignore: &[],
    }
}

impl World {
    pub(crate) const fn autoclose(mut self) -> Self {
        self.autoclose = true;
        self
    }

    pub(crate) const fn failing(mut self) -> Self {
        self.failing = true;
        self
    }

    pub(crate) const fn newer(mut self, callers: usize) -> Self {
        self.newer = callers;
        self
    }

    pub(crate) const fn kills(mut self, count: u8) -> Self {
        self.faults.kills = count;
        self
    }

    pub(crate) const fn closes(mut self, count: u8) -> Self {
        self.faults.closes = count;
        self
    }

    pub(crate) const fn removals(mut self, count: u8) -> Self {
        self.faults.removals = count;
        self
    }

    pub(crate) const fn replacements(mut self, count: u8) -> Self {
        self.faults.replacements = count;
        self
    }
}

impl std::fmt::Display for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} callers", self.clients)?;
        let faults = self.faults;
        let counts = [
            ("of a newer build", self.newer),
            ("kills", faults.kills.into()),
            ("closes", faults.closes.into()),
            ("removals", faults.removals.into()),
            ("replacements", faults.replacements.into()),
        ];
        for (what, count) in counts.into_iter().filter(|(_, count)| *count > 0) {
            write!(f, ", {count} {what}")?;
        }
        for (what, _) in [("autoclose", self.autoclose), ("failing", self.failing)]
            .into_iter()
            .filter(|(_, is)| *is)
        {
            write!(f, ", {what}")?;
        }
        match self.omit {
            Some(omit) => write!(f, ", without {omit:?}"),
            None => Ok(()),
        }
    }
}
