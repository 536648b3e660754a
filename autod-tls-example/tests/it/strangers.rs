//! Whoever has no valid certificate hears nothing, and is heard by nobody.

use std::fs;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use autod::Daemon;
use autod_tls_example::identity::Files;
use autod_tls_example::journal::JournalClient;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::authority::{Authority, REPLICAS, Use};
use crate::running::{LIMIT, Running, until};

/// Counts what comes out of a stream.
struct Counted<T> {
    io: T,
    heard: Arc<AtomicUsize>,
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        self.heard.fetch_add(buffer.filled().len() - before, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Says hello and calls, and counts the decrypted bytes that come back. In TLS 1.3 a client has
/// finished its handshake before the server has seen its certificate, so the hello does leave.
async fn attempt(replica: &Running, config: Arc<ClientConfig>) -> (usize, Result<String, String>) {
    let heard = Arc::new(AtomicUsize::new(0));
    let stream = TcpStream::connect(replica.address).await.unwrap();
    let name = ServerName::try_from(REPLICAS).unwrap();
    let said = async {
        let io = TlsConnector::from(config).connect(name, stream).await.map_err(in_full)?;
        let io = Counted { io, heard: Arc::clone(&heard) };
        let client: JournalClient =
            Daemon::new("journal").connect_over(io).await.map_err(in_full)?;
        let receipt = client.append("from a stranger?".to_owned()).await.map_err(in_full)?;
        Ok(receipt.caller)
    };
    let said = timeout(LIMIT, said).await.expect("it is left to wait");
    (heard.load(Ordering::Relaxed), said)
}

fn in_full(error: impl std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// A client that trusts the replica, and shows nothing.
fn without_certificate(replica: &Files) -> Arc<ClientConfig> {
    let mut authorities = RootCertStore::empty();
    authorities.add(CertificateDer::from_pem_file(&replica.authorities).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(authorities)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"autod/1".to_vec()];
    Arc::new(config)
}

#[tokio::test]
async fn without_a_valid_certificate_no_byte_of_the_protocol_is_said() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(&home.path().join("ours"));
    let other = Authority::new(&home.path().join("theirs"));
    let journal = home.path().join("journal");
    let replica_files = authority.sign("one", Use::Replica);
    let replica = Running::start("one", &replica_files, &journal, home.path());

    let trusting = |files: Files| {
        Files { authorities: replica_files.authorities.clone(), ..files }.client().unwrap()
    };
    for (who, config, word) in [
        ("nobody", without_certificate(&replica_files), "CertificateRequired"),
        // Its authority calls itself what ours does.
        ("of another authority", trusting(other.sign("mallory", Use::Caller)), "DecryptError"),
        ("expired", trusting(authority.sign("yesterday", Use::Expired)), "CertificateExpired"),
        // Its certificate is for serving.
        ("a replica", trusting(replica_files.clone()), "alert"),
    ] {
        let (heard, said) = attempt(&replica, config).await;
        let said = said.expect_err(who);
        assert_eq!(heard, 0, "{who} has heard something: {said}");
        assert!(said.contains(word), "{who}: {said}");
    }
    // The same bytes of somebody with a certificate are answered.
    let alice = authority.sign("alice", Use::Caller);
    let (heard, said) = attempt(&replica, alice.client().unwrap()).await;
    assert_eq!(said.unwrap(), "CN=alice");
    assert!(heard > 0);
    assert_eq!(fs::read_to_string(&journal).unwrap(), "CN=alice \"from a stranger?\"\n");
}

/// The type of a record of TLS that says what is wrong.
const ALERT: u8 = 21;

#[tokio::test]
async fn without_tls_nothing_but_an_alert_is_said() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path());
    let files = authority.sign("one", Use::Replica);
    let replica = Running::start("one", &files, &home.path().join("journal"), home.path());
    // The start of a hello, as PROTOCOL.md has it.
    let mut stream = TcpStream::connect(replica.address).await.unwrap();
    stream.write_all(b"autod\0\x01\x01\0\0\0\0").await.unwrap();
    let mut heard = Vec::new();
    // It may be reset, which says no more.
    let _ = timeout(LIMIT, stream.read_to_end(&mut heard)).await.expect("it is left to wait");
    assert!(heard.len() <= 7 && heard.iter().take(1).all(|kind| *kind == ALERT), "{heard:?}");
}

#[tokio::test]
async fn a_caller_without_a_valid_certificate_does_not_try_for_ever() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(&home.path().join("ours"));
    let other = Authority::new(&home.path().join("theirs"));
    let replica_files = authority.sign("one", Use::Replica);
    let journal = home.path().join("journal");
    let replica = Running::start("one", &replica_files, &journal, home.path());
    let mallory =
        Files { authorities: replica_files.authorities, ..other.sign("mallory", Use::Caller) };
    let mut caller = autod_tls_example::caller::Caller::new(replica.target(&mallory), LIMIT);
    caller.append("let me in").await.unwrap_err();
    assert_eq!(caller.repeats(), 0);
}

/// What others of this machine can see of a process: its arguments and, as the same user, its
/// environment.
#[tokio::test]
async fn no_secret_is_in_arguments_environment_or_words() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path());
    let files = authority.sign("one", Use::Replica);
    let mut replica = Running::start("one", &files, &home.path().join("journal"), home.path());
    let (_, refused) = attempt(&replica, without_certificate(&files)).await;
    refused.unwrap_err();
    let of_process = |name| fs::read(format!("/proc/{}/{name}", replica.pid())).unwrap();
    let mut seen = [of_process("cmdline"), of_process("environ")].concat();
    until(|| replica.words().contains("peer sent no certificates")).await;
    replica.terminate();
    let (status, words) = replica.ended();
    assert!(status.success(), "{status}: {words}");
    seen.extend(words.bytes());
    let key = fs::read_to_string(&files.key).unwrap();
    for line in key.lines().filter(|line| !line.starts_with('-')) {
        assert!(!seen.windows(line.len()).any(|part| part == line.as_bytes()));
    }
}
