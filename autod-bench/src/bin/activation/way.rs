//! The ways from a client to the server, each in processes of its own.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::peers;
use autod_activator::{Address, Kind, Listen, Service, Supervisor};

pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// What stands between; nothing, if that is nothing.
    pub(crate) between: Option<Process>,
    /// Puts up a new one that has not started its server yet, if it does start it.
    pub(crate) cold: Option<Cold>,
}

/// Given the word that the server is told: `quick`, or `slow` for a start of 1.5 s.
pub(crate) type Cold = Box<dyn Fn(&str) -> (Process, SocketAddr)>;

/// Killed when it is dropped; what it has started ends when it does.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> std::io::Result<Self> {
        command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().map(Self)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// The address that it prints.
    pub(crate) fn address(&mut self) -> SocketAddr {
        let mut line = String::new();
        let output = self.0.stdout.take().expect("its output");
        BufReader::new(output).read_line(&mut line).expect("its address");
        line.trim().parse().expect("an address")
    }

    /// Seconds of processor, with those of children that were waited for; not of the server that a
    /// supervisor starts, nor of threads that have ended.
    pub(crate) fn processor(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        let fields: Vec<f64> = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split(' ')
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        // cutime, cstime: 100 in a second.
        let children = fields.get(13..15).map_or(0.0, |times| times.iter().sum::<f64>() / 100.0);
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id()));
        let own: f64 = tasks
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
            .filter_map(|text| text.split(' ').next()?.parse::<f64>().ok())
            .sum();
        own / 1e9 + children
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Way {
    /// Those whose programs are installed; the direct one is the first. The server is theirs all, but
    /// of those that start it.
    pub(crate) fn all() -> (Process, Vec<Self>) {
        let (server, direct) = bare("quick");
        let mut ways = vec![Self {
            name: "direct",
            address: direct,
            between: None,
            cold: Some(Box::new(bare)),
        }];
        for (name, mode) in [("autod, fd mode", "fd"), ("autod, proxy mode", "proxy")] {
            let (process, address) = supervised(mode, "quick");
            ways.push(Self {
                name,
                address,
                between: Some(process),
                cold: Some(Box::new(move |speed| supervised(mode, speed))),
            });
        }
        ways.extend(peers::all(direct));
        (server, ways)
    }

    /// Seconds to the first byte of one that has just been put up; the median of ten.
    pub(crate) fn cold(&self) -> Option<f64> {
        let cold = self.cold.as_ref()?;
        let mut times: Vec<Duration> = (0..10)
            .map(|_| {
                // The server's own start, if nobody else starts it.
                let began = Instant::now();
                let (_process, address) = cold("quick");
                let began = if self.between.is_some() { Instant::now() } else { began };
                crate::load::once(address);
                began.elapsed()
            })
            .collect();
        times.sort();
        Some(times[times.len() / 2].as_secs_f64())
    }

    /// 600 clients at once while a start takes 1.5 s; see [`burst`](crate::load::burst).
    pub(crate) fn burst(&self) -> Option<(f64, usize)> {
        self.between.as_ref()?;
        let (_process, address) = self.cold.as_ref()?("slow");
        Some(crate::load::burst(address, 600))
    }
}

pub(crate) fn own() -> PathBuf {
    std::env::current_exe().expect("its own path")
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

pub(crate) fn wait_for(address: SocketAddr) {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "nobody listens at {address}");
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// The server alone.
fn bare(speed: &str) -> (Process, SocketAddr) {
    let port = free_port();
    let mut command = Command::new(own());
    let server = Process::spawn(command.args(["serve", speed]).env("PORT", port.to_string()));
    let address = loopback(port);
    wait_for(address);
    (server.expect("a server"), address)
}

fn supervised(mode: &str, speed: &str) -> (Process, SocketAddr) {
    supervisor(mode, speed, 1)
}

/// A supervisor in a process of its own.
pub(crate) fn supervisor(mode: &str, speed: &str, services: usize) -> (Process, SocketAddr) {
    let mut command = Command::new(own());
    command.args(["supervise", mode, speed, &services.to_string()]).stdout(Stdio::piped());
    let mut process = Process::spawn(&mut command).expect("a supervisor");
    let address = process.address();
    (process, address)
}

/// A supervisor, until it is killed. The first of its services is the one that is used.
pub(crate) fn supervise(mode: &str, speed: &str, services: usize) {
    autod_activator::raise_open_files();
    let kind = if mode == "fd" { Kind::Autod } else { Kind::Plain };
    let service = |number: usize| {
        Service::new(format!("it-{number}"), own().to_str().expect("a path"))
            .args(["serve", speed])
            .kind(kind)
            .listen(Listen::tcp(loopback(0)))
            .idle_timeout(None)
    };
    // As that of `autod up`.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let supervisor = Supervisor::builder()
            .services((0..services).map(service))
            .open()
            .expect("a supervisor");
        if let Address::Tcp(address) = &supervisor.addresses("it-0").expect("an address")[0] {
            println!("{address}");
        }
        std::future::pending::<()>().await;
    });
}
