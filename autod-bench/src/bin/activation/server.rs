//! The server behind all ways: blocking, a thread for each connection.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// Listens where it is told to: by a supervisor, by PORT, or by its argument. An argument `slow` makes
/// its start last 1.5 s.
pub(crate) fn run(word: &str) {
    let mut activation = autod::Activation::take().expect("what it is handed");
    if word == "slow" {
        std::thread::sleep(Duration::from_millis(1500));
    }
    let port = std::env::var("PORT").unwrap_or_else(|_| word.to_owned());
    let listener = match activation.tcp(None).expect("a socket") {
        Some(listener) => listener,
        None => TcpListener::bind(format!("127.0.0.1:{port}")).expect("a free port"),
    };
    activation.ready();
    for stream in listener.incoming() {
        std::thread::spawn(move || stream.and_then(answer));
    }
}

/// `D` and a length: so many bytes. `U` and anything: a byte after the last. `E`: a byte.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let length = u64::from_le_bytes(head[1..].try_into().expect("eight bytes"));
    let mut buffer = vec![0; 256 << 10];
    match head[0] {
        b'D' => {
            let mut left = length;
            while left > 0 {
                let now = left.min(buffer.len() as u64);
                stream.write_all(&buffer[..usize::try_from(now).expect("small")])?;
                left -= now;
            }
            Ok(())
        }
        b'U' => {
            while stream.read(&mut buffer)? > 0 {}
            stream.write_all(b"!")
        }
        _ => stream.write_all(b"!"),
    }
}
