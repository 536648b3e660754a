//! Unit files of systemd for a service: the same program under another supervisor.

use std::fmt::Write as _;

use crate::address::Address;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::service::{Kind, Mode, Ready, Service};

/// The text of two unit files, `NAME.socket` and `NAME.service`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Units {
    /// The socket unit, which is the one to be enabled.
    pub socket: String,
    /// The service unit, which systemd starts on the first connection.
    pub service: String,
}

impl Service {
    /// Unit files by which systemd does what the supervisor does, for a service in fd mode. What
    /// systemd has no word for is left out: pauses after failures, and the data.
    ///
    /// # Errors
    ///
    /// [`Error::is_description`]: the description is wrong, in proxy mode, with a readiness that
    /// systemd does not know, with a relative path, or with data.
    pub fn units(&self) -> Result<Units> {
        self.check()?;
        let wrong = |text: &str| {
            let text = format!("systemd cannot run the service {}: {text}", self.name);
            Err(Error::new(ErrorKind::Description, text))
        };
        if self.effective_mode() != Mode::Fd {
            return wrong("it hands the listeners over, it does not forward: use fd mode");
        }
        if self.data.is_some() {
            return wrong("it hands over no data");
        }
        let kind = match self.effective_ready() {
            Ready::Notify => "notify",
            Ready::Delay(delay) if delay.is_zero() => "exec",
            _ => return wrong("of the kinds of readiness it knows notify only"),
        };
        let mut socket = format!("[Unit]\nDescription=Sockets of {}\n\n[Socket]\n", self.name);
        let mut names = Vec::new();
        for listen in &self.listens {
            let address = match &listen.at {
                Address::Tcp(address) => address.to_string(),
                Address::Unix(path) if path.is_absolute() => text(&path.to_string_lossy()),
                Address::Unix(_) => return wrong("the path of a socket is relative"),
            };
            let _ = writeln!(socket, "ListenStream={address}");
            names.push(self.listen_name(listen));
        }
        if let [name] = names[..] {
            let _ = writeln!(socket, "FileDescriptorName={name}");
        } else if self.listens.iter().any(|listen| listen.name.is_some()) {
            // One unit has one name for all of its sockets.
            return wrong("it has one name for the listeners of a unit");
        }
        socket.push_str("SocketMode=0600\nBacklog=4096\n\n[Install]\nWantedBy=sockets.target\n");

        let mut service = format!("[Unit]\nDescription={}\nRequires={0}.socket\n\n", self.name);
        // Only here a dollar sign means something.
        let words: Vec<String> =
            self.command.iter().map(|word| quoted(word).replace('$', "$$")).collect();
        let _ = writeln!(service, "[Service]\nType={kind}\nExecStart={}", words.join(" "));
        if let Some(dir) = &self.dir {
            if !dir.is_absolute() {
                return wrong("the directory is relative");
            }
            let _ = writeln!(service, "WorkingDirectory={}", text(&dir.to_string_lossy()));
        }
        for (name, value) in &self.env {
            let _ = writeln!(service, "Environment={}", quoted(&format!("{name}={value}")));
        }
        let _ = writeln!(service, "TimeoutStartSec={}ms", self.start_timeout.as_millis());
        let _ = writeln!(service, "TimeoutStopSec={}ms", self.stop_timeout.as_millis());
        if self.kind == Kind::Autod {
            service.push_str("NotifyAccess=main\n");
        }
        Ok(Units { socket, service })
    }
}

/// A value in which systemd's specifiers stand for themselves.
fn text(value: &str) -> String {
    value.replace('%', "%%")
}

/// One word of a command line or an assignment.
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in word.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '%' => quoted.push_str("%%"),
            letter => quoted.push(letter),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Listen;

    fn service() -> Service {
        Service::new("it", "/bin/it").kind(Kind::Autod).listen(Listen::unix("/run/it.sock"))
    }

    #[test]
    fn words_are_quoted() {
        let units = service().env("A", "$1").arg("a b").arg("50% \"$HOME\\\"").units().unwrap();
        let line = r#"ExecStart="/bin/it" "a b" "50%% \"$$HOME\\\"""#;
        assert!(units.service.lines().any(|found| found == line), "{}", units.service);
        assert!(units.service.contains("Environment=\"A=$1\"\n"), "{}", units.service);
    }

    #[test]
    fn what_systemd_cannot_do_is_refused() {
        let tcp = || Listen::tcp("127.0.0.1:80".parse().unwrap());
        for service in [
            service().mode(Mode::Proxy).ready(Ready::Notify),
            service().data(serde_json::json!(1)),
            service().ready(Ready::Fd(9)),
            service().dir("relative"),
            Service::new("it", "x").mode(Mode::Fd).listen(Listen::unix("relative")),
            service().listen(tcp().name("two")),
        ] {
            assert!(service.units().unwrap_err().is_description(), "{service:?}");
        }
    }
}
