//! tonic over a Unix socket, the service written by hand as its generator would: no `protoc` is
//! needed. Bytes travel as `Bytes`, the windows are large enough for the messages.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::body::Body;
use tonic::client::Grpc as ClientGrpc;
use tonic::codegen::{BoxFuture, Service};
use tonic::server::{Grpc as ServerGrpc, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server, Uri};
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

use super::{Kind, idle, serving_runtime};
use crate::Result;
use crate::load;
use crate::peer::{Peer, everything};
use crate::server::say_ready;
use crate::workload::CHUNK;

pub(crate) const TONIC: Kind = Kind {
    name: "tonic",
    text: "tonic 0.14 over a Unix socket",
    is_peer: true,
    can: everything,
    serve,
    run: load::run::<Client>,
    idle: idle::<Client>,
};

/// The default of 64 KiB would make a message of 1 MiB wait for its window many times.
const WINDOW: u32 = 16 << 20;

const NEXT: &str = "/bench.Bench/Next";
const ECHO: &str = "/bench.Bench/Echo";
const ITEMS: &str = "/bench.Bench/Items";
const CHUNKS: &str = "/bench.Bench/Chunks";

#[derive(Clone, Copy, Message)]
struct Number {
    #[prost(uint64, tag = "1")]
    value: u64,
}

#[derive(Clone, Message)]
struct Payload {
    #[prost(bytes = "bytes", tag = "1")]
    bytes: Bytes,
}

type Replies<T> = Pin<Box<dyn Stream<Item = std::result::Result<T, Status>> + Send>>;
type Replied<T> = BoxFuture<Response<T>, Status>;

struct Next;

impl UnaryService<Number> for Next {
    type Response = Number;
    type Future = Replied<Number>;

    fn call(&mut self, request: Request<Number>) -> Self::Future {
        let value = request.into_inner().value.wrapping_add(1);
        async move { Ok(Response::new(Number { value })) }.boxed()
    }
}

struct Echo;

impl UnaryService<Payload> for Echo {
    type Response = Payload;
    type Future = Replied<Payload>;

    fn call(&mut self, request: Request<Payload>) -> Self::Future {
        async move { Ok(Response::new(request.into_inner())) }.boxed()
    }
}

struct Items;

impl ServerStreamingService<Number> for Items {
    type Response = Number;
    type ResponseStream = Replies<Number>;
    type Future = Replied<Replies<Number>>;

    fn call(&mut self, _: Request<Number>) -> Self::Future {
        let items = stream::iter((0..).map(|value| Ok(Number { value }))).boxed();
        async move { Ok(Response::new(items)) }.boxed()
    }
}

struct Chunks;

impl ServerStreamingService<Number> for Chunks {
    type Response = Payload;
    type ResponseStream = Replies<Payload>;
    type Future = Replied<Replies<Payload>>;

    fn call(&mut self, _: Request<Number>) -> Self::Future {
        let chunk = || Ok(Payload { bytes: vec![7; CHUNK].into() });
        let chunks = stream::repeat_with(chunk).boxed();
        async move { Ok(Response::new(chunks)) }.boxed()
    }
}

#[derive(Clone)]
struct Bench;

impl NamedService for Bench {
    const NAME: &'static str = "bench.Bench";
}

impl Service<http::Request<Body>> for Bench {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        fn numbers<T: Message + 'static>() -> ServerGrpc<ProstCodec<T, Number>> {
            ServerGrpc::new(ProstCodec::default())
        }
        fn payloads<T: Message + Default + 'static>() -> ServerGrpc<ProstCodec<Payload, T>> {
            ServerGrpc::new(ProstCodec::default())
                .max_decoding_message_size(usize::MAX)
                .max_encoding_message_size(usize::MAX)
        }
        async move {
            Ok(match request.uri().path() {
                NEXT => numbers::<Number>().unary(Next, request).await,
                ECHO => payloads::<Payload>().unary(Echo, request).await,
                ITEMS => numbers::<Number>().server_streaming(Items, request).await,
                CHUNKS => payloads::<Number>().server_streaming(Chunks, request).await,
                _ => Status::unimplemented("there is no such method").into_http(),
            })
        }
        .boxed()
    }
}

fn serve(socket: &Path) -> Result<()> {
    serving_runtime()?.block_on(async {
        let incoming = UnixListenerStream::new(UnixListener::bind(socket)?);
        say_ready();
        Server::builder()
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .serve_with_incoming(Bench, incoming)
            .await?;
        Ok(())
    })
}

#[derive(Clone)]
struct Client(Channel);

impl Client {
    async fn ready(&self) -> Result<ClientGrpc<Channel>> {
        let mut client = ClientGrpc::new(self.0.clone())
            .max_decoding_message_size(usize::MAX)
            .max_encoding_message_size(usize::MAX);
        client.ready().await?;
        Ok(client)
    }
}

impl Peer for Client {
    type Bytes = Bytes;

    async fn connect(socket: &Path) -> Result<Self> {
        let channel = Endpoint::from_static("http://localhost")
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .connect_with_connector(Connector(socket.to_owned()))
            .await?;
        Ok(Self(channel))
    }

    async fn next(&self, n: u64) -> Result<u64> {
        let codec = ProstCodec::<Number, Number>::default();
        let path = PathAndQuery::from_static(NEXT);
        let request = Request::new(Number { value: n });
        Ok(self.ready().await?.unary(request, path, codec).await?.into_inner().value)
    }

    async fn echo(&self, bytes: Bytes) -> Result<Bytes> {
        let codec = ProstCodec::<Payload, Payload>::default();
        let path = PathAndQuery::from_static(ECHO);
        let request = Request::new(Payload { bytes });
        Ok(self.ready().await?.unary(request, path, codec).await?.into_inner().bytes)
    }

    async fn items(&self, mut take: impl FnMut(u64) -> bool + Send) -> Result<()> {
        let codec = ProstCodec::<Number, Number>::default();
        let path = PathAndQuery::from_static(ITEMS);
        let request = Request::new(Number { value: 0 });
        let mut items =
            self.ready().await?.server_streaming(request, path, codec).await?.into_inner();
        while let Some(item) = items.message().await? {
            if !take(item.value) {
                break;
            }
        }
        Ok(())
    }

    async fn chunks(&self, mut take: impl FnMut(&[u8]) -> bool + Send) -> Result<()> {
        let codec = ProstCodec::<Number, Payload>::default();
        let path = PathAndQuery::from_static(CHUNKS);
        let request = Request::new(Number { value: 0 });
        let mut chunks =
            self.ready().await?.server_streaming(request, path, codec).await?.into_inner();
        while let Some(chunk) = chunks.message().await? {
            if !take(&chunk.bytes) {
                break;
            }
        }
        Ok(())
    }
}

/// Opens the socket, whatever the address.
#[derive(Clone)]
struct Connector(PathBuf);

impl Service<Uri> for Connector {
    type Response = TokioIo<UnixStream>;
    type Error = std::io::Error;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = self.0.clone();
        async { UnixStream::connect(socket).await.map(TokioIo::new) }.boxed()
    }
}
