//! A real sshd on the loopback address, with keys and a configuration of its own.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use super::home::{Home, Run, Running, eventually, example, has};

/// A machine to log in to; its daemons live in a home of their own.
pub(crate) struct Sshd {
    /// The caller's side.
    pub(crate) near: Home,
    /// The side of the daemon.
    pub(crate) far: Home,
    port: u16,
    server: Option<Running>,
}

impl Sshd {
    /// `None`: it is not installed, which is said.
    pub(crate) fn start() -> Option<Self> {
        Self::with("")
    }

    /// With more lines of configuration.
    #[track_caller]
    pub(crate) fn with(lines: &str) -> Option<Self> {
        let root = rustix::process::geteuid().is_root();
        if !Path::new("/usr/sbin/sshd").is_file() {
            return has("sshd").then(|| unreachable!("sshd is in another place"));
        }
        if !has("ssh") || !has("ssh-keygen") {
            return None;
        }
        let (near, far) = (Home::new(), Home::new());
        if root {
            // It asks for this directory, which the system's own start would make.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        for key in ["host", "user"] {
            let file = near.join(key);
            near.run("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .args([&file])
                .out();
        }
        std::fs::copy(near.join("user.pub"), near.join("authorized")).unwrap();
        // Nobody else takes it between this and sshd, but for another test; then sshd says so.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let path = |name: &str| near.join(name).display().to_string();
        let host_key = std::fs::read_to_string(near.join("host.pub")).unwrap();
        std::fs::write(near.join("known"), format!("[127.0.0.1]:{port} {host_key}")).unwrap();
        let config = format!(
            "Host box\n  HostName 127.0.0.1\n  Port {port}\nHost *\n  IdentityFile {}\n  \
             IdentitiesOnly yes\n  IdentityAgent none\n  UserKnownHostsFile {}\n  \
             GlobalKnownHostsFile /dev/null\n  BatchMode yes\n  StrictHostKeyChecking yes\n",
            path("user"),
            path("known"),
        );
        std::fs::write(near.join("ssh_config"), config).unwrap();
        near.script("ssh", &format!("exec /usr/bin/ssh -F '{}' \"$@\"", path("ssh_config")));
        let mut this = Self { near, far, port, server: None };
        this.configure(lines);
        Some(this)
    }

    /// Starts the server again, with these lines of configuration.
    pub(crate) fn configure(&mut self, lines: &str) {
        let path = |name: &str| self.near.join(name).display().to_string();
        let mut variables = format!(
            "XDG_RUNTIME_DIR={0} AUTOD_TEST_HOME={0} AUTOD_FAULTS={0}/faults",
            self.far.path().display()
        );
        let mut others = String::new();
        for line in lines.lines() {
            // One line has to name them all.
            if let Some(variable) = line.strip_prefix("SetEnv ") {
                variables = format!("{variables} {variable}");
            } else {
                others = format!("{others}{line}\n");
            }
        }
        let config = format!(
            "ListenAddress 127.0.0.1:{}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n\
             MaxStartups 100\nSetEnv {variables}\n{others}",
            self.port,
            path("host"),
            path("authorized"),
        );
        std::fs::write(self.near.join("sshd_config"), config).unwrap();
        self.server = None;
        self.serve();
    }

    /// Starts the server again, on the same port.
    fn serve(&mut self) {
        let mut run = self.near.run("/usr/sbin/sshd");
        run.command.stdout(Stdio::null()).stderr(Stdio::null());
        let config = self.near.join("sshd_config");
        self.server = Some(run.args(["-D", "-e", "-f"]).args([config]).spawn());
        let port = self.port;
        eventually("sshd listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    }

    /// Ends the server, not the logins.
    pub(crate) fn end(&mut self) {
        self.server = None;
    }

    /// Where a program of the examples is.
    pub(crate) fn address(program: &str) -> String {
        format!("ssh://box/{}", example(program).display())
    }

    /// The processes between a caller and the daemon: each `ssh` (0), each login (1), each bridge (2).
    pub(crate) fn between(&self, which: u64) -> Vec<u32> {
        let named = |pid: &u32, names: &[&str]| {
            let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            names.contains(&name.trim_end())
        };
        let is_bridge = |pid: &u32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|pair| pair.starts_with(b"AUTOD_BRIDGE=1:"))
        };
        let server = self.server.as_ref().map(Running::pid);
        let mut near = self.near.processes();
        near.retain(|pid| Some(*pid) != server);
        match which {
            0 => near.retain(|pid| named(pid, &["ssh"])),
            1 => return server.map_or_else(Vec::new, logins),
            _ => return self.far.processes().into_iter().filter(is_bridge).collect(),
        }
        near
    }

    /// A command of the caller's side; its `ssh` knows the server.
    pub(crate) fn near(&self, run: Run) -> Run {
        let path = std::env::var("PATH").unwrap_or_default();
        run.env("PATH", format!("{}:{path}", self.near.path().display()))
    }

    pub(crate) fn counter(&self, args: &[&str]) -> Run {
        let host = Self::address("counter");
        self.near(self.near.counter(["--host", &host]).args(args))
    }

    pub(crate) fn fixture(&self, args: &[&str]) -> Run {
        self.near(self.near.fixture(args)).env("FIX_HOST", Self::address("fixture"))
    }
}

impl Home {
    /// A program of a few lines.
    pub(crate) fn script(&self, name: &str, lines: &str) {
        let path = self.join(name);
        let mut file = std::fs::File::create(&path).unwrap();
        write!(file, "#!/bin/sh\n{lines}\n").unwrap();
        drop(file);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The processes of sshd below its listener. They write their title over their environment, so they are
/// known by their parents.
fn logins(listener: u32) -> Vec<u32> {
    let mut found = Vec::new();
    let mut parents = vec![listener];
    while let Some(parent) = parents.pop() {
        let path = format!("/proc/{parent}/task/{parent}/children");
        let children = std::fs::read_to_string(path).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            let name = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            if name.starts_with("sshd") {
                found.push(child);
                parents.push(child);
            }
        }
    }
    found
}
