//! Where a daemon lives that is on another machine, and the command line that leads there.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::request::Request;
use crate::builder::Daemon;
use crate::error::{Error, ErrorKind, Result};

/// A program on another machine, reached by the user's own `ssh`: its configuration, keys, agent
/// and shared connections (`ControlMaster`) are used as they are.
///
/// Made of `HOST`, `USER@HOST` or `ssh://[USER@]HOST[:PORT][/PROGRAM]`; HOST may be an alias of
/// ssh's configuration. PROGRAM is looked for in the `PATH` that ssh gives there; one with a slash
/// is relative to the home directory, and `ssh://host//usr/local/bin/app` is absolute. A wrong
/// address is an error when it is used.
///
/// ```
/// use autod_core::{Daemon, Ssh};
///
/// let there = Ssh::new("ssh://me@build.example.org:2222/counter").arg("--autoclose").arg("60");
/// let daemon = Daemon::new("counter").remote(there);
/// # drop(daemon);
/// ```
///
/// | setting | default |
/// |---|---|
/// | [`program`](Self::program) | that of the address, else the name of the running executable |
/// | [`args`](Self::args) | none |
/// | [`options`](Self::options) | none |
/// | [`ssh`](Self::ssh) | `ssh`, from the `PATH` |
/// | [`keep_alive`](Self::keep_alive) | 15 s |
#[derive(Clone, Debug)]
#[must_use = "an address does nothing until a daemon is connected to"]
pub struct Ssh {
    address: Result<Address, String>,
    args: Vec<OsString>,
    options: Vec<OsString>,
    executable: PathBuf,
    pub(super) keep_alive: Duration,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Address {
    /// As ssh takes it: with the user.
    host: String,
    port: Option<u16>,
    program: Option<String>,
}

impl Ssh {
    /// Begins the description of a program on another machine.
    pub fn new(address: impl AsRef<str>) -> Self {
        Self {
            address: Address::parse(address.as_ref()),
            args: Vec::new(),
            options: Vec::new(),
            executable: "ssh".into(),
            keep_alive: Duration::from_secs(15),
        }
    }

    /// The program there, instead of the one that the address names.
    pub fn program(mut self, program: impl Into<String>) -> Self {
        if let Ok(address) = &mut self.address {
            address.program = Some(program.into());
        }
        self
    }

    /// An argument of the program there. Adds to earlier ones. Other users of that machine can see
    /// it: no place for a secret.
    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Arguments of the program there. Adds to earlier ones.
    pub fn args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Arguments of `ssh` itself, such as `-F` and a file. Adds to earlier ones.
    pub fn options<A: Into<OsString>>(mut self, options: impl IntoIterator<Item = A>) -> Self {
        self.options.extend(options.into_iter().map(Into::into));
        self
    }

    /// The program that is run as `ssh`.
    pub fn ssh(mut self, program: impl Into<PathBuf>) -> Self {
        self.executable = program.into();
        self
    }

    /// How often each end says that it is there when it has nothing else to say, at least a
    /// millisecond. After three times this without a word from the other, the connection is lost:
    /// a caller that was suspended for so long has lost it, too. Default 15 s.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval.max(Duration::from_millis(1));
        self
    }

    /// What the other machine is called.
    pub(crate) fn host(&self) -> &str {
        self.address.as_ref().map_or("", |address| &address.host)
    }

    /// The machine, as the `--host` of the `autod` command takes it.
    pub(crate) fn machine(&self) -> String {
        match &self.address {
            Ok(Address { host, port: Some(port), .. }) => {
                let (user, host) = host.split_at(host.rfind('@').map_or(0, |at| at + 1));
                let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
                format!("ssh://{user}{open}{host}{close}:{port}")
            }
            address => address.as_ref().map_or_else(|_| String::new(), |one| one.host.clone()),
        }
    }

    /// What the program there is called.
    pub(super) fn program_name(&self) -> Result<String> {
        let address = self.address.as_ref().map_err(|text| Error::new(ErrorKind::Usage, text))?;
        if let Some(program) = &address.program {
            return Ok(program.clone());
        }
        let own = std::env::current_exe().ok();
        let own = own.as_deref().and_then(|path| path.file_name()?.to_str());
        let unnamed =
            || Error::new(ErrorKind::Usage, "the program on the other machine has no name");
        own.map(|name| name.trim_end_matches(" (deleted)").to_owned()).ok_or_else(unnamed)
    }

    /// The whole command.
    pub(super) fn command(&self, request: &Request) -> Result<Command> {
        let program = self.program_name()?;
        // `env` would take it for a variable, and run the first argument.
        if program.is_empty() || program.contains('=') {
            let text = format!("{program:?} is no name for a program on another machine");
            return Err(Error::new(ErrorKind::Usage, text));
        }
        let address = self.address.as_ref().map_err(|text| Error::new(ErrorKind::Usage, text))?;
        let mut words = vec![quoted(&request.assignment())?, quoted(&program)?];
        for arg in &self.args {
            let arg = arg.to_str().ok_or_else(|| {
                let text = format!("the argument {} is not text", arg.display());
                Error::new(ErrorKind::Usage, text)
            })?;
            words.push(quoted(arg)?);
        }
        let mut command = Command::new(&self.executable);
        // Options given first win. No terminal there: it would change what passes.
        command.args(&self.options).arg("-T");
        if let Some(port) = address.port {
            command.arg("-p").arg(port.to_string());
        }
        // Every shell knows how to run `env`, whatever it thinks of assignments.
        command.arg("--").arg(&address.host).arg(format!("exec env {}", words.join(" ")));
        Ok(command)
    }

    /// What is on another machine cannot be done here.
    pub(crate) fn elsewhere(&self) -> Error {
        let text = match &self.address {
            Ok(Address { host, .. }) => format!("the daemon lives on {host}: do this there"),
            Err(text) => text.clone(),
        };
        Error::new(ErrorKind::Usage, text)
    }
}

impl<A: AsRef<str>> From<A> for Ssh {
    fn from(address: A) -> Self {
        Self::new(address)
    }
}

impl<S: Send + Sync + 'static, T> Daemon<S, T> {
    /// Connects to the daemon on another machine, which the program there starts if none runs. See
    /// [`Ssh`] for what a text may be.
    ///
    /// What this description says of limits, the silence timeout and the caller counts; the place,
    /// the start and the upgrade of the daemon are what the program there says. Its errors are those
    /// of a daemon of this machine; [`Error::is_unreachable`] is true when ssh did not come through.
    /// The [time for connecting](Self::connect_timeout) contains that for typing a passphrase.
    /// [`stop`](Self::stop), [`socket_path`](Self::socket_path) and [`log_path`](Self::log_path) are
    /// errors, [`debug`](Self::debug) has no effect.
    ///
    /// The service there sees a process of its own machine and user, the bridge, for which
    /// [the login](crate::Voucher::Login) vouches: whoever may log in as that user is that user.
    pub fn remote(mut self, there: impl Into<Ssh>) -> Self {
        self.settings.remote = Some(there.into());
        self
    }
}

impl Address {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{text:?} is no address for ssh: {what}");
        let (rest, program) = match text.strip_prefix("ssh://") {
            Some(rest) => match rest.split_once('/') {
                Some((rest, program)) => {
                    (rest, Some(program).filter(|program| !program.is_empty()))
                }
                None => (rest, None),
            },
            None => {
                return Ok(Self { host: checked(text).map_err(wrong)?, port: None, program: None });
            }
        };
        let user_ends = rest.rfind('@').map_or(0, |at| at + 1);
        let (user, host) = rest.split_at(user_ends);
        let (host, port) = match host.strip_prefix('[') {
            Some(host) => {
                let (host, port) = host.split_once(']').ok_or_else(|| wrong("a ] is missing"))?;
                match port.strip_prefix(':') {
                    None if !port.is_empty() => return Err(wrong("a colon is missing")),
                    port => (host, port),
                }
            }
            None => host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port))),
        };
        let port = port.map(str::parse).transpose().map_err(|_| wrong("the port is no port"))?;
        if host.is_empty() {
            return Err(wrong("the host is missing"));
        }
        let host = checked(&format!("{user}{host}")).map_err(wrong)?;
        Ok(Self { host, port, program: program.map(str::to_owned) })
    }
}

/// Nothing that ssh could take for an option, or a program of ours for anything else.
fn checked(host: &str) -> Result<String, &'static str> {
    if host.is_empty() {
        return Err("the host is missing");
    }
    if host.starts_with('-') || host.contains("@-") {
        return Err("the host begins with a dash");
    }
    if host.chars().any(|c| c.is_control() || c.is_whitespace() || "'\"`$;&|<>()\\/".contains(c)) {
        return Err("the host is no name");
    }
    Ok(host.to_owned())
}

/// A word that every shell takes as it is.
fn quoted(word: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_./:=@%+,-".contains(c);
    // zsh looks for the program behind a first `=`, fish for a process behind a first `%`.
    let begins_plain = word.starts_with(|c: char| plain(c) && !"=@%+,".contains(c));
    if word.contains(['\0', '\n']) {
        let text = format!("{word:?} cannot be passed on by a shell");
        return Err(Error::new(ErrorKind::Usage, text));
    }
    if begins_plain && word.chars().all(plain) {
        return Ok(word.to_owned());
    }
    // Between quotes a backslash is itself, but for fish, and `!` too, but for csh: they stand outside.
    let mut quoted = String::from("'");
    for c in word.chars() {
        match c {
            '\'' | '\\' | '!' => quoted.extend(["'\\", c.encode_utf8(&mut [0; 4]), "'"]),
            c => quoted.push(c),
        }
    }
    quoted.push('\'');
    Ok(quoted)
}

#[cfg(test)]
mod tests {
    use super::super::packet::Mark;
    use super::super::request::Way;
    use super::*;

    fn address(host: &str, port: Option<u16>, program: Option<&str>) -> Address {
        Address { host: host.to_owned(), port, program: program.map(str::to_owned) }
    }

    fn request() -> Request {
        Request {
            mark: Mark::parse("0123456789abcdef").unwrap(),
            keep_alive: Duration::from_secs(15),
            way: Way::Start,
            app: "counter".to_owned(),
        }
    }

    #[test]
    fn addresses_are_taken_apart() {
        for (text, parsed) in [
            ("box", address("box", None, None)),
            ("me@box", address("me@box", None, None)),
            ("ssh://box/app", address("box", None, Some("app"))),
            ("ssh://me@box:22/app", address("me@box", Some(22), Some("app"))),
            ("ssh://box//usr/bin/app", address("box", None, Some("/usr/bin/app"))),
            ("ssh://box/", address("box", None, None)),
            ("ssh://me@[::1]:2222/app", address("me@::1", Some(2222), Some("app"))),
        ] {
            assert_eq!(Address::parse(text), Ok(parsed), "{text}");
            let (there, machine) = (Ssh::new(text), Ssh::new(Ssh::new(text).machine()));
            let command = |ssh: Ssh| format!("{:?}", ssh.program("app").command(&request()));
            assert_eq!(command(machine), command(there), "{text}");
        }
    }

    #[test]
    fn what_could_be_anything_else_is_refused() {
        for text in [
            "",
            "-oProxyCommand=x",
            "me@-x",
            "ssh://-x/app",
            "ssh:///app",
            "ssh://me@/app",
            "ssh://box:x/app",
            "ssh://[::1/app",
            "ssh://[::1]22/app",
            "a b",
            "a;b",
            "a$(b)",
        ] {
            assert!(Address::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_shell_sees_words() {
        let request = request();
        let ssh = Ssh::new("ssh://me@box:22/my app").arg("it's").arg("").arg("$HOME");
        let command = ssh.command(&request).unwrap();
        let args: Vec<_> = command.get_args().map(|arg| arg.to_str().unwrap()).collect();
        let remote = r"exec env AUTOD_BRIDGE=1:0123456789abcdef:15000:start:counter 'my app' 'it'\''s' '' '$HOME'";
        assert_eq!(args, ["-T", "-p", "22", "--", "me@box", remote]);
        assert!(ssh.arg("two\nlines").command(&request).is_err());
        for no_program in ["", "LD_PRELOAD=x", "ssh-agent=1"] {
            let ssh = Ssh::new("box").program(no_program).arg("rm");
            assert!(ssh.command(&request).is_err(), "{no_program}");
        }
    }

    #[test]
    fn a_word_is_the_same_for_every_shell() {
        for (word, expected) in [
            ("--level=info", "--level=info"),
            ("=ls", "'=ls'"),
            ("%self", "'%self'"),
            (r"a\\b\", r"'a'\\''\\'b'\\''"),
            ("no!", r"'no'\!''"),
            ("~", "'~'"),
        ] {
            let quoted = quoted(word).unwrap();
            assert_eq!(quoted, expected);
            let script = format!("printf %s {quoted}");
            for shell in ["sh", "bash", "zsh", "fish", "tcsh"] {
                let Ok(said) = Command::new(shell).args(["-c", &script]).output() else { continue };
                assert_eq!(String::from_utf8_lossy(&said.stdout), word, "{shell}: {quoted}");
            }
        }
    }
}
