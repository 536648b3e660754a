//! What can be wrong with the description of a service, before anything of it is done.

use crate::address::Target;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::service::{Kind, Mode, Ready, Service};

impl Service {
    /// What is wrong with it, by the setting that is to blame.
    pub(crate) fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        if !is_name(&self.name) {
            faults
                .push(("", format!("{:?} is no name: use letters, digits, -, _ and .", self.name)));
        }
        if self.command.first().is_none_or(String::is_empty) {
            faults.push(("cmd", "the command is empty".to_owned()));
        }
        if self.command.iter().any(|word| word.contains('\0')) {
            faults.push(("cmd", "an argument has a NUL in it".to_owned()));
        }
        for (name, value) in &self.env {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                faults.push(("env", format!("{name:?} cannot be a variable")));
            }
        }
        self.listening_faults(&mut faults);
        if let (Some(Ready::Connect | Ready::Http(_)), Mode::Fd) =
            (&self.ready, self.effective_mode())
        {
            let text = "in fd mode the supervisor itself listens: a connection proves nothing";
            faults.push(("ready", text.to_owned()));
        }
        if let Some(Ready::Fd(number)) = self.ready {
            let passed = match self.effective_mode() {
                Mode::Fd => self.listens.len() + usize::from(self.data.is_some()),
                Mode::Proxy => usize::from(self.data.is_some()),
            };
            let first = i32::try_from(3 + passed).unwrap_or(i32::MAX);
            if !(first..=255).contains(&number) {
                faults.push(("ready", format!("the descriptor must be from {first} to 255")));
            }
        }
        if self.data.is_some() && self.kind != Kind::Autod {
            let text = "only a cooperating app is handed data: add kind = \"autod\"";
            faults.push(("data", text.to_owned()));
        }
        for (setting, most) in
            [("max_connections", self.max_connections), ("max_pending", self.max_pending)]
        {
            if most == 0 {
                faults.push((setting, "must be at least 1".to_owned()));
            }
        }
        if self.restart.first.is_zero() || self.restart.most < self.restart.first {
            let text = "the first pause must be more than 0 and at most the last".to_owned();
            faults.push(("restart", text));
        }
        faults
    }

    fn listening_faults(&self, faults: &mut Vec<(&'static str, String)>) {
        if self.listens.is_empty() {
            faults.push(("listen", "there is nothing to listen on".to_owned()));
        }
        let mut names = Vec::new();
        for listen in &self.listens {
            let name = self.listen_name(listen);
            if !is_name(name) {
                let text = format!("{name:?} is no name: use letters, digits, -, _ and .");
                faults.push(("listen", text));
            }
            if names.contains(&name) {
                faults.push(("listen", format!("two listeners have the name {name:?}")));
            }
            names.push(name);
            if let (Mode::Proxy, Target::At(target)) = (self.effective_mode(), &listen.to)
                && self.listens.iter().any(|public| public.at.overlaps(target))
            {
                faults.push((
                    "listen",
                    format!("it is forwarded to {target}, where it listens itself"),
                ));
            }
        }
        for (word, target) in [("${PORT", Target::FreePort), ("${SOCKET", Target::PrivateSocket)] {
            let used = self.command.iter().any(|text| text.contains(&format!("{word}}}")));
            let given = self.effective_mode() == Mode::Proxy
                && self.listens.iter().any(|listen| listen.to == target);
            if used && !given {
                let text =
                    format!("{word}}} needs proxy mode and a listener that is forwarded to it");
                faults.push(("cmd", text));
            }
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let faults = self.faults();
        if faults.is_empty() {
            return Ok(());
        }
        let texts: Vec<String> = faults
            .into_iter()
            .map(
                |(setting, text)| {
                    if setting.is_empty() { text } else { format!("{setting}: {text}") }
                },
            )
            .collect();
        let message =
            format!("the service {} is described wrongly: {}", self.name, texts.join("; "));
        Err(Error::new(ErrorKind::Description, message))
    }
}

/// Names go into environment variables and messages.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}
