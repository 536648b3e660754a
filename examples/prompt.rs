//! `prompt FILE...` has a daemon remove files, which asks first: the questions come to the terminal of
//! whoever ran the command, and so does the progress.
//!
//! The command serves the daemon what only it can do. `Prompt` is a service like any other; that it is
//! the caller's makes `caller_serves` here and `caller_as` in the daemon.

use std::io::Write;
use std::time::Duration;

use tokio::sync::oneshot;

#[autod::service]
trait Remover {
    /// Removes those of the files that its caller agrees to, and says how many that were.
    async fn remove(&self, files: Vec<String>) -> Result<u64, String>;
}

/// What the daemon asks of the command.
#[autod::service]
trait Prompt {
    /// A line from the terminal; nothing if the input has ended.
    async fn ask(&self, question: String) -> Option<String>;
    async fn progress(&self, done: u64, of: u64);
}

/// In the daemon.
struct Clerk(autod::Session);

impl Remover for Clerk {
    async fn remove(&self, files: Vec<String>) -> Result<u64, String> {
        let in_words = |error: autod::Error| error.to_string();
        let prompt: PromptClient = self.0.caller_as().map_err(in_words)?;
        let mut removed = 0;
        for (done, file) in (1..).zip(&files) {
            let answer = prompt.ask(format!("remove {file}?")).await.map_err(in_words)?;
            if answer.is_some_and(|answer| answer.starts_with('y')) {
                std::fs::remove_file(self.0.caller().cwd().join(file))
                    .map_err(|error| format!("cannot remove {file}: {error}"))?;
                removed += 1;
            }
            prompt.progress(done, files.len() as u64).await.map_err(in_words)?;
        }
        Ok(removed)
    }
}

/// In the command.
struct Terminal;

impl Prompt for Terminal {
    async fn ask(&self, question: String) -> Option<String> {
        eprint!("{question} ");
        let _ = std::io::stderr().flush();
        // A read of a terminal cannot be interrupted: on a thread of its own nothing waits for it.
        let (tell, told) = oneshot::channel();
        std::thread::spawn(move || {
            let mut line = String::new();
            let read = std::io::stdin().read_line(&mut line);
            let _ = tell.send(matches!(read, Ok(1..)).then_some(line));
        });
        told.await.ok().flatten()
    }

    async fn progress(&self, done: u64, of: u64) {
        eprintln!("{done} of {of} done");
    }
}

fn main() -> autod::Result<()> {
    autod::Daemon::new("autod-prompt")
        .autoclose(Duration::from_secs(60))
        .serve(|_state, session| Clerk(session))
        .caller_serves::<PromptClient, _>(|_connection| Terminal)
        .run(async |remover: RemoverClient| {
            let files: Vec<String> = std::env::args().skip(1).collect();
            let count = files.len();
            println!("removed {} of {count}", remover.remove(files).await?);
            Ok(())
        })
}
