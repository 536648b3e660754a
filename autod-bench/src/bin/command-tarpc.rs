//! A command made with tarpc, and its server.
//!
//! ```text
//! command-tarpc SOCK         prints the number that the server answers
//! command-tarpc serve SOCK   answers until its standard input ends or it is killed
//! ```

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::ExitCode;

use futures::StreamExt;
use tarpc::serde_transport::unix;
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context};
use tokio::runtime::Builder;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tarpc::service]
trait Counter {
    async fn get() -> i64;
}

#[derive(Clone)]
struct One;

impl Counter for One {
    async fn get(self, _: context::Context) -> i64 {
        1
    }
}

fn main() -> ExitCode {
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let result = match args.as_slice() {
        [command, sock] if command == "serve" => serve(sock),
        [sock] => call(sock),
        _ => {
            eprintln!("usage: command-tarpc [serve] SOCK");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("command-tarpc: {error}");
            ExitCode::FAILURE
        }
    }
}

fn call(sock: &OsStr) -> Result<()> {
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let transport = unix::connect(sock, Bincode::default).await?;
        let counter = CounterClient::new(client::Config::default(), transport).spawn();
        writeln!(io::stdout(), "{}", counter.get(context::current()).await?)?;
        Ok(())
    })
}

fn serve(sock: &OsStr) -> Result<()> {
    // Whoever started the server holds the other end, so that it cannot be left behind.
    std::thread::spawn(|| {
        let ended = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(ended.is_err().into());
    });
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut incoming = unix::listen(sock, Bincode::default).await?;
        writeln!(io::stdout(), "listening")?;
        while let Some(transport) = incoming.next().await {
            let channel = BaseChannel::with_defaults(transport?);
            tokio::spawn(channel.execute(One.serve()).for_each(async |response| {
                tokio::spawn(response);
            }));
        }
        Ok(())
    })
}
