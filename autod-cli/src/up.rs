//! `autod up`: a supervisor in the foreground.

use std::path::PathBuf;
use std::time::Duration;

use autod_activator::{Shutdown, Supervisor, read_file};

use crate::report;
use crate::signals::Signals;

/// How long open connections may take at the end.
const DRAIN: Duration = Duration::from_secs(30);

pub(crate) struct Options {
    pub(crate) file: PathBuf,
    pub(crate) check: bool,
    pub(crate) json: bool,
}

/// Runs until it is ended by a signal.
///
/// # Errors
///
/// What a person is to read.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let services = read_file(&options.file).map_err(|mistakes| mistakes.to_string())?;
    if options.check {
        return Ok(());
    }
    autod_activator::raise_open_files();
    // Before there are threads: it changes the environment.
    let mut activation = autod::Activation::take().map_err(in_full)?;
    let inherited = activation.sockets();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    runtime.block_on(async {
        let signals = Signals::listen().map_err(|error| format!("cannot hear signals: {error}"))?;
        let mut builder = Supervisor::builder().services(services);
        for (name, socket) in inherited {
            builder = builder.inherit(name, socket);
        }
        let supervisor = builder.open().map_err(in_full)?;
        activation.ready();
        let printing = print_events(&supervisor, options.json);
        serve(&supervisor, &signals, options, &activation).await;
        drop(supervisor);
        let _ = printing.await;
        Ok(())
    })
}

fn print_events(supervisor: &Supervisor, json: bool) -> tokio::task::JoinHandle<()> {
    let mut events = supervisor.events();
    tokio::spawn(async move {
        let mut read = true;
        while let Some(event) = events.next().await {
            // It goes on when nobody reads its events.
            read = read && report::print(&event, json);
        }
    })
}

async fn serve(
    supervisor: &Supervisor,
    signals: &Signals,
    options: &Options,
    activation: &autod::Activation,
) {
    loop {
        tokio::select! {
            _ = signals.end() => break,
            heard = signals.reload() => {
                if heard.is_err() {
                    break;
                }
                // Whatever comes of it: what runs goes on.
                tokio::select! {
                    () = reload(supervisor, options) => {}
                    _ = signals.end() => break,
                }
            }
        }
    }
    activation.stopping();
    tokio::select! {
        () = supervisor.close(Shutdown::Drain(DRAIN)) => {}
        _ = signals.end() => supervisor.close(Shutdown::Force).await,
    }
}

async fn reload(supervisor: &Supervisor, options: &Options) {
    let services = match read_file(&options.file) {
        Ok(services) => services,
        Err(mistakes) => return eprintln!("{mistakes}\nautod: nothing was changed"),
    };
    match supervisor.apply(services).await {
        Ok(changes) => eprintln!(
            "autod: reloaded: {} added, {} changed, {} removed",
            changes.added.len(),
            changes.changed.len(),
            changes.removed.len()
        ),
        Err(error) => eprintln!("autod: not all was reloaded: {}", in_full(error)),
    }
}

/// An error with its causes.
fn in_full(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
