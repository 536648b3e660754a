//! The service: a journal that several replicas append to.

use std::fs::File;
use std::io::Write as _;
use std::sync::Arc;

use autod::{Session, Voucher};
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

/// How many lines a slow follower may be behind before it misses some.
const BEHIND: usize = 1024;

/// A journal.
#[autod::service]
pub trait Journal {
    /// Appends a line. Once for each call that is answered.
    async fn append(&self, entry: String) -> Result<Receipt, String>;
    /// What this replica appends from now on.
    fn follow(&self) -> impl Stream<Item = String>;
}

/// Who has written a line down, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The replica.
    pub replica: String,
    /// The caller, as its certificate names it.
    pub caller: String,
}

/// What the sessions of a replica share.
pub struct Book {
    replica: String,
    file: Arc<File>,
    appended: broadcast::Sender<String>,
}

impl Book {
    /// Lines go to the end of `file`.
    pub fn new(replica: String, file: File) -> Self {
        Self { replica, file: Arc::new(file), appended: broadcast::Sender::new(BEHIND) }
    }
}

/// A journal for one connection.
pub struct Desk {
    book: Arc<Book>,
    caller: String,
}

impl Desk {
    /// The journal for whoever has this session.
    pub fn new(book: Arc<Book>, session: &Session) -> Self {
        let caller = match session.voucher() {
            Voucher::Certificate { subject } => subject.clone(),
            _ => "nobody".to_owned(),
        };
        Self { book, caller }
    }
}

impl Journal for Desk {
    async fn append(&self, entry: String) -> Result<Receipt, String> {
        let entry = format!("{} {entry:?}", self.caller);
        // One write: lines of several replicas do not mix in a file that is opened for appending.
        let (file, line) = (Arc::clone(&self.book.file), format!("{entry}\n"));
        tokio::task::spawn_blocking(move || (&*file).write_all(line.as_bytes()))
            .await
            .map_err(|error| format!("the writer of the journal ended: {error}"))?
            .map_err(|error| format!("cannot append to the journal: {error}"))?;
        // Nobody may follow.
        let _ = self.book.appended.send(entry);
        Ok(Receipt { replica: self.book.replica.clone(), caller: self.caller.clone() })
    }

    fn follow(&self) -> impl Stream<Item = String> {
        let appended = self.book.appended.subscribe();
        futures_util::stream::unfold(appended, async |mut appended| match appended.recv().await {
            Ok(line) => Some((line, appended)),
            Err(RecvError::Lagged(missed)) => Some((format!("{missed} lines missed"), appended)),
            Err(RecvError::Closed) => None,
        })
        .boxed()
    }
}
