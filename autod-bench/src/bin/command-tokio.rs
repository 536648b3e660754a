//! What `bare` does, on a runtime of one thread: the least that an async command can do. It speaks
//! to the server of `bare`.
//!
//! ```text
//! command-tokio SOCK
//! ```

use std::ffi::OsStr;
use std::io::{self, Write};
use std::process::ExitCode;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const CALL: [u8; 17] = [7; 17];

fn main() -> ExitCode {
    let Some(sock) = std::env::args_os().nth(1) else {
        eprintln!("usage: command-tokio SOCK");
        return ExitCode::from(2);
    };
    match call(&sock) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("command-tokio: {error}");
            ExitCode::FAILURE
        }
    }
}

fn call(sock: &OsStr) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut stream = UnixStream::connect(sock).await?;
        stream.write_all(&CALL).await?;
        stream.read_u8().await?;
        let number = stream.read_u64_le().await?;
        writeln!(io::stdout(), "{number}")
    })
}
