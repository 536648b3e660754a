//! What an app says about itself: the protocol of `sd_notify`.

use std::path::{Path, PathBuf};

use tokio::net::UnixDatagram;

/// A line of a message that means something here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    Ready,
    Stopping,
    Status(String),
    /// Keep me alive without connections, for this reason; until released, or until I am gone.
    Hold(String),
    Release(String),
}

/// The socket of one generation, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct NotifySocket {
    socket: UnixDatagram,
    path: PathBuf,
}

impl NotifySocket {
    pub(crate) fn open(path: PathBuf) -> std::io::Result<Self> {
        let socket = UnixDatagram::bind(&path)?;
        Ok(Self { socket, path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The notices of the next message. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&self) -> Vec<Notice> {
        let mut buffer = [0; 4096];
        match self.socket.recv(&mut buffer).await {
            Ok(length) => parse(&String::from_utf8_lossy(&buffer[..length])),
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for NotifySocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn parse(message: &str) -> Vec<Notice> {
    let notice = |line: &str| match line.split_once('=')? {
        ("READY", "1") => Some(Notice::Ready),
        ("STOPPING", "1") => Some(Notice::Stopping),
        ("STATUS", text) => Some(Notice::Status(text.to_owned())),
        ("X_AUTOD_HOLD", reason) => Some(Notice::Hold(reason.to_owned())),
        ("X_AUTOD_RELEASE", reason) => Some(Notice::Release(reason.to_owned())),
        _ => None,
    };
    message.lines().filter_map(notice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_mean_nothing_here_are_passed_over() {
        let message = "MAINPID=1\nSTATUS=a=b\nREADY=1\nREADY=0\n\nX_AUTOD_HOLD=job 1\nSTOPPING=1";
        assert_eq!(
            parse(message),
            [
                Notice::Status("a=b".to_owned()),
                Notice::Ready,
                Notice::Hold("job 1".to_owned()),
                Notice::Stopping
            ]
        );
        assert_eq!(parse("\u{fffd}"), []);
    }
}
