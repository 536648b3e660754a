//! The least that a command and its server can do, by std alone: the reference of the benchmarks.
//!
//! ```text
//! bare SOCK         connects, sends 17 bytes, prints the number in the 9 bytes that come back
//! bare serve SOCK   answers until its standard input ends or it is killed
//! ```
//!
//! The sizes are those of a call without arguments and of its answer.

use std::ffi::OsString;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ExitCode;

const CALL: [u8; 17] = [7; 17];
const ANSWER: [u8; 9] = [0, 1, 0, 0, 0, 0, 0, 0, 0];

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match args.as_slice() {
        [command, sock] if command == "serve" => {
            UnixListener::bind(sock).and_then(|door| serve(&door))
        }
        [sock] => UnixStream::connect(sock).and_then(call),
        _ => {
            eprintln!("usage: bare [serve] SOCK");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bare: {error}");
            ExitCode::FAILURE
        }
    }
}

fn call(mut stream: UnixStream) -> io::Result<()> {
    stream.write_all(&CALL)?;
    let mut answer = ANSWER;
    stream.read_exact(&mut answer)?;
    let [_, number @ ..] = answer;
    writeln!(io::stdout(), "{}", u64::from_le_bytes(number))
}

fn serve(door: &UnixListener) -> io::Result<()> {
    // Whoever started the server holds the other end, so that it cannot be left behind.
    std::thread::spawn(|| {
        let ended = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(ended.is_err().into());
    });
    writeln!(io::stdout(), "listening")?;
    for stream in door.incoming() {
        match answer(stream?) {
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => eprintln!("bare: {error}"),
            _ => {}
        }
    }
    Ok(())
}

fn answer(mut stream: UnixStream) -> io::Result<()> {
    let mut call = CALL;
    stream.read_exact(&mut call)?;
    stream.write_all(&ANSWER)
}
