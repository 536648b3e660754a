//! An HTTP server on plain tokio that cooperates with a supervisor: `autod up`, or systemd with a
//! `.socket` unit. Started by hand it listens by itself, and stays.
//!
//! The three lines that are marked make the difference. `hello-http [ADDRESS]`

use std::time::Duration;

use autod::Activation;
use tokio::net::{TcpListener, TcpStream};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let mut activation = Activation::take()?; // 1: what the supervisor has handed over
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(activation.tcp_or_bind(address)?)?; // 2: its listener
        let door = activation.until_idle(listener, Duration::from_millis(200)); // 3: ready, and idle
        while let Some((stream, visit)) = door.accept().await? {
            tokio::spawn(async move {
                if let Err(error) = answer(stream).await {
                    eprintln!("a connection broke: {error}");
                }
                drop(visit);
            });
        }
        Ok(())
    })
}

/// Reads the head of a request, and answers.
async fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        stream.readable().await?;
        let mut bytes = [0; 1024];
        match stream.try_read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(length) => head.extend_from_slice(&bytes[..length]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        if head.len() > 16 << 10 {
            return Ok(());
        }
    }
    let words = format!("Hello from process {}.\n", std::process::id());
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{words}",
        words.len()
    );
    stream.writable().await?;
    // So few bytes fit into the buffer of a socket that nothing was written to.
    stream.try_write(answer.as_bytes()).map(drop)
}
