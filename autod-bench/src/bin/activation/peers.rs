//! What others offer for the same place, as it is usually set up.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::way::{Process, Way, free_port, loopback, own, wait_for};

/// Those that are installed; of the others it is said that they are not.
pub(crate) fn all(server: SocketAddr) -> Vec<Way> {
    let peers = [proxyd(server), haproxy(server), autostart(), socat(server)];
    peers
        .into_iter()
        .filter_map(|peer| peer.map_err(|name| println!("{name} is not installed\n")).ok())
        .collect()
}

/// A program that forwards to the server.
fn forwarding(
    name: &'static str,
    port: u16,
    program: &str,
    words: &[&str],
) -> Result<Way, &'static str> {
    let mut command = Command::new(program);
    let process = Process::spawn(command.args(words).stdout(Stdio::null())).map_err(|_| name)?;
    let address = loopback(port);
    wait_for(address);
    Ok(Way { name, address, between: Some(process), cold: None })
}

fn proxyd(server: SocketAddr) -> Result<Way, &'static str> {
    let name = "systemd-socket-proxyd";
    let places = ["/lib/systemd", "/usr/lib/systemd"].map(|place| Path::new(place).join(name));
    let program = places.into_iter().find(|path| path.exists()).ok_or(name)?;
    let port = free_port();
    let (listen, target) = (loopback(port).to_string(), server.to_string());
    let words = ["-l", &listen, program.to_str().expect("a path"), &target];
    forwarding(name, port, "systemd-socket-activate", &words)
}

fn haproxy(server: SocketAddr) -> Result<Way, &'static str> {
    let port = free_port();
    let config = format!(
        "defaults\n mode tcp\n timeout connect 5s\n timeout client 1m\n timeout server 1m\nlisten it\n bind 127.0.0.1:{port}\n server it {server}\n"
    );
    let path = std::env::temp_dir().join(format!("autod-bench-{}.cfg", std::process::id()));
    std::fs::write(&path, config).expect("a file");
    let way =
        forwarding("haproxy", port, "haproxy", &["-db", "-f", path.to_str().expect("a path")]);
    let _ = std::fs::remove_file(path);
    way
}

fn socat(server: SocketAddr) -> Result<Way, &'static str> {
    let port = free_port();
    let listen = format!("TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,backlog=4096,nodelay");
    let words = ["-t", "5", &listen, &format!("TCP:{server},nodelay")];
    forwarding("socat", port, "socat", &words)
}

/// The npm package, as a library in node. The server is of its kind `client`, which says that it is
/// ready; the others are waited for a set time.
fn autostart() -> Result<Way, &'static str> {
    let name = "autostart-server";
    let script = r#"
        const [src, dst, speed, exe] = process.argv.slice(1);
        require("autostart-server")([{
            name: "it", dir: "/", client: "serve", params: [speed], src: Number(src), dst: Number(dst),
            options: { execPath: exe, execArgv: [], env: { PORT: dst }, stdio: ["ipc", "ignore", "ignore"] },
        }]).on("error", () => {});
    "#;
    let cold = move |speed: &str| {
        let [port, inner] = [free_port(), free_port()];
        let mut command = Command::new("node");
        command.args(["-e", script, &port.to_string(), &inner.to_string(), speed]).arg(own());
        let process = Process::spawn(command.stdout(Stdio::null())).expect("node");
        let address = loopback(port);
        // It starts the server when somebody has spoken.
        wait_for(address);
        (process, address)
    };
    let has = Command::new("node")
        .args(["-e", "require(\"autostart-server\")"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !has {
        return Err(name);
    }
    let (process, address) = cold("quick");
    Ok(Way { name, address, between: Some(process), cold: Some(Box::new(cold)) })
}
