//! Following the log while a caller debugs: what is appended goes to a writer at once.
//!
//! It asks nothing of the daemon, which does not know that it is watched.

use std::fs::File;
use std::future::Future;
use std::io::Write;
use std::os::unix::fs::FileExt as _;
use std::pin::pin;

use futures_util::future::{Either, select};

use super::files::Found;
use super::log;
use super::place::Place;
use super::tail::Tail;
use crate::error::{Error, Result};

/// A position in the log of a place.
pub(crate) struct Follow<'a> {
    place: &'a Place,
    file: Option<File>,
    position: u64,
    watch: Watch,
}

impl<'a> Follow<'a> {
    /// Follows from here on: what is in the log already is passed over.
    pub(crate) fn from_end(place: &'a Place) -> Result<Self> {
        let mut follow = Self::from_start(place)?;
        follow.position = follow.file.as_ref().map_or(Ok(0), |file| {
            file.metadata().map(|log| log.len()).map_err(|error| failed(place, error))
        })?;
        Ok(follow)
    }

    /// Follows the log of this life from its beginning.
    pub(crate) fn from_start(place: &'a Place) -> Result<Self> {
        let watch = Watch::new(place)?;
        let file = match log::open(place) {
            Ok(file) => {
                watch.file(&file).map_err(|error| failed(place, error))?;
                Some(file)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(place, error)),
        };
        Ok(Self { place, file, position: 0, watch })
    }

    /// Follows what comes behind a tail.
    pub(crate) fn behind(place: &'a Place, tail: Tail) -> Result<Self> {
        let watch = Watch::new(place)?;
        if let Some(file) = &tail.file {
            watch.file(file).map_err(|error| failed(place, error))?;
        }
        Ok(Self { place, file: tail.file, position: tail.position, watch })
    }

    /// Copies until told to stop, and then once more, so that nothing is lost.
    pub(crate) async fn copy(
        mut self,
        writer: &mut impl Write,
        stop: impl Future<Output = ()>,
    ) -> Result<()> {
        let mut stop = pin!(stop);
        loop {
            self.copy_appended(writer)?;
            let stopped = {
                let changed = pin!(self.watch.changed());
                match select(stop.as_mut(), changed).await {
                    Either::Left(((), _)) => true,
                    Either::Right((changed, _)) => {
                        changed.map_err(|error| failed(self.place, error))?;
                        false
                    }
                }
            };
            if stopped {
                return self.copy_appended(writer);
            }
        }
    }

    fn copy_appended(&mut self, writer: &mut impl Write) -> Result<()> {
        loop {
            self.copy_file(writer).map_err(|error| failed(self.place, error))?;
            let there = self.place.find(&self.place.names().log)?;
            let held = self.file.as_ref().and_then(|file| Found::of(file).ok());
            match (there, held) {
                (Some(there), Some(held)) if there.is_same(&held) => return Ok(()),
                (None, _) => return Ok(()),
                // Rotated. What was written until then lies in the file that is held: copied above,
                // and once more because the writer may have been slower than the rename.
                (Some(_), _) => {
                    self.copy_file(writer).map_err(|error| failed(self.place, error))?;
                    self.position = 0;
                    self.file = log::open(self.place).ok();
                    let Some(file) = &self.file else { return Ok(()) };
                    // Watched before it is read, or a line in between would wait for the next one.
                    self.watch.file(file).map_err(|error| failed(self.place, error))?;
                }
            }
        }
    }

    fn copy_file(&mut self, writer: &mut impl Write) -> std::io::Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut buffer = [0; 8192];
        loop {
            match file.read_at(&mut buffer, self.position) {
                Ok(0) => return writer.flush(),
                Ok(count) => {
                    writer.write_all(&buffer[..count])?;
                    self.position += count as u64;
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn failed(place: &Place, error: std::io::Error) -> Error {
    Error::system(format!("cannot follow the log {}", place.log_path().display()), error)
}

/// Wakes when the log was written, and when a file was made or renamed in its directory.
#[cfg(target_os = "linux")]
struct Watch(tokio::io::unix::AsyncFd<std::os::fd::OwnedFd>);

#[cfg(target_os = "linux")]
impl Watch {
    fn new(place: &Place) -> Result<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let watch = || -> std::io::Result<Self> {
            let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            // A log that is made or rotated later.
            let flags = WatchFlags::CREATE | WatchFlags::MOVED_TO;
            add_watch(&inotify, super::place::through_descriptor(&place.handle()), flags)?;
            #[allow(deprecated, reason = "its successor is unsafe; an OwnedFd keeps its number")]
            let watched = tokio::io::unix::AsyncFd::new(inotify)?;
            Ok(Self(watched))
        };
        watch().map_err(|error| failed(place, error))
    }

    fn file(&self, log: &File) -> std::io::Result<()> {
        use rustix::fs::inotify::{WatchFlags, add_watch};
        let path = super::place::through_descriptor(log);
        add_watch(self.0.get_ref(), path, WatchFlags::MODIFY)?;
        Ok(())
    }

    async fn changed(&self) -> std::io::Result<()> {
        let mut ready = self.0.readable().await?;
        let mut events = [0; 4096];
        loop {
            match rustix::io::read(self.0.get_ref(), &mut events) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    ready.clear_ready();
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Without inotify the log is looked at ten times a second.
#[cfg(not(target_os = "linux"))]
struct Watch;

#[cfg(not(target_os = "linux"))]
impl Watch {
    #[expect(clippy::unnecessary_wraps, reason = "its twin can fail")]
    fn new(_: &Place) -> Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unnecessary_wraps, clippy::unused_self, reason = "its twin needs it")]
    fn file(&self, _: &File) -> std::io::Result<()> {
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "its twin needs it")]
    async fn changed(&self) -> std::io::Result<()> {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use super::*;
    use crate::daemon::locks::SpawnLock;
    use crate::daemon::testing::Home;

    /// A writer that tells of each write.
    struct Told(Vec<u8>, tokio::sync::mpsc::UnboundedSender<()>);

    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.extend(bytes);
            let _ = self.1.send(());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn what_is_appended_is_copied_across_a_rotation() {
        let home = Home::new();
        let place = home.place();
        std::fs::write(place.log_path(), "old\n").unwrap();
        let follow = Follow::from_end(&place).unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut writer = Told(Vec::new(), tell);
        let append = |text: &str| {
            let mut log = OpenOptions::new().append(true).open(place.log_path()).unwrap();
            log.write_all(text.as_bytes()).unwrap();
        };
        let script = async {
            append("one\n");
            told.recv().await.unwrap();
            append("two\n");
            let spawn = SpawnLock::try_take(&place).unwrap().unwrap();
            let mut log = log::start(&place, &spawn).unwrap();
            log.write_all(b"three\n").unwrap();
            while told.try_recv().is_ok() {}
            told.recv().await.unwrap();
            log.write_all(b"last\n").unwrap();
        };
        follow.copy(&mut writer, script).await.unwrap();
        assert_eq!(String::from_utf8(writer.0).unwrap(), "one\ntwo\nthree\nlast\n");
    }

    #[tokio::test]
    async fn a_log_that_does_not_exist_yet_is_followed_from_its_start() {
        let home = Home::new();
        let place = home.place();
        let follow = Follow::from_end(&place).unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        let mut writer = Told(Vec::new(), tell);
        let script = async {
            std::fs::write(place.log_path(), "first\n").unwrap();
            told.recv().await.unwrap();
        };
        follow.copy(&mut writer, script).await.unwrap();
        assert_eq!(writer.0, b"first\n");
    }
}
