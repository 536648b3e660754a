//! ttrpc in tokio. It carries bytes in an envelope of its own, and what is in them is up to generated
//! code; here they are the payloads themselves, which spares it a protobuf message in each.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use ttrpc::asynchronous::{
    Client, MethodHandler, Server, Service, StreamHandler, StreamInner, TtrpcContext,
};
use ttrpc::{Request, Response};

use super::{Kind, idle, serving_runtime};
use crate::Result;
use crate::load;
use crate::peer::{Peer, everything};
use crate::server::say_ready;
use crate::workload::CHUNK;

pub(crate) const TTRPC: Kind = Kind {
    name: "ttrpc",
    text: "ttrpc 0.10 in tokio, payloads without protobuf",
    is_peer: true,
    can: everything,
    serve,
    run: load::run::<Caller>,
    idle: idle::<Caller>,
};

const SERVICE: &str = "bench.Bench";
const NEXT: &str = "Next";
const ECHO: &str = "Echo";
const ITEMS: &str = "Items";
const CHUNKS: &str = "Chunks";

type Status<T> = std::result::Result<T, ttrpc::Error>;

struct Next;
struct Echo;
struct Items;
struct Chunks;

fn number(payload: &[u8]) -> Result<u64> {
    Ok(u64::from_le_bytes(payload.try_into()?))
}

fn response(payload: Vec<u8>) -> Response {
    Response { payload, ..Response::default() }
}

#[async_trait]
impl MethodHandler for Next {
    async fn handler(&self, _: TtrpcContext, request: Request) -> Status<Response> {
        let n =
            number(&request.payload).map_err(|error| ttrpc::Error::Others(error.to_string()))?;
        Ok(response(n.wrapping_add(1).to_le_bytes().to_vec()))
    }
}

#[async_trait]
impl MethodHandler for Echo {
    async fn handler(&self, _: TtrpcContext, request: Request) -> Status<Response> {
        Ok(response(request.payload))
    }
}

#[async_trait]
impl StreamHandler for Items {
    async fn handler(&self, _: TtrpcContext, inner: StreamInner) -> Status<Option<Response>> {
        for n in 0_u64.. {
            inner.send(n.to_le_bytes().to_vec()).await?;
        }
        Ok(None)
    }
}

#[async_trait]
impl StreamHandler for Chunks {
    async fn handler(&self, _: TtrpcContext, inner: StreamInner) -> Status<Option<Response>> {
        loop {
            inner.send(vec![7; CHUNK]).await?;
        }
    }
}

fn address(socket: &Path) -> Result<String> {
    Ok(format!("unix://{}", socket.to_str().ok_or("the path is not UTF-8")?))
}

fn serve(socket: &Path) -> Result<()> {
    let methods: [(_, Box<dyn MethodHandler + Send + Sync>); 2] =
        [(NEXT, Box::new(Next)), (ECHO, Box::new(Echo))];
    let streams: [(_, Arc<dyn StreamHandler + Send + Sync>); 2] =
        [(ITEMS, Arc::new(Items)), (CHUNKS, Arc::new(Chunks))];
    let service = Service {
        methods: methods.map(|(name, handler)| (name.to_owned(), handler)).into(),
        streams: streams.map(|(name, handler)| (name.to_owned(), handler)).into(),
    };
    serving_runtime()?.block_on(async {
        let server = Server::new().bind(&address(socket)?)?;
        let mut server = server.register_service(HashMap::from([(SERVICE.to_owned(), service)]));
        server.start().await?;
        say_ready();
        std::future::pending().await
    })
}

#[derive(Clone)]
struct Caller(Client);

fn request(method: &str, payload: Vec<u8>) -> Request {
    Request {
        service: SERVICE.to_owned(),
        method: method.to_owned(),
        payload,
        ..Request::default()
    }
}

impl Caller {
    async fn stream(&self, method: &str, mut take: impl FnMut(&[u8]) -> bool) -> Result<()> {
        let mut stream = self.0.new_stream(request(method, Vec::new()), false, true).await?;
        while take(&stream.recv().await?) {}
        Ok(())
    }
}

impl Peer for Caller {
    type Bytes = Vec<u8>;

    async fn connect(socket: &Path) -> Result<Self> {
        Ok(Self(Client::connect(&address(socket)?).await?))
    }

    async fn next(&self, n: u64) -> Result<u64> {
        let response = self.0.request(request(NEXT, n.to_le_bytes().to_vec())).await?;
        number(&response.payload)
    }

    async fn echo(&self, bytes: Vec<u8>) -> Result<Vec<u8>> {
        Ok(self.0.request(request(ECHO, bytes)).await?.payload)
    }

    async fn items(&self, mut take: impl FnMut(u64) -> bool + Send) -> Result<()> {
        self.stream(ITEMS, |payload| number(payload).is_ok_and(&mut take)).await
    }

    async fn chunks(&self, take: impl FnMut(&[u8]) -> bool + Send) -> Result<()> {
        self.stream(CHUNKS, take).await
    }
}
