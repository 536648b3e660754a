//! The ways from a client to the server, each in processes of its own.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use autod_activator::{Address, Kind, Listen, Service, Supervisor};

pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Those that stand between; the server is not counted.
    process: Option<Child>,
    mode: Option<&'static str>,
    /// Started with 1.5 s of sleep.
    slow: Option<(Child, SocketAddr)>,
    _server: Option<Server>,
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let slow = self.slow.take().map(|(child, _)| child);
        for mut child in self.process.take().into_iter().chain(slow) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Way {
    /// Those whose programs are installed; the direct one is the first.
    pub(crate) fn all() -> Vec<Self> {
        let port = free_port();
        let server = spawn(&mut Command::new(own()), &["serve", &port.to_string()]);
        let direct = loopback(port);
        wait_for(direct);
        let mut ways = vec![Self {
            name: "direct",
            address: direct,
            process: None,
            mode: None,
            slow: None,
            _server: Some(Server(server)),
        }];
        for (name, mode) in [("autod, fd mode", "fd"), ("autod, proxy mode", "proxy")] {
            let (process, address) = supervised(mode, "quick");
            let slow = Some(supervised(mode, "slow"));
            ways.push(Self {
                name,
                address,
                process: Some(process),
                mode: Some(mode),
                slow,
                _server: None,
            });
        }
        let proxyd =
            ["/lib/systemd/systemd-socket-proxyd", "/usr/lib/systemd/systemd-socket-proxyd"];
        if let Some(proxyd) = proxyd.into_iter().find(|path| Path::new(path).exists()) {
            let (port, target) = (free_port(), direct.to_string());
            let listen = format!("127.0.0.1:{port}");
            let words = ["-l", &listen, proxyd, &target];
            ways.extend(other("systemd-socket-proxyd", port, "systemd-socket-activate", &words));
        }
        let port = free_port();
        let config = format!(
            "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\nlisten it\n bind 127.0.0.1:{port}\n server it {direct}\n"
        );
        let path = std::env::temp_dir().join(format!("autod-bench-{}.cfg", std::process::id()));
        std::fs::write(&path, config).expect("a file");
        let words = ["-db", "-f", path.to_str().expect("a path")];
        ways.extend(other("haproxy", port, "haproxy", &words));
        let _ = std::fs::remove_file(path);
        let port = free_port();
        let listen =
            format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=4096,nodelay");
        let words = ["-t", "5", &listen, &format!("TCP:{direct},nodelay")];
        ways.extend(other("socat", port, "socat", &words));
        ways
    }

    pub(crate) fn is_supervised(&self) -> bool {
        self.mode.is_some()
    }

    /// The address of one that takes 1.5 s to start, and was not started yet.
    pub(crate) fn slow(&self) -> SocketAddr {
        self.slow.as_ref().map_or(self.address, |(_, address)| *address)
    }

    /// Seconds of processor of what stands between, its children included; not of the server that a
    /// supervisor starts.
    pub(crate) fn processor(&self) -> f64 {
        let Some(process) = &self.process else { return 0.0 };
        let stat =
            std::fs::read_to_string(format!("/proc/{}/stat", process.id())).unwrap_or_default();
        let fields: Vec<f64> = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        // utime, stime, and those of children that were waited for: 100 in a second.
        fields.get(11..15).map_or(0.0, |times| times.iter().sum::<f64>() / 100.0)
    }

    /// Seconds to the first byte of a service that has just been put up; the median of ten.
    pub(crate) fn cold(&self) -> Option<f64> {
        let mut times: Vec<Duration> = (0..10)
            .map(|_| match self.mode {
                None if self.process.is_some() => None,
                // The server's own start.
                None => {
                    let port = free_port();
                    let began = Instant::now();
                    let server = spawn(&mut Command::new(own()), &["serve", &port.to_string()]);
                    let _server = Server(server);
                    let address = loopback(port);
                    wait_for(address);
                    crate::load::once(address);
                    Some(began.elapsed())
                }
                Some(mode) => {
                    let (process, address) = supervised(mode, "quick");
                    let began = Instant::now();
                    crate::load::once(address);
                    let time = began.elapsed();
                    drop(Server(process));
                    Some(time)
                }
            })
            .collect::<Option<_>>()?;
        times.sort();
        Some(times[times.len() / 2].as_secs_f64())
    }
}

fn own() -> PathBuf {
    std::env::current_exe().expect("its own path")
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

fn spawn(command: &mut Command, words: &[&str]) -> Child {
    command.args(words).stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process")
}

fn wait_for(address: SocketAddr) {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "nobody listens at {address}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn other(name: &'static str, port: u16, program: &str, words: &[&str]) -> Option<Way> {
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(process) = command.spawn() else {
        println!("{name} is not installed");
        return None;
    };
    let address = loopback(port);
    wait_for(address);
    Some(Way { name, address, process: Some(process), mode: None, slow: None, _server: None })
}

fn supervised(mode: &str, speed: &str) -> (Child, SocketAddr) {
    let mut command = Command::new(own());
    let mut child = spawn(command.stdout(Stdio::piped()), &["supervise", mode, speed]);
    let mut line = String::new();
    let output = child.stdout.take().expect("its output");
    BufReader::new(output).read_line(&mut line).expect("its address");
    (child, line.trim().parse().expect("an address"))
}

/// A supervisor with one service, until it is killed.
pub(crate) fn supervise(mode: &str, speed: &str) {
    autod_activator::raise_open_files();
    let kind = if mode == "fd" { Kind::Autod } else { Kind::Plain };
    let service = Service::new("it", own().to_str().expect("a path"))
        .args(["serve", speed])
        .kind(kind)
        .listen(Listen::tcp(loopback(0)))
        .idle_timeout(None);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let supervisor = Supervisor::builder().service(service).open().expect("a supervisor");
        if let Address::Tcp(address) = &supervisor.addresses("it").expect("an address")[0] {
            println!("{address}");
        }
        std::future::pending::<()>().await;
    });
}
