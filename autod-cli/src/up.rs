//! `autod up`: a supervisor in the foreground.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use autod_activator::{Changes, Shutdown, Supervisor, read_file};
use serde_json::json;

use crate::failure::Failure;
use crate::signals::Signals;
use crate::told::{Told, complain, complain_json, warn};
use crate::{report, supervise};

/// How long open connections may take at the end.
const DRAIN: Duration = Duration::from_secs(30);

/// How long the last events may take to be read.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
pub(crate) fn run(options: &Options) -> Result<(), Failure> {
    let services = read_file(&options.file)
        .map_err(|mistakes| Failure::plain(1, Told::new(mistakes.to_string(), mistakes.help())))?;
    if options.check {
        return Ok(());
    }
    autod_activator::raise_open_files();
    // Before there are threads: it changes the environment.
    let mut activation = autod::Activation::take()?;
    let inherited = activation.sockets();
    // A second thread makes each connection dearer by what it takes to wake it.
    let runtime = tokio::runtime::Builder::new_current_thread()
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
        let (supervisor, control) = supervise::serve(&options.file, move || builder.open()).await?;
        activation.ready();
        let printed = print_events(&supervisor, options.json)?;
        let controlled = control.daemon().clone();
        let mut control = std::pin::pin!(control.ended());
        let has_control = tokio::select! {
            () = run_until_signal(&supervisor, &signals, options) => true,
            // Somebody has closed it as the daemon that it is.
            _ = &mut control => false,
        };
        activation.stopping();
        tokio::select! {
            () = supervisor.close(Shutdown::Drain(DRAIN)) => {}
            _ = signals.end() => supervisor.close(Shutdown::Force).await,
        }
        drop(supervisor);
        if has_control {
            controlled.close();
            // Those who still wait are answered. That it ends is no error.
            let _ = control.await;
        }
        // Nobody may be reading what it prints.
        let _ = printed.recv_timeout(LAST_WORDS);
        Ok(())
    })
}

/// In a thread of its own: whoever reads the events may be slow, and then misses some. Completes when
/// all are printed.
fn print_events(supervisor: &Supervisor, json: bool) -> Result<Receiver<()>, Failure> {
    let mut events = supervisor.events();
    let (done, printed) = std::sync::mpsc::channel();
    let work = move || {
        let mut read = true;
        while let Some(event) = events.next_blocking() {
            // It goes on when nobody reads its events.
            read = read && report::print(&event, json);
        }
        let _ = done.send(());
    };
    let thread = std::thread::Builder::new().name("autod-events".to_owned());
    thread.spawn(work).map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(printed)
}

async fn run_until_signal(supervisor: &Supervisor, signals: &Signals, options: &Options) {
    loop {
        tokio::select! {
            _ = signals.end() => return,
            heard = signals.reload() => {
                if heard.is_err() {
                    return;
                }
                // Whatever comes of it: what runs goes on.
                tokio::select! {
                    () = reload(supervisor, options) => {}
                    _ = signals.end() => return,
                }
            }
        }
    }
}

async fn reload(supervisor: &Supervisor, options: &Options) {
    let services = match read_file(&options.file) {
        Ok(services) => services,
        Err(mistakes) => {
            let text = format!("nothing was changed:\n{mistakes}");
            return warn(&Told::new(text, mistakes.help()), options.json);
        }
    };
    match supervisor.apply(services).await {
        Ok(Changes { added, changed, removed, .. }) if options.json => {
            let changes = json!({"added": added, "changed": changed, "removed": removed});
            complain_json(&json!({"reloaded": changes}));
        }
        Ok(Changes { added, changed, removed, .. }) => complain(&format!(
            "autod: reloaded: {} added, {} changed, {} removed",
            added.len(),
            changed.len(),
            removed.len()
        )),
        Err(error) => {
            let Told { text, help } = supervise::told(&error);
            warn(&Told { text: format!("not all was reloaded: {text}"), help }, options.json);
        }
    }
}
