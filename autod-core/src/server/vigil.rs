//! The self-check of a running daemon: are its files still where they were, does its door still
//! lead to it, is the directory that it works for still there?
//!
//! The system tells when one of the files changes; every half minute the daemon looks by itself.
//! Otherwise it does nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use crate::codec::Codec;
use crate::daemon::{Alarm, Knock, Root, Tenancy, check_peer, peer};
use crate::greet;
use crate::wire::greeting::{Answer, CallerFields, Hello, Purpose, VERSION};
use crate::wire::limits::{Limits, Receives};

/// How often the daemon looks without being told to.
const PERIOD: Duration = Duration::from_secs(30);

/// Whoever removes the whole directory removes its files one after the other; a door that is made
/// anew in between would be in the way.
const SETTLE: Duration = Duration::from_millis(10);

/// How soon it looks again when somebody held the spawn lock.
const AGAIN: Duration = Duration::from_millis(50);

/// What a probe may take. A late answer proves nothing.
const PROBE: Duration = Duration::from_secs(2);

/// Something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nobody can come any more, but the place is still ours.
    DoorGone,
    /// The place is somebody else's, or gone.
    Evicted,
    /// The place is ours, and the directory that the daemon works for is gone.
    RootGone,
}

pub(super) struct Vigil {
    tenancy: Arc<Tenancy>,
    root: Option<Root>,
    service: &'static str,
    alarm: Alarm,
    next: Instant,
    /// A probe of our own door, which the desk has to answer meanwhile.
    probe: Option<tokio::task::JoinHandle<Option<Finding>>>,
}

impl Vigil {
    pub(super) fn new(tenancy: Arc<Tenancy>, root: Option<Root>, service: &'static str) -> Self {
        let alarm = Alarm::of(&tenancy, root.as_ref());
        // The root was found before it was watched.
        let next = Instant::now() + if root.is_some() { SETTLE } else { PERIOD };
        Self { tenancy, root, service, alarm, next, probe: None }
    }

    /// The door was made anew, or could not be yet.
    pub(super) fn renew(&mut self) {
        self.alarm = Alarm::of(&self.tenancy, self.root.as_ref());
        self.next = Instant::now() + AGAIN;
    }

    /// Waits until something is found to be wrong. Nothing is lost if the future is dropped.
    pub(super) async fn finding(&mut self) -> Finding {
        loop {
            if let Some(probe) = &mut self.probe {
                let found = probe.await.unwrap_or(None);
                self.probe = None;
                if let Some(finding) = found {
                    return finding;
                }
            }
            if tokio::time::timeout_at(self.next, self.alarm.raised()).await.is_ok() {
                self.next = self.next.min(Instant::now() + SETTLE);
                continue;
            }
            self.next = Instant::now() + PERIOD;
            if !self.tenancy.is_still_ours() {
                return Finding::Evicted;
            }
            self.tenancy.keep_young();
            self.tenancy.rotate_log();
            let probe = probe(Arc::clone(&self.tenancy), self.root.clone(), self.service);
            self.probe = Some(tokio::spawn(probe));
        }
    }
}

/// Looks for the root and knocks at our own door. Only an answer that is not ours, or a door that is not there, proves
/// something.
async fn probe(
    tenancy: Arc<Tenancy>,
    root: Option<Root>,
    service: &'static str,
) -> Option<Finding> {
    if let Some(root) = root
        && root.is_gone().await
    {
        return Some(Finding::RootGone);
    }
    let stream = match tenancy.place().knock() {
        Ok(Knock::Open(stream)) => stream,
        Ok(Knock::Absent | Knock::Refused) => return Some(Finding::DoorGone),
        Ok(Knock::Full) | Err(_) => return None,
    };
    match timeout(PROBE, ask(stream, service)).await {
        Ok(Heard::Life(life)) if life == tenancy.life_id() => None,
        Ok(Heard::Life(_) | Heard::Stranger) => Some(Finding::Evicted),
        // Late, or a system that has run out of something.
        Ok(Heard::Nothing) | Err(_) => None,
    }
}

/// What stands behind the door.
enum Heard {
    Life(u64),
    /// It does not speak as we do.
    Stranger,
    Nothing,
}

async fn ask(stream: std::os::unix::net::UnixStream, service: &str) -> Heard {
    let Ok(peer) = peer(&stream) else { return Heard::Nothing };
    if check_peer(&peer).is_err() {
        return Heard::Stranger;
    }
    let Ok(mut stream) = UnixStream::from_std(stream) else { return Heard::Nothing };
    let hello = Hello {
        version: VERSION,
        purpose: Purpose::Probe,
        service: service.to_owned(),
        fingerprint: 0,
        build: String::new(),
        codec: Codec::default().name().to_owned(),
        receives: Receives::from(&Limits::default()),
        life: 0,
        control: String::new(),
        keep_alive: 0,
        offer: None,
        caller: CallerFields::default(),
    };
    // It may have answered and hung up before.
    let _ = greet::write_all(&mut stream, &hello.to_bytes()).await;
    match greet::Ear::default().answer(&mut stream).await {
        Ok(Answer::Accept(accept)) => Heard::Life(accept.life),
        Ok(Answer::Closing) => Heard::Nothing,
        // Our own desk waits for a hello, and accepts every probe.
        Err(_) | Ok(Answer::Wait(_) | Answer::Reject(_) | Answer::Report(_)) => Heard::Stranger,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::daemon::Place;

    #[tokio::test(start_paused = true)]
    async fn without_inotify_the_clock_finds_a_root_that_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("project");
        std::fs::create_dir(&path).unwrap();
        let place = Place::at(&home.path().join("sock")).unwrap();
        let (tenancy, _listener) = Tenancy::claim(place, "1").await.unwrap();
        let root = Root::find(&path).unwrap();
        let mut vigil = Vigil::new(Arc::new(tenancy), Some(root), "Service");
        vigil.alarm = Alarm::silent();
        let looked = timeout(PERIOD * 3, vigil.finding()).await;
        assert!(looked.is_err(), "nothing is wrong: {looked:?}");
        std::fs::remove_dir(&path).unwrap();
        let removed = Instant::now();
        assert_eq!(vigil.finding().await, Finding::RootGone);
        assert!(removed.elapsed() <= PERIOD + PROBE, "{:?}", removed.elapsed());
    }
}
