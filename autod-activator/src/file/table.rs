//! One table `[service.NAME]`.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use regex_lite::Regex;
use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::{Findings, Span, value};
use crate::address::Listen;
use crate::service::{Kind, Mode, Ready, Service};

pub(super) const KEYS: &str = "cmd, dir, env, kind, listen, mode, ready, start_timeout, stop_timeout, \
                    drain_timeout, idle_timeout, min_uptime, max_connections, max_pending, restart, data";

/// What a table describes; no service if that cannot be said.
pub(super) struct Read {
    pub(super) service: Option<Service>,
    pub(super) listens: Vec<(Span, Listen)>,
}

pub(super) struct Reader<'a> {
    pub(super) service: Service,
    pub(super) listens: Vec<(Span, Listen)>,
    /// Where each setting stands.
    keys: Vec<(String, Span)>,
    pub(super) base: &'a Path,
    pub(super) findings: &'a mut Findings,
}

pub(super) type Value<'i> = Spanned<DeValue<'i>>;

pub(super) fn read(
    name: &Spanned<Cow<'_, str>>,
    table: &DeTable<'_>,
    base: &Path,
    findings: &mut Findings,
) -> Read {
    let before = findings.0.len();
    let mut reader = Reader {
        service: Service::new(name.get_ref().as_ref(), "").dir(base),
        listens: Vec::new(),
        keys: Vec::new(),
        base,
        findings,
    };
    reader.service.command.clear();
    for (key, value) in table {
        reader.keys.push((key.get_ref().to_string(), key.span()));
        reader.setting(key, value);
    }
    for needed in ["cmd", "listen"] {
        if !table.keys().any(|key| key.get_ref() == needed) {
            reader.findings.add(name.span(), format!("service {} has no {needed}", name.get_ref()));
        }
    }
    // With values missing it would complain about what is there.
    let complete = reader.findings.0.len() == before;
    if complete {
        for (setting, message) in reader.service.faults() {
            let key = reader.keys.iter().find(|(key, _)| key == setting);
            let span = key.map_or_else(|| name.span(), |(_, span)| span.clone());
            reader.findings.add(span, message);
        }
    }
    Read { service: complete.then_some(reader.service), listens: reader.listens }
}

impl Reader<'_> {
    fn setting(&mut self, key: &Spanned<Cow<'_, str>>, value: &Value<'_>) {
        match key.get_ref().as_ref() {
            "cmd" => self.command(value),
            "dir" => {
                if let Some(dir) = self.path(value) {
                    self.service.dir = Some(dir);
                }
            }
            "env" => self.environment(value),
            "kind" => {
                let kinds = [("plain", Kind::Plain), ("autod", Kind::Autod)];
                self.service.kind = self.choice(value, &kinds).unwrap_or_default();
            }
            "listen" => self.listen(value),
            "mode" => {
                self.service.mode = self.choice(value, &[("fd", Mode::Fd), ("proxy", Mode::Proxy)]);
            }
            "ready" => self.ready(value),
            "start_timeout" => self.duration(value, |service, time| service.start_timeout = time),
            "stop_timeout" => self.duration(value, |service, time| service.stop_timeout = time),
            "drain_timeout" => self.duration(value, |service, time| service.drain_timeout = time),
            "min_uptime" => self.duration(value, |service, time| service.min_uptime = time),
            "idle_timeout" if value.get_ref().as_str() == Some("never") => {
                self.service.idle_timeout = None;
            }
            "idle_timeout" => {
                self.duration(value, |service, time| service.idle_timeout = Some(time));
            }
            "max_connections" => self.count(value, |service, most| service.max_connections = most),
            "max_pending" => self.count(value, |service, most| service.max_pending = most),
            "restart" => self.restart(value),
            "data" => match value::json(value.get_ref()) {
                Ok(data) => self.service.data = Some(data),
                Err(message) => self.findings.add(value.span(), message),
            },
            other => {
                self.findings.add(key.span(), format!("unknown key {other:?}; known are {KEYS}"));
            }
        }
    }

    pub(super) fn text<'v>(&mut self, value: &'v Value<'_>) -> Option<&'v str> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            let found = value.get_ref().type_str();
            self.findings.add(value.span(), format!("a text is needed, this is of type {found}"));
        }
        text
    }

    pub(super) fn array<'v, 'i>(&mut self, value: &'v Value<'i>) -> Option<&'v DeArray<'i>> {
        let array = value.get_ref().as_array();
        if array.is_none() {
            let found = value.get_ref().type_str();
            self.findings.add(value.span(), format!("a list is needed, this is of type {found}"));
        }
        array
    }

    pub(super) fn table<'v, 'i>(&mut self, value: &'v Value<'i>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let found = value.get_ref().type_str();
            self.findings.add(value.span(), format!("a table is needed, this is of type {found}"));
        }
        table
    }

    fn choice<T: Copy>(&mut self, value: &Value<'_>, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(value)?;
        let found = choices.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let names: Vec<String> = choices.iter().map(|(name, _)| format!("{name:?}")).collect();
            let message = format!("{text:?} is none of {}", names.join(", "));
            self.findings.add(value.span(), message);
        }
        found.map(|(_, choice)| *choice)
    }

    pub(super) fn path(&mut self, value: &Value<'_>) -> Option<std::path::PathBuf> {
        let text = self.text(value)?;
        self.keep(value.span(), value::path(text, self.base))
    }

    pub(super) fn keep<T>(&mut self, span: Span, result: Result<T, String>) -> Option<T> {
        result.map_err(|message| self.findings.add(span, message)).ok()
    }

    fn time(&mut self, value: &Value<'_>) -> Option<Duration> {
        let text = self.text(value)?;
        self.keep(value.span(), value::duration(text))
    }

    fn duration(&mut self, value: &Value<'_>, set: fn(&mut Service, Duration)) {
        if let Some(time) = self.time(value) {
            set(&mut self.service, time);
        }
    }

    fn count(&mut self, value: &Value<'_>, set: fn(&mut Service, usize)) {
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| usize::from_str_radix(number.as_str(), number.radix()).ok())
            .filter(|number| *number > 0);
        match number {
            Some(number) => set(&mut self.service, number),
            None => self.findings.add(value.span(), "a number of at least 1 is needed"),
        }
    }

    fn command(&mut self, value: &Value<'_>) {
        let Some(words) = self.array(value) else { return };
        for (index, word) in words.iter().enumerate() {
            let Some(text) = self.text(word) else { continue };
            let text = if index == 0 && text.starts_with('~') {
                let path = value::path(text, self.base);
                let Some(path) = self.keep(word.span(), path) else { continue };
                path.to_string_lossy().into_owned()
            } else {
                text.to_owned()
            };
            self.service.command.push(text);
        }
    }

    fn environment(&mut self, value: &Value<'_>) {
        let Some(table) = self.table(value) else { return };
        for (name, value) in table {
            if let Some(text) = self.text(value) {
                self.service.env.insert(name.get_ref().to_string(), text.to_owned());
            }
        }
    }

    fn ready(&mut self, value: &Value<'_>) {
        let Some(text) = self.text(value) else { return };
        let (kind, rest) = text.split_once(':').unwrap_or((text, ""));
        let ready = match kind {
            "notify" if rest.is_empty() => Ok(Ready::Notify),
            "connect" if rest.is_empty() => Ok(Ready::Connect),
            "fd" => rest.parse().map(Ready::Fd).map_err(|_| format!("{rest:?} is no descriptor")),
            "http" if rest.starts_with('/') && !rest.contains(char::is_whitespace) => {
                Ok(Ready::Http(rest.to_owned()))
            }
            "http" => Err(format!("{rest:?} is no path of a URL")),
            "log" => Regex::new(rest).map(Ready::Log).map_err(|error| format!("{rest:?}: {error}")),
            "delay" => value::duration(rest).map(Ready::Delay),
            _ => Err(format!(
                "{text:?} is none of \"notify\", \"fd:4\", \"connect\", \"http:/health\", \"log:REGEX\", \"delay:5s\""
            )),
        };
        self.service.ready = self.keep(value.span(), ready);
    }

    fn restart(&mut self, value: &Value<'_>) {
        let Some(table) = self.table(value) else { return };
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "stable" => self.duration(value, |service, time| service.restart.stable = time),
                "backoff" => {
                    let Some(pauses) = self.array(value) else { continue };
                    let [first, most] = &pauses[..] else {
                        let message = "two times are needed: the first pause and the longest";
                        self.findings.add(value.span(), message);
                        continue;
                    };
                    self.duration(first, |service, time| service.restart.first = time);
                    self.duration(most, |service, time| service.restart.most = time);
                }
                other => {
                    let message = format!("unknown key {other:?}; known are backoff, stable");
                    self.findings.add(key.span(), message);
                }
            }
        }
    }
}
