//! How a daemon is, in one word and in full.

use std::path::PathBuf;
use std::time::Duration;

use autod::control::{Life, Sight, Target};
use serde_json::{Map, Value, json};

use crate::question::{list, millis, number, opened, text};
use crate::style::{Colour, time};
use crate::supervise::file_of;
use crate::told::Told;

/// What is known of one daemon.
pub(crate) struct Seen {
    pub(crate) name: String,
    /// Its file, if it is a supervisor.
    pub(crate) supervises: Option<PathBuf>,
    pub(crate) socket: String,
    pub(crate) state: &'static str,
    /// Its own words, if it answers.
    pub(crate) status: Option<Value>,
    /// What its lock says, if it does not.
    pub(crate) life: Option<Life>,
    /// What else there is to say.
    pub(crate) text: Option<String>,
    /// What a person does about it.
    pub(crate) help: Option<String>,
    pub(crate) reaped: bool,
}

/// The states, as `ps` shows them and scripts compare them.
pub(crate) const HUNG: &str = "hung";
pub(crate) const DEAD: &str = "dead";
pub(crate) const ENDED: &str = "ended";
pub(crate) const STARTING: &str = "starting";
pub(crate) const BROKEN: &str = "unusable";

/// One that cannot be asked.
const UNKNOWN: &str = "unknown";

/// What `autod ps` calls a daemon, and other commands find it by. A supervisor is known by its file.
pub(crate) fn name_of(target: &Target) -> String {
    match file_of(target.socket()) {
        Some(file) => file.display().to_string(),
        None => target.name(),
    }
}

/// Looks at one daemon; whatever goes wrong is what is known of it.
pub(crate) async fn look(target: &Target, patience: Duration) -> Seen {
    let mut seen = Seen::silent(target, None, patience);
    (seen.text, seen.help) = (None, None);
    match target.look("status", &[], patience).await {
        Ok(Sight::Answers(answer)) => match opened(&answer) {
            Ok(status) => {
                seen.state = match text(&status, "state") {
                    Some("starting") => STARTING,
                    Some("closing") => "closing",
                    Some("failed") => "failed",
                    _ => "ready",
                };
                seen.status = Some(status);
            }
            Err(text) => (seen.state, seen.text) = (UNKNOWN, Some(text)),
        },
        Ok(Sight::Silent(life)) => return Seen::silent(target, life, patience),
        Ok(Sight::Refuses(life, text)) => {
            (seen.state, seen.life, seen.text) = (UNKNOWN, life, Some(text));
        }
        Ok(Sight::Starting(who)) => (seen.state, seen.text) = (STARTING, Some(who)),
        Ok(Sight::Closing(life)) => (seen.state, seen.life) = ("closing", Some(life)),
        Ok(Sight::Gone { last, leftover }) => {
            seen.state = if leftover { DEAD } else { ENDED };
            seen.life = last;
        }
        Ok(_) => seen.state = UNKNOWN,
        Err(error) => {
            let Told { text, help } = Told::from(&error);
            (seen.state, seen.text, seen.help) = (BROKEN, Some(text), help);
        }
    }
    if seen.state == DEAD {
        seen.text = Some("it was killed".to_owned());
        seen.help = Some("autod ps --reap removes its socket".to_owned());
    } else if seen.state == UNKNOWN {
        seen.help = Some("autod stop ends it".to_owned());
    }
    seen
}

/// Of a state of a daemon or of a service.
pub(crate) fn colour(state: &str) -> Colour {
    match state {
        "ready" | "running" => Colour::Green,
        STARTING | "closing" | "stopping" => Colour::Yellow,
        ENDED | "stopped" => Colour::Dim,
        _ => Colour::Red,
    }
}

impl Seen {
    /// A daemon that has not answered in time.
    pub(crate) fn silent(target: &Target, life: Option<Life>, patience: Duration) -> Self {
        Self {
            name: name_of(target),
            supervises: file_of(target.socket()),
            socket: target.socket().display().to_string(),
            state: HUNG,
            status: None,
            life,
            text: Some(format!("no answer within {}", time(patience))),
            help: Some("autod stop --kill ends it".to_owned()),
            reaped: false,
        }
    }

    /// Whether a daemon is there.
    pub(crate) fn lives(&self) -> bool {
        self.state != DEAD && self.state != ENDED
    }

    pub(crate) fn colour(&self) -> Colour {
        colour(self.state)
    }

    pub(crate) fn pid(&self) -> Option<u64> {
        let own = self.status.as_ref().and_then(|status| number(status, "pid"));
        own.or_else(|| self.life.as_ref().map(|life| life.pid.into()))
    }

    pub(crate) fn version(&self) -> String {
        let own = self.status.as_ref().and_then(|status| text(status, "version"));
        let own = own.map(str::to_owned);
        own.or_else(|| self.life.as_ref().map(Life::version)).unwrap_or_default()
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Option<Duration> {
        match &self.status {
            Some(status) => millis(status, "uptime_ms"),
            None => self.life.as_ref().and_then(|life| life.age),
        }
    }

    /// Why it is still there.
    pub(crate) fn why(&self) -> String {
        let Some(status) = &self.status else {
            if self.reaped {
                return "its socket was removed".to_owned();
            }
            let both: Vec<&str> =
                [&self.text, &self.help].into_iter().flatten().map(|text| &**text).collect();
            return both.join("; ");
        };
        if let Some(progress) = text(status, "progress") {
            return progress.to_owned();
        }
        let mut reasons = Vec::new();
        match number(status, "connections").unwrap_or(0) {
            0 => {}
            1 => reasons.push("1 user".to_owned()),
            count => reasons.push(format!("{count} users")),
        }
        for hold in list(status, "holds") {
            reasons.push(text(hold, "reason").unwrap_or("a hold").to_owned());
        }
        if reasons.is_empty() {
            reasons.push(match millis(status, "closes_in_ms") {
                Some(left) => format!("goes in {}", time(left)),
                None if status.get("autoclose_ms").is_none() => {
                    "stays until it is closed".to_owned()
                }
                None => String::new(),
            });
        }
        let reasons = reasons.join(", ");
        if self.supervises.is_some() { format!("autod up; {reasons}") } else { reasons }
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        let kind = if self.supervises.is_some() { "supervisor" } else { "daemon" };
        object.insert("kind".to_owned(), json!(kind));
        object.insert("name".to_owned(), json!(self.name));
        object.insert("socket".to_owned(), json!(self.socket));
        object.insert("state".to_owned(), json!(self.state));
        if let Some(file) = &self.supervises {
            object.insert("file".to_owned(), json!(file.to_string_lossy()));
        }
        if let Some(status) = &self.status {
            object.insert("status".to_owned(), status.clone());
        }
        if let Some(life) = &self.life {
            let mut record =
                json!({"pid": life.pid, "build": life.build, "version": life.version()});
            if let Some(age) = life.age {
                record["age_ms"] = json!(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            }
            object.insert("life".to_owned(), record);
        }
        if let Some(text) = &self.text {
            object.insert("text".to_owned(), json!(text));
        }
        if let Some(help) = self.help.as_ref().filter(|_| !self.reaped) {
            object.insert("help".to_owned(), json!(help));
        }
        if self.reaped {
            object.insert("reaped".to_owned(), json!(true));
        }
        Value::Object(object)
    }
}
