//! The handlers of methods that take streams.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Semaphore;

use super::{Trace, Traces, method};
use crate::mux::Incoming;
use crate::mux::request::Incall;
use crate::service::{Answered, Method, Policy, Request};

pub(super) static SUM: Method = method("sum");
pub(super) static TWICE: Method = method("twice");
pub(super) static FIRST: Method = method("first");
pub(super) static IGNORE: Method = method("ignore");
pub(super) static LEAVE: Method = method("leave");
pub(super) static LEND: Method = method("lend");
pub(super) static DEAF: Method = method("deaf");
pub(super) static OPEN: Method = method("open");
pub(super) static NEWEST: Method = method("newest");
pub(super) static UPPER: Method = method("upper");
pub(super) static COUNT_BYTES: Method = method("count_bytes");
pub(super) static HALF: Method = method("half");
pub(super) static BREAK: Method = method("break");
pub(super) static LEND_BYTES: Method = method("lend_bytes");

pub(super) async fn handle(request: Incall, gate: Arc<Semaphore>, traces: Arc<Traces>) -> Answered {
    let id = request.method();
    if [UPPER.id, COUNT_BYTES.id, HALF.id, BREAK.id, LEND_BYTES.id].contains(&id) {
        return bytes(request, traces).await;
    }
    if id == OPEN.id {
        let ((open,), request) = match request.arguments::<(bool,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        gate.acquire().await.unwrap().forget();
        if !open {
            return request.reply_error("it is shut");
        }
        let items = stream::unfold(0_u64, |n| {
            let gate = Arc::clone(&gate);
            async move {
                if n == 3 {
                    gate.acquire().await.unwrap().forget();
                    return None;
                }
                Some((n, n + 1))
            }
        });
        return request.stream(items, Policy::BackPressure).await;
    }
    if id == NEWEST.id {
        let ((most,), request) = match request.arguments::<(usize,)>() {
            Ok(arguments) => arguments,
            Err(answered) => return answered,
        };
        return request.stream(ticks(gate, traces), Policy::DropOldest(most)).await;
    }
    if ![SUM.id, TWICE.id, FIRST.id, IGNORE.id, LEAVE.id, LEND.id, DEAF.id].contains(&id) {
        return request.unknown();
    }
    let ((n,), mut items, request) = match request.arguments_and_items::<(u64,), u64>() {
        Ok(arguments) => arguments,
        Err(answered) => return answered,
    };
    if id == SUM.id {
        let mut sum = 0;
        while let Some(item) = items.next().await {
            match item {
                Ok(item) => sum += item,
                Err(error) => return request.reply_result(Err::<u64, _>(kind(&error))),
            }
        }
        request.reply_result(Ok::<_, String>(sum))
    } else if id == TWICE.id {
        let _trace = Trace(traces);
        let doubled = items.map(|item| item.map_or(u64::MAX, |item| item * 2));
        request.stream(doubled, Policy::BackPressure).await
    } else if id == FIRST.id {
        let first: Vec<u64> = items
            .by_ref()
            .take(usize::try_from(n).unwrap())
            .filter_map(async |item| item.ok())
            .collect()
            .await;
        drop(items);
        gate.acquire().await.unwrap().forget();
        request.reply(first)
    } else if id == IGNORE.id {
        // It neither takes items nor says that it takes none.
        gate.acquire().await.unwrap().forget();
        request.reply(n)
    } else if id == LEAVE.id {
        tokio::spawn(note_end(items, traces));
        request.reply(n)
    } else if id == LEND.id {
        tokio::spawn(note_end(items, Arc::clone(&traces)));
        std::future::pending::<()>().await;
        request.reply(n)
    } else {
        items.next().await;
        drop(items);
        std::future::pending::<()>().await;
        request.reply(n)
    }
}

/// One number for each permit.
fn ticks(gate: Arc<Semaphore>, traces: Arc<Traces>) -> impl Stream<Item = u64> + Send {
    let items = stream::unfold((0, gate), async |(n, gate)| {
        gate.acquire().await.ok()?.forget();
        Some((n, (n + 1, gate)))
    });
    items.inspect(move |_| {
        traces.produced.fetch_add(1, Ordering::SeqCst);
    })
}

async fn note_end(mut items: Incoming<u64>, traces: Arc<Traces>) {
    let mut count = 0;
    let end = loop {
        match items.next().await {
            Some(Ok(_)) => count += 1,
            Some(Err(error)) => break kind(&error),
            None => break "end".to_owned(),
        }
    };
    assert!(items.next().await.is_none(), "an error is the last item");
    traces.ends.lock().unwrap().push(format!("{count} {end}"));
}

fn kind(error: &crate::Error) -> String {
    let kinds = [
        (error.is_cancelled(), "cancelled"),
        (error.is_closing(), "closing"),
        (error.is_lost(), "lost"),
    ];
    let names = kinds.iter().filter(|(is, _)| *is).map(|(_, name)| *name);
    names.chain([""]).next().unwrap_or_default().to_owned()
}

async fn bytes(request: Incall, traces: Arc<Traces>) -> Answered {
    let id = request.method();
    let ((), mut bytes, request) = match request.arguments_and_bytes::<()>() {
        Ok(arguments) => arguments,
        Err(answered) => return answered,
    };
    let mut total = 0_u64;
    if id == LEND_BYTES.id {
        tokio::spawn(async move {
            let mut rest = Vec::new();
            let end = match bytes.read_to_end(&mut rest).await {
                Ok(_) => "end".to_owned(),
                Err(error) => format!("{:?}", error.kind()),
            };
            traces.ends.lock().unwrap().push(format!("{} {end}", rest.len()));
        });
        std::future::pending::<()>().await;
    } else if id == UPPER.id {
        let mut buffer = vec![0; 5000];
        loop {
            let Ok(length) = bytes.read(&mut buffer).await else {
                return request.reply_error("the stream was cut");
            };
            if length == 0 {
                break;
            }
            total += length as u64;
            buffer[..length].make_ascii_uppercase();
            bytes.write_all(&buffer[..length]).await.unwrap();
        }
    } else if id == COUNT_BYTES.id {
        let mut buffer = vec![0; 5000];
        while let Ok(length @ 1..) = bytes.read(&mut buffer).await {
            total += length as u64;
        }
    } else if id == HALF.id {
        bytes.write_all(b"all that is said").await.unwrap();
        bytes.shutdown().await.unwrap();
        assert!(bytes.write(b"more").await.is_err());
        let mut heard = Vec::new();
        bytes.read_to_end(&mut heard).await.unwrap();
        total = heard.len() as u64;
    } else {
        bytes.write_all(b"some").await.unwrap();
        drop(bytes);
        tokio::time::sleep(Duration::from_millis(1)).await;
        return request.reply_error("no more of that");
    }
    request.reply(total)
}
