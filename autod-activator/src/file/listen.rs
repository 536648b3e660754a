//! The key `listen` of a table: the public sockets, and where the app listens.

use super::table::{Reader, Value};
use super::value;
use crate::address::{Address, Listen, Target};

impl Reader<'_> {
    pub(super) fn listen(&mut self, value: &Value<'_>) {
        let Some(entries) = self.array(value) else { return };
        for entry in entries {
            let Some(table) = self.table(entry) else { continue };
            let before = self.findings.0.len();
            let (mut at, mut to, mut name) = (None, Target::FreePort, None);
            for (key, value) in table {
                match key.get_ref().as_ref() {
                    "tcp" | "unix" if at.is_some() => {
                        self.findings.add(key.span(), "one of tcp and unix is enough");
                    }
                    "tcp" => at = self.tcp(value).map(|address| (value.span(), address)),
                    "unix" => {
                        at = self.path(value).map(|path| (value.span(), Address::Unix(path)));
                    }
                    "to" => to = self.target(value).unwrap_or(to),
                    "name" => name = self.text(value).map(str::to_owned),
                    other => {
                        let message =
                            format!("unknown key {other:?}; known are tcp, unix, to, name");
                        self.findings.add(key.span(), message);
                    }
                }
            }
            if let Some((span, at)) = at {
                let listen = Listen { name, at, to };
                self.service.listens.push(listen.clone());
                self.listens.push((span, listen));
            } else if self.findings.0.len() == before {
                self.findings.add(entry.span(), "tcp or unix is missing: where to listen");
            }
        }
    }

    fn tcp(&mut self, value: &Value<'_>) -> Option<Address> {
        // A port alone may be a number.
        let number = value.get_ref().as_integer().map(|number| number.as_str().to_owned());
        let text = match number {
            Some(number) => number,
            None => self.text(value)?.to_owned(),
        };
        match text.parse() {
            Ok(Address::Tcp(address)) if address.port() == 0 => {
                let message = "port 0 is a port that nobody could know; name one";
                self.findings.add(value.span(), message);
                None
            }
            Ok(address @ Address::Tcp(_)) => Some(address),
            _ => {
                let message =
                    format!("{text:?} is not an address, such as \"127.0.0.1:8080\" or 8080");
                self.findings.add(value.span(), message);
                None
            }
        }
    }

    fn target(&mut self, value: &Value<'_>) -> Option<Target> {
        let text = self.text(value)?;
        match text {
            "tcp" | "auto" => return Some(Target::FreePort),
            "unix" => return Some(Target::PrivateSocket),
            _ => {}
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let path = value::path(path, self.base);
            return self.keep(value.span(), path).map(|path| Target::At(Address::Unix(path)));
        }
        match text.parse::<Address>() {
            Ok(Address::Tcp(address)) if address.port() > 0 => Some(Target::At(address.into())),
            _ => {
                let message = format!(
                    "{text:?} is none of \"tcp\", \"unix\", an address such as \"127.0.0.1:9000\", \"unix:PATH\""
                );
                self.findings.add(value.span(), message);
                None
            }
        }
    }
}
