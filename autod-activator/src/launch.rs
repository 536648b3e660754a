//! The process of one generation: program, arguments, environment and descriptors. What follows
//! from its start is not known here.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::pipe::{PipeFlags, pipe_with};

use crate::address::{Address, Target};
use crate::error::Cause;
use crate::group::Group;
use crate::lookup::find;
use crate::place;
use crate::service::{Kind, Mode, Ready, Service};
use crate::spawner;
use crate::sys::Program;

/// The first descriptor that is passed on.
const FIRST: i32 = 3;

/// Variables that belong to the supervisor itself.
const OWN: [&str; 7] = [
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "AUTOD_DATA",
];

/// What a start is given.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    pub(crate) service: &'a Service,
    /// Copies of the public sockets.
    pub(crate) listeners: Vec<OwnedFd>,
    /// Where the notices are heard.
    pub(crate) notify: &'a Path,
    /// The beginning of the paths of private sockets.
    pub(crate) private: PathBuf,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) group: Group,
    /// Where it is to be reached, for each listener; none in fd mode.
    pub(crate) targets: Vec<Address>,
    /// Its output, if somebody has to read it.
    pub(crate) output: Option<OwnedFd>,
    /// The other end of its descriptor for saying that it is ready.
    pub(crate) ready: Option<OwnedFd>,
}

impl Launch<'_> {
    pub(crate) async fn start(self) -> Result<Launched, Cause> {
        let service = self.service;
        let mode = service.effective_mode();
        let targets = match mode {
            Mode::Fd => Vec::new(),
            Mode::Proxy => self.targets().map_err(system("cannot find a free port"))?,
        };
        let names = self.names(&targets);
        let words: Vec<String> =
            service.command.iter().map(|word| substitute(word, &names)).collect();
        let (dir, path) = find(service, &words[0])?;
        let mut environment = self.environment(&names);

        let mut descriptors = Vec::new();
        let mut next = FIRST;
        if mode == Mode::Fd {
            for listener in self.listeners {
                descriptors.push((listener, next));
                next += 1;
            }
        }
        if let (Some(data), Kind::Autod) = (&service.data, service.kind) {
            let file = data_file(data).map_err(system("cannot hand over the data"))?;
            descriptors.push((file.into(), next));
            environment.insert("AUTOD_DATA".into(), next.to_string().into());
        }
        let pipe = || {
            pipe_with(PipeFlags::CLOEXEC)
                .map_err(|error| system("cannot make a pipe")(error.into()))
        };
        let readiness = service.effective_ready();
        let mut ready = None;
        if let Ready::Fd(number) = readiness {
            let (read, write) = pipe()?;
            descriptors.push((write, number));
            ready = Some(read);
        }
        let mut command = Command::new(&path);
        command.stdin(Stdio::null());
        if let Some(dir) = dir {
            command.current_dir(dir);
        }
        let mut output = None;
        let (out, err) = if let Ready::Log(_) = readiness {
            let (read, write) = pipe()?;
            output = Some(read);
            let copy = write.try_clone().map_err(system("cannot make a pipe"))?;
            (write, copy)
        } else {
            let copy = || {
                rustix::io::fcntl_dupfd_cloexec(std::io::stderr(), FIRST)
                    .or_else(|_| {
                        let null = File::options().write(true).open("/dev/null");
                        null.map(OwnedFd::from)
                    })
                    .map_err(system("cannot open /dev/null"))
            };
            (copy()?, copy()?)
        };
        // Standard output may be where the supervisor's own events go.
        command.stdout(out).stderr(err);

        let program = Program {
            path: c_string(path.as_os_str())?,
            arguments: words
                .iter()
                .map(|word| c_string(OsStr::new(word)))
                .collect::<Result<_, _>>()?,
            environment: environment
                .into_iter()
                .map(|(mut name, value)| {
                    name.push("=");
                    name.push(value);
                    c_string(&name)
                })
                .collect::<Result<_, _>>()?,
            listen_pid: mode == Mode::Fd,
            descriptors,
            open_files: place::app_limit(),
            death_signal: match service.kind {
                Kind::Plain => libc::SIGKILL,
                // It knows how to end.
                Kind::Autod => libc::SIGTERM,
            },
        };
        let child = spawner::spawn(command, program).await.map_err(|error| Cause::Program {
            program: words[0].clone(),
            reason: error.to_string(),
        })?;
        let group = child
            .into_group()
            .ok_or_else(|| Cause::System("the process has no number".to_owned()))?;
        Ok(Launched { group, targets, output, ready })
    }

    /// An address for each listener. The port is free now; a program that takes it in between makes
    /// this start fail, and the next one has another.
    fn targets(&self) -> std::io::Result<Vec<Address>> {
        // Held until all are known, so that no two are the same.
        let mut held = Vec::new();
        let mut targets = Vec::new();
        for (index, listen) in self.service.listens.iter().enumerate() {
            targets.push(match &listen.to {
                Target::At(address) => address.clone(),
                Target::FreePort => {
                    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                    let address = socket.local_addr()?;
                    held.push(socket);
                    Address::Tcp(address)
                }
                Target::PrivateSocket => {
                    let mut path = self.private.clone().into_os_string();
                    path.push(format!(".{index}"));
                    Address::Unix(path.into())
                }
            });
        }
        Ok(targets)
    }

    /// `PORT`, `SOCKET`, `PORT_name` and `SOCKET_name`.
    fn names(&self, targets: &[Address]) -> BTreeMap<String, String> {
        let mut names = BTreeMap::new();
        for (listen, target) in self.service.listens.iter().zip(targets) {
            let (word, value) = match target {
                Address::Tcp(address) => ("PORT", address.port().to_string()),
                Address::Unix(path) => ("SOCKET", path.display().to_string()),
            };
            let name = self.service.listen_name(listen);
            names.insert(format!("{word}_{name}"), value.clone());
            names.entry(word.to_owned()).or_insert(value);
        }
        names
    }

    fn environment(&self, names: &BTreeMap<String, String>) -> BTreeMap<OsString, OsString> {
        let mut environment: BTreeMap<OsString, OsString> =
            std::env::vars_os().filter(|(name, _)| !OWN.iter().any(|own| name == own)).collect();
        for (name, value) in names {
            environment.insert(name.into(), value.into());
        }
        environment.insert("NOTIFY_SOCKET".into(), self.notify.into());
        if self.service.effective_mode() == Mode::Fd {
            let listened: Vec<&str> = self
                .service
                .listens
                .iter()
                .map(|listen| self.service.listen_name(listen))
                .collect();
            environment.insert("LISTEN_FDS".into(), listened.len().to_string().into());
            environment.insert("LISTEN_FDNAMES".into(), listened.join(":").into());
        }
        for (name, value) in &self.service.env {
            environment.insert(name.into(), substitute(value, names).into());
        }
        environment
    }
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> Cause {
    move |error| Cause::System(format!("{what}: {error}"))
}

fn c_string(text: &OsStr) -> Result<CString, Cause> {
    CString::new(text.as_bytes())
        .map_err(|_| Cause::System(format!("{} has a NUL in it", text.display())))
}

/// Only what is known is replaced: the rest may be meant for a shell.
fn substitute(text: &str, names: &BTreeMap<String, String>) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        result.push_str(before);
        let known = from.find('}').and_then(|end| Some((end, names.get(&from[2..end])?)));
        let used = if let Some((end, value)) = known {
            result.push_str(value);
            end + 1
        } else {
            result.push_str("${");
            2
        };
        rest = &from[used..];
    }
    result + rest
}

/// A file without a name, of any size.
fn data_file(data: &serde_json::Value) -> std::io::Result<File> {
    #[cfg(target_os = "linux")]
    let mut file = {
        use rustix::fs::{MemfdFlags, memfd_create};
        File::from(memfd_create("autod-data", MemfdFlags::CLOEXEC)?)
    };
    #[cfg(not(target_os = "linux"))]
    let mut file = {
        let path = std::env::temp_dir().join(format!("autod-data-{}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        std::fs::remove_file(path)?;
        file
    };
    file.write_all(data.to_string().as_bytes())?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_replaced_and_nothing_else() {
        let names = BTreeMap::from([("PORT".to_owned(), "80".to_owned())]);
        assert_eq!(substitute("a${PORT}b${PORT}", &names), "a80b80");
        assert_eq!(substitute("${HOME} $PORT ${PORT ${", &names), "${HOME} $PORT ${PORT ${");
        assert_eq!(substitute("${${PORT}", &names), "${80");
    }
}
