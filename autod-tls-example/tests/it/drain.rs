//! What becomes of those who are there when a replica is told to leave.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::time::Instant;

use autod::Readiness;
use rustix::fs::{CWD, Mode, OFlags, mknodat};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use crate::authority::{Authority, Use};
use crate::running::{LIMIT, Running, until};

/// A journal to which nothing can be appended until somebody reads it.
struct Stuck(File);

impl Stuck {
    fn new(path: &Path) -> Self {
        mknodat(CWD, path, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(fs::metadata(path).unwrap().file_type().is_fifo());
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut pipe = File::from(rustix::fs::open(path, flags, Mode::empty()).unwrap());
        loop {
            match pipe.write(&[b'.'; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Self(pipe),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Reads all that was there before, so that whoever waits can go on.
    fn release(&mut self) {
        let mut part = [0; 4096];
        while matches!(self.0.read(&mut part), Ok(length) if part[..length].contains(&b'.')) {}
    }
}

async fn readiness(replica: &Running) -> Readiness {
    let stream = UnixStream::connect(&replica.probe).await.unwrap();
    timeout(LIMIT, autod::readiness(stream)).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_runs_is_answered_and_streams_end_with_a_reason() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path());
    let journal = home.path().join("journal");
    let mut stuck = Stuck::new(&journal);
    let files = authority.sign("one", Use::Replica);
    let mut replica = Running::start("one", &files, &journal, home.path());
    let client = replica.target(&authority.sign("alice", Use::Caller)).connect().await.unwrap();
    assert_eq!(readiness(&replica).await, Readiness::Ready);

    let mut lines = client.follow();
    let before = threads(&replica);
    let running = tokio::spawn(client.append("before the end".to_owned()));
    let later = tokio::spawn(client.append("right behind".to_owned()));
    until(|| threads(&replica) == before + 2).await;
    replica.terminate();

    // Not ready comes first, and while calls run.
    let end = Instant::now() + LIMIT;
    while readiness(&replica).await != Readiness::Closing {
        assert!(Instant::now() < end, "it is ready for ever");
    }
    // Then nobody listens any more.
    while TcpStream::connect(replica.address).await.is_ok() {
        assert!(Instant::now() < end, "it listens for ever");
    }
    let reason = timeout(LIMIT, async {
        loop {
            match lines.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return error,
                None => panic!("the stream ends as if that were all"),
            }
        }
    });
    let reason = reason.await.unwrap();
    assert!(reason.is_closing(), "{reason:?}");
    let refused = client.append("too late".to_owned()).await.unwrap_err();
    assert!(refused.is_retry_safe(), "{refused:?}");
    assert!(!running.is_finished() && !later.is_finished());

    stuck.release();
    assert_eq!(running.await.unwrap().unwrap().caller, "CN=alice");
    assert_eq!(later.await.unwrap().unwrap().replica, "one");
    let (status, words) = replica.ended();
    assert!(status.success(), "{status}: {words}");
    assert!(!replica.probe.exists(), "the socket of the probes is left behind");
}

/// Each append that waits for the journal has a thread of its own.
fn threads(replica: &Running) -> usize {
    fs::read_dir(format!("/proc/{}/task", replica.pid())).unwrap().count()
}

#[tokio::test]
async fn the_socket_of_the_probes_answers_probes_alone() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path());
    let files = authority.sign("one", Use::Replica);
    let journal = home.path().join("journal");
    let replica = Running::start("one", &files, &journal, home.path());
    let stream = UnixStream::connect(&replica.probe).await.unwrap();
    let refused = autod::Daemon::new("journal")
        .connect_over::<autod_tls_example::journal::JournalClient, _>(stream)
        .await
        .map(|_| ())
        .unwrap_err();
    assert!(refused.to_string().contains("only probes"), "{refused:?}");

    // One that was killed leaves its socket behind, which is in nobody's way.
    drop(replica);
    assert!(home.path().join("one.probe").exists());
    let again = Running::start("one", &files, &journal, home.path());
    assert_eq!(readiness(&again).await, Readiness::Ready);
}

#[tokio::test]
async fn what_does_not_end_is_cut_off_at_the_drain_limit() {
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path());
    let journal = home.path().join("journal");
    let _stuck = Stuck::new(&journal);
    let files = authority.sign("one", Use::Replica);
    let any = ([127, 0, 0, 1], 0).into();
    let mut replica = Running::launch(any, 1, "one", &files, &journal, home.path());
    let client = replica.target(&authority.sign("alice", Use::Caller)).connect().await.unwrap();
    let before = threads(&replica);
    let running = tokio::spawn(client.append("never written".to_owned()));
    until(|| threads(&replica) == before + 1).await;
    replica.terminate();
    let (status, words) = replica.ended();
    assert_eq!(status.code(), Some(70), "{words}");
    let error = running.await.unwrap().unwrap_err();
    assert!(error.may_have_executed() && !error.is_retry_safe(), "{error:?}");
}

/// Calls are on their way at every moment, also behind the last word of the replica. TCP resets a
/// stream that is closed with something unread in it, and takes along what was said last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_cross_the_last_word_are_known_not_to_be_executed() {
    const TASKS: usize = 64;
    const ROUNDS: usize = 5;
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path());
    let files = authority.sign("one", Use::Replica);
    let alice = authority.sign("alice", Use::Caller);
    for round in 0..ROUNDS {
        let journal = home.path().join(format!("journal-{round}"));
        let mut replica = Running::start("one", &files, &journal, home.path());
        let client = replica.target(&alice).connect().await.unwrap();
        let tasks: Vec<_> = (0..TASKS)
            .map(|task| {
                let client = client.clone();
                tokio::spawn(async move {
                    for count in 0.. {
                        if let Err(error) = client.append(format!("{task}/{count}")).await {
                            return (count, error);
                        }
                    }
                    unreachable!("it ends with an error")
                })
            })
            .collect();
        until(|| fs::read_to_string(&journal).unwrap().lines().count() > 10 * TASKS).await;
        replica.terminate();
        let mut answered = 0;
        for task in tasks {
            let (count, error) = task.await.unwrap();
            assert!(error.is_retry_safe(), "{error:?}");
            answered += count;
        }
        let (status, words) = replica.ended();
        assert!(status.success(), "{status}: {words}");
        assert_eq!(fs::read_to_string(&journal).unwrap().lines().count(), answered);
    }
}
