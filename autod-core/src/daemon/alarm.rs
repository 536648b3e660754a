//! Tells a daemon when one of its files is removed, replaced or moved.
//!
//! What it means is found out elsewhere; an alarm without a cause costs one look.

use super::tenancy::Tenancy;

/// Watches the directory, both locks and the door.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Alarm(Option<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>>);

#[cfg(target_os = "linux")]
impl Alarm {
    /// Without inotify (its instances are limited per user) only the clock makes the daemon look.
    pub(crate) fn of(tenancy: &Tenancy) -> Self {
        Self(Self::watch(tenancy).inspect_err(|error| tracing::info!(%error, "no inotify")).ok())
    }

    fn watch(tenancy: &Tenancy) -> std::io::Result<tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        // The files themselves and not the directory's entries: a socket in /tmp has busy
        // neighbours.
        let flags = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        for path in tenancy.watched_paths() {
            match add_watch(&inotify, &path, flags) {
                // Gone already: the first look will tell.
                Ok(_) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        #[allow(deprecated, reason = "its successor is unsafe; an OwnedFd keeps its number")]
        tokio::io::unix::AsyncFd::new(inotify)
    }

    /// Completes when something happened to the files. Nothing is lost if it is dropped.
    pub(crate) async fn raised(&self) {
        let Some(inotify) = &self.0 else { return std::future::pending().await };
        let mut events = [0; 4096];
        loop {
            let Ok(mut ready) = inotify.readable().await else {
                return std::future::pending().await;
            };
            match rustix::io::read(inotify.get_ref(), &mut events) {
                Ok(_) => return,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(_) => return std::future::pending().await,
            }
        }
    }
}

/// Elsewhere only the clock makes the daemon look.
#[cfg(not(target_os = "linux"))]
#[derive(Debug)]
pub(crate) struct Alarm;

#[cfg(not(target_os = "linux"))]
impl Alarm {
    pub(crate) fn of(_: &Tenancy) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "its twin needs it")]
    pub(crate) async fn raised(&self) {
        std::future::pending().await
    }
}
