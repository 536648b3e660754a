//! The reference that people put together first: tokio, `LengthDelimitedCodec`, bincode. Several
//! calls in flight are fed into the sink and flushed together.

use std::path::Path;
use std::time::Instant;

use bytes::Bytes;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::codec::{Framed, LengthDelimitedCodec};

use super::{Held, Kind, serving_runtime};
use crate::Result;
use crate::client;
use crate::load::Flow;
use crate::peer::everything;
use crate::probe::{Outcome, Probe};
use crate::server::{Server, say_ready};
use crate::workload::{CHUNK, Load};

pub(crate) const TOKIO: Kind = Kind {
    name: "raw-tokio",
    text: "LengthDelimitedCodec and bincode, windowed",
    is_peer: false,
    can: everything,
    serve,
    run,
    idle,
};

#[derive(Deserialize, Serialize)]
enum Request {
    Next(u64),
    Echo(ByteBuf),
    Items,
    Chunks,
}

#[derive(Deserialize, Serialize)]
enum Response {
    Next(u64),
    Bytes(ByteBuf),
}

type Transport = Framed<UnixStream, LengthDelimitedCodec>;

fn encode(value: &impl Serialize) -> Result<Bytes> {
    Ok(bincode::serde::encode_to_vec(value, bincode::config::standard())?.into())
}

fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T> {
    Ok(bincode::serde::decode_from_slice(bytes, bincode::config::standard())?.0)
}

fn serve(socket: &Path) -> Result<()> {
    serving_runtime()?.block_on(async {
        let listener = UnixListener::bind(socket)?;
        say_ready();
        loop {
            let (socket, _) = listener.accept().await?;
            tokio::spawn(async move {
                // A client that goes in the middle of a stream is no news.
                let _ = serve_connection(frame(socket)).await;
            });
        }
    })
}

fn frame(socket: UnixStream) -> Transport {
    Framed::new(socket, LengthDelimitedCodec::new())
}

async fn serve_connection(mut transport: Transport) -> Result<()> {
    while let Some(frame) = transport.next().await {
        let mut frame = Some(frame?);
        // All that has come is answered with one write.
        while let Some(request) = frame {
            match decode(&request)? {
                Request::Next(n) => transport.feed(encode(&Response::Next(n + 1))?).await?,
                Request::Echo(bytes) => transport.feed(encode(&Response::Bytes(bytes))?).await?,
                Request::Items => {
                    for n in 0.. {
                        transport.feed(encode(&Response::Next(n))?).await?;
                    }
                }
                Request::Chunks => loop {
                    let chunk = ByteBuf::from(vec![7; CHUNK]);
                    transport.feed(encode(&Response::Bytes(chunk))?).await?;
                },
            }
            frame = transport.next().now_or_never().flatten().transpose()?;
        }
        SinkExt::<Bytes>::flush(&mut transport).await?;
    }
    Ok(())
}

struct Client(Transport);

impl Client {
    async fn connect(socket: &Path) -> Result<Self> {
        Ok(Self(frame(UnixStream::connect(socket).await?)))
    }

    async fn feed(&mut self, request: &Request) -> Result<()> {
        Ok(self.0.feed(encode(request)?).await?)
    }

    async fn flush(&mut self) -> Result<()> {
        Ok(SinkExt::<Bytes>::flush(&mut self.0).await?)
    }

    async fn receive(&mut self) -> Result<Response> {
        decode(&self.0.next().await.ok_or("the server closed the connection")??)
    }

    async fn receive_number(&mut self) -> Result<u64> {
        match self.receive().await? {
            Response::Next(n) => Ok(n),
            Response::Bytes(_) => Err("bytes came instead of a number".into()),
        }
    }

    async fn receive_bytes(&mut self) -> Result<ByteBuf> {
        match self.receive().await? {
            Response::Bytes(bytes) => Ok(bytes),
            Response::Next(_) => Err("a number came instead of bytes".into()),
        }
    }

    /// So many calls at once, and all their answers.
    async fn window(&mut self, count: usize, n: u64) -> Result<()> {
        for _ in 0..count {
            self.feed(&Request::Next(n)).await?;
        }
        self.flush().await?;
        for _ in 0..count {
            if self.receive_number().await? != n + 1 {
                return Err("the wrong number".into());
            }
        }
        Ok(())
    }
}

fn run(probe: &Probe<'_>) -> Result<Outcome> {
    client::runtime()?.block_on(async {
        let client = Client::connect(&probe.server.socket()).await?;
        match probe.load {
            Load::Lone => lone(probe, client).await,
            Load::Callers(count) => callers(probe, client, count).await,
            Load::Connections(count) => connections(probe, count).await,
            Load::Echo { size, callers } => echo(probe, client, size, callers).await,
            Load::Items => items(probe, client).await,
            Load::Chunks => chunks(probe, client).await,
        }
    })
}

async fn lone(probe: &Probe<'_>, mut client: Client) -> Result<Outcome> {
    probe.settle()?;
    for n in 0..200 {
        client.window(1, n).await?;
    }
    let running = probe.start()?;
    let mut latencies = Vec::with_capacity(1 << 20);
    let mut before = Instant::now();
    let mut n = 0;
    while before < running.ends() {
        client.window(1, n).await?;
        let now = Instant::now();
        latencies.push(now - before);
        before = now;
        n += 1;
    }
    Ok(running.finish(n)?.with_latencies(latencies))
}

async fn callers(probe: &Probe<'_>, mut client: Client, count: usize) -> Result<Outcome> {
    for n in 0..20 {
        client.window(count, n).await?;
    }
    let running = probe.start()?;
    let mut n = 0;
    while !running.is_over() {
        client.window(count, n).await?;
        n += 1;
    }
    running.finish(n * count as u64)
}

async fn connections(probe: &Probe<'_>, count: usize) -> Result<Outcome> {
    let mut clients = Vec::new();
    for _ in 0..count {
        let mut client = Client::connect(&probe.server.socket()).await?;
        client.window(1, 0).await?;
        clients.push(client);
    }
    let running = probe.start()?;
    let ends = running.ends();
    let tasks: FuturesUnordered<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut n = 0;
                while Instant::now() < ends {
                    client.window(1, n).await?;
                    n += 1;
                }
                Result::Ok((n, client))
            })
        })
        .collect();
    let done: Vec<_> = tasks.collect().await;
    let calls = done.into_iter().map(|task| Ok(task??.0));
    running.finish(calls.sum::<Result<u64>>()?)
}

/// A window is sent while the answers to it are received, or both ends would wait for each other.
async fn echo(probe: &Probe<'_>, client: Client, size: usize, window: usize) -> Result<Outcome> {
    let request = Request::Echo(ByteBuf::from(vec![7; size]));
    let (mut sink, mut stream) = client.0.split();
    let mut turn = async || -> Result<()> {
        let send = async {
            for _ in 0..window {
                sink.feed(encode(&request)?).await?;
            }
            Ok(SinkExt::<Bytes>::flush(&mut sink).await?)
        };
        let receive = async {
            for _ in 0..window {
                let frame = stream.next().await.ok_or("the server closed the connection")??;
                match decode(&frame)? {
                    Response::Bytes(bytes) if bytes.len() == size => {}
                    _ => return Err("other bytes came back".into()),
                }
            }
            Result::Ok(())
        };
        let (written, received): (Result<()>, _) = tokio::join!(send, receive);
        written.and(received)
    };
    for _ in 0..10 {
        turn().await?;
    }
    let running = probe.start()?;
    let mut turns = 0;
    while !running.is_over() {
        turn().await?;
        turns += 1;
    }
    running.finish(turns * window as u64)
}

async fn items(probe: &Probe<'_>, mut client: Client) -> Result<Outcome> {
    client.feed(&Request::Items).await?;
    client.flush().await?;
    let mut flow = Flow::new(probe, 1 << 14, 1 << 10);
    loop {
        let item = client.receive_number().await?;
        if !flow.take(item == flow.count) {
            return flow.finish();
        }
    }
}

async fn chunks(probe: &Probe<'_>, mut client: Client) -> Result<Outcome> {
    client.feed(&Request::Chunks).await?;
    client.flush().await?;
    let mut flow = Flow::new(probe, 200, 1);
    loop {
        let chunk = client.receive_bytes().await?;
        if !flow.take(chunk.len() == CHUNK) {
            return flow.finish();
        }
    }
}

fn idle(server: &Server, count: usize, held: &mut Held<'_>) -> Result<()> {
    client::runtime()?.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..count {
            let mut client = Client::connect(&server.socket()).await?;
            client.window(1, 0).await?;
            clients.push(client);
        }
        held()
    })
}
