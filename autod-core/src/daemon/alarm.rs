//! Tells a daemon when one of its files is removed, replaced or moved, or the directory that it
//! works for.
//!
//! What it means is found out elsewhere; an alarm without a cause costs one look.

use super::root::Root;
use super::tenancy::Tenancy;

/// Watches the directory, both locks and the door, and the project root.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(crate) struct Alarm(Option<Watched>);

#[cfg(target_os = "linux")]
#[derive(Debug)]
struct Watched {
    inotify: tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>,
    /// The watch on the directory in which the root stands, and the root's name there: of its other
    /// entries nothing matters.
    beside_root: Option<(i32, std::ffi::OsString)>,
}

#[cfg(target_os = "linux")]
impl Alarm {
    /// Without inotify (its instances are limited per user) only the clock makes the daemon look.
    pub(crate) fn of(tenancy: &Tenancy, root: Option<&Root>) -> Self {
        let watched = Watched::new(tenancy, root);
        Self(watched.inspect_err(|error| tracing::info!(%error, "no inotify")).ok())
    }

    /// As where there is no inotify.
    #[cfg(test)]
    pub(crate) fn silent() -> Self {
        Self(None)
    }

    /// Completes when something happened to the files. Nothing is lost if it is dropped.
    pub(crate) async fn raised(&self) {
        let Some(watched) = &self.0 else { return std::future::pending().await };
        loop {
            let Ok(mut ready) = watched.inotify.readable().await else {
                return std::future::pending().await;
            };
            match watched.read() {
                Ok(true) => return,
                Ok(false) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => ready.clear_ready(),
                Err(_) => return std::future::pending().await,
            }
        }
    }
}

#[cfg(target_os = "linux")]
impl Watched {
    fn new(tenancy: &Tenancy, root: Option<&Root>) -> std::io::Result<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let watch = |path: &std::path::Path, flags| {
            match add_watch(&inotify, path, flags | WatchFlags::MASK_ADD) {
                Ok(watch) => Ok(Some(watch)),
                // Gone already: the first look will tell.
                Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Ok(None),
                Err(error) => Err(std::io::Error::from(error)),
            }
        };
        // The files themselves and not the directory's entries: a socket in /tmp has busy
        // neighbours.
        let itself = WatchFlags::ATTRIB | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
        for path in tenancy.watched_paths() {
            watch(&path, itself)?;
        }
        let mut beside_root = None;
        if let Some(path) = root.map(Root::path) {
            // Who may not read these directories is told by the clock.
            //
            // A directory that is somebody's working directory is told to be deleted only when that
            // somebody leaves; the directory around it tells at once.
            let moved = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF;
            let _ = watch(path, moved);
            if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
                let entries = moved | WatchFlags::DELETE | WatchFlags::MOVED_FROM;
                let watch = watch(parent, entries).ok().flatten();
                beside_root = watch.map(|watch| (watch, name.to_owned()));
            }
        }
        #[allow(deprecated, reason = "its successor is unsafe; an OwnedFd keeps its number")]
        let inotify = tokio::io::unix::AsyncFd::new(inotify)?;
        Ok(Self { inotify, beside_root })
    }

    /// Reads what has happened; whether any of it matters.
    fn read(&self) -> rustix::io::Result<bool> {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut reader = rustix::fs::inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        let mut matters = false;
        loop {
            let event = reader.next()?;
            let name = event.file_name().map(std::ffi::CStr::to_bytes);
            matters |= match (&self.beside_root, name) {
                (Some((watch, root)), Some(name)) if *watch == event.wd() => {
                    name == root.as_encoded_bytes()
                }
                _ => true,
            };
            if reader.is_buffer_empty() {
                return Ok(matters);
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
    pub(crate) fn of(_: &Tenancy, _: Option<&Root>) -> Self {
        Self
    }

    #[expect(clippy::unused_self, reason = "its twin needs it")]
    pub(crate) async fn raised(&self) {
        std::future::pending().await
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::daemon::testing::Home;

    async fn is_raised(alarm: &Alarm, within: u64) -> bool {
        tokio::time::timeout(Duration::from_millis(within), alarm.raised()).await.is_ok()
    }

    #[tokio::test]
    async fn of_what_stands_beside_the_root_nothing_matters() {
        let home = Home::new();
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("project");
        std::fs::create_dir(&path).unwrap();
        let (tenancy, _listener) = Tenancy::claim(home.place(), "1").await.unwrap();
        let alarm = Alarm::of(&tenancy, Some(&Root::find(&path).unwrap()));
        for name in ["neighbour", "project.old", "projec"] {
            std::fs::write(around.path().join(name), "").unwrap();
            std::fs::remove_file(around.path().join(name)).unwrap();
        }
        std::fs::write(path.join("inside"), "").unwrap();
        std::fs::remove_file(path.join("inside")).unwrap();
        assert!(!is_raised(&alarm, 50).await);
        std::fs::remove_dir(&path).unwrap();
        assert!(is_raised(&alarm, 10_000).await);
    }

    #[tokio::test]
    async fn a_root_around_the_files_of_the_daemon_hides_none_of_them() {
        let home = Home::new();
        let (tenancy, _listener) = Tenancy::claim(home.place(), "1").await.unwrap();
        let alarm = Alarm::of(&tenancy, Some(&Root::find(home.path()).unwrap()));
        assert!(!is_raised(&alarm, 50).await);
        std::fs::remove_file(home.path().join("sock.life")).unwrap();
        assert!(is_raised(&alarm, 10_000).await);
    }
}
