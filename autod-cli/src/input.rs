//! Standard input, as something to wait for.

use std::io::{self, BufRead as _, ErrorKind, Read as _};

use futures::{Stream, stream};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

/// Reads on a thread of its own: a read of a terminal cannot be interrupted, and nothing has to wait
/// for it.
pub(crate) fn parts() -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (tell, told) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut part = vec![0; 64 << 10];
            let part = match input.read(&mut part) {
                Ok(0) => return,
                Ok(length) => {
                    part.truncate(length);
                    Ok(part)
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
            let failed = part.is_err();
            if tell.blocking_send(part).is_err() || failed {
                return;
            }
        }
    });
    told
}

/// A line that is none. While this is kept the values do not end, so that half of them are never
/// taken for all.
pub(crate) struct Mistake {
    pub(crate) text: String,
    _values: mpsc::Sender<Value>,
}

/// The values of the lines, and what is wrong with one.
pub(crate) fn values() -> (impl Stream<Item = Value> + Send + 'static, oneshot::Receiver<Mistake>) {
    let (tell, told) = mpsc::channel(1);
    let (complain, complaint) = oneshot::channel();
    std::thread::spawn(move || {
        for (number, line) in (1..).zip(io::stdin().lock().lines()) {
            let value = match line {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => serde_json::from_str(&line).map_err(|error| {
                    format!("line {number} of standard input is not JSON: {error}")
                }),
                Err(error) => Err(format!("cannot read standard input: {error}")),
            };
            match value {
                Ok(value) => {
                    if tell.blocking_send(value).is_err() {
                        return;
                    }
                }
                Err(text) => {
                    let _ = complain.send(Mistake { text, _values: tell });
                    return;
                }
            }
        }
    });
    (stream::unfold(told, async |mut told| told.recv().await.map(|item| (item, told))), complaint)
}
