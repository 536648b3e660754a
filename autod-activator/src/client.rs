//! One client, from its acceptance to the end of its connection: it waits for the app, unread, and is
//! then forwarded to it, to no other.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::generation::App;
use crate::relay::relay;
use crate::stream::Stream;

/// What the clients that wait together are told.
#[derive(Clone, Debug)]
pub(crate) enum Word {
    Wait,
    Serve(Arc<App>),
    Reset,
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: Stream,
    /// Which of the public sockets it came through.
    pub(crate) listener: usize,
    pub(crate) word: watch::Receiver<Word>,
    /// Those who waited with it.
    pub(crate) cohort: u64,
    /// How long a connection to the app may take.
    pub(crate) patience: Duration,
    pub(crate) permit: OwnedSemaphorePermit,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) cohort: u64,
    pub(crate) error: Option<String>,
}

impl Client {
    pub(crate) async fn run(self) -> Ended {
        let Self { stream, listener, mut word, cohort, patience, permit } = self;
        let word = tokio::select! {
            word = word.wait_for(|word| !matches!(word, Word::Wait)) => {
                word.map_or(Word::Reset, |word| word.clone())
            }
            () = broken(&stream) => Word::Reset,
        };
        let error = match word {
            Word::Serve(app) => serve(stream, listener, &app, patience).await.err(),
            Word::Wait | Word::Reset => {
                stream.reset();
                None
            }
        };
        drop(permit);
        Ended { cohort, error }
    }
}

/// Completes when the client has broken off. One that said its last word still waits for an answer.
async fn broken(stream: &Stream) {
    loop {
        match stream.ready(Interest::ERROR).await {
            Ok(ready) if !ready.is_error() => tokio::task::yield_now().await,
            Ok(_) | Err(_) => return,
        }
    }
}

async fn serve(
    client: Stream,
    listener: usize,
    app: &App,
    patience: Duration,
) -> Result<(), String> {
    let reached = tokio::select! {
        reached = app.reach(listener, patience) => reached,
        () = broken(&client) => Err("the client broke off".to_owned()),
        () = app.is_cut() => Err("it was cut off".to_owned()),
    };
    let (backend, fresh) = match reached {
        Ok(backend) => backend,
        Err(error) => {
            client.reset();
            return Err(error);
        }
    };
    let result = tokio::select! {
        result = relay(&client, &backend, fresh, app.life()) => result,
        () = app.is_cut() => Err("it was cut off".to_owned()),
    };
    if result.is_err() {
        client.reset();
        backend.reset();
    }
    result
}
