//! The server behind all ways: blocking, a thread for each connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Listens where it is told to, by a supervisor or by PORT. The word `slow` makes its start last 1.5 s.
pub(crate) fn run(word: &str) {
    let mut activation = autod::Activation::take().expect("what it is handed");
    if word == "slow" {
        std::thread::sleep(Duration::from_millis(1500));
    }
    let port = std::env::var("PORT").unwrap_or_else(|_| "0".to_owned());
    let listener = activation.tcp_or_bind(format!("127.0.0.1:{port}")).expect("a socket");
    listener.set_nonblocking(false).expect("a socket");
    activation.ready();
    if std::env::var_os("NODE_CHANNEL_FD").is_some() {
        follow_node();
    }
    for stream in listener.incoming() {
        std::thread::spawn(move || stream.and_then(answer));
    }
}

/// Tells autostart-server that it is ready, by the channel that node has put in the place of standard
/// input, and ends when that is closed.
fn follow_node() {
    let channel = rustix::stdio::stdin();
    rustix::io::write(channel, b"{\"type\":\"#asc-ready\"}\n").expect("node");
    std::thread::spawn(|| {
        let mut bytes = [0; 1024];
        while rustix::io::read(rustix::stdio::stdin(), &mut bytes).is_ok_and(|length| length > 0) {}
        std::process::exit(0);
    });
}

/// `D` and a length: so many bytes. `U` and anything: a byte after the last. `E`: a byte.
/// `H`: a byte, and an end after the client's.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let length = u64::from_le_bytes(head[1..].try_into().expect("eight bytes"));
    match head[0] {
        b'D' => {
            let buffer = vec![0; 256 << 10];
            let mut left = length;
            while left > 0 {
                let now = left.min(buffer.len() as u64);
                stream.write_all(&buffer[..usize::try_from(now).expect("small")])?;
                left -= now;
            }
            Ok(())
        }
        b'U' => {
            let mut buffer = vec![0; 256 << 10];
            while stream.read(&mut buffer)? > 0 {}
            stream.write_all(b"!")
        }
        b'H' => {
            stream.write_all(b"!")?;
            stream.read(&mut head).map(drop)
        }
        _ => stream.write_all(b"!"),
    }
}
