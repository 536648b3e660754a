//! Where a service listens, and where its app does.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, Kind, Result};

/// An address of a stream socket.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// A TCP address.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether both cannot be listened at.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) => {
                one.port() == other.port()
                    && (one.ip() == other.ip()
                        || one.ip().is_unspecified()
                        || other.ip().is_unspecified())
            }
            _ => self == other,
        }
    }
}

impl FromStr for Address {
    type Err = Error;

    /// Reads `PORT`, `HOST:PORT` with a numeric host or `localhost`, `[HOST]:PORT`, or `unix:PATH`. The
    /// default host is 127.0.0.1.
    fn from_str(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return Ok(Self::Unix(path.into()));
        }
        let port = text.strip_prefix("localhost:").unwrap_or(text).parse();
        if let Ok(port) = port {
            return Ok(Self::Tcp(loopback(port)));
        }
        text.parse().map(Self::Tcp).map_err(|_| {
            Error::new(
                Kind::Description,
                format!("{text:?} is not an address, such as 127.0.0.1:8080"),
            )
        })
    }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

/// Where the app listens, in proxy mode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A loopback port that is free, another one for each start: `${PORT}`.
    FreePort,
    /// A path in a private directory, another one for each start: `${SOCKET}`.
    PrivateSocket,
    /// An address of the app's own choice.
    At(Address),
}

/// One public socket of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub(crate) name: Option<String>,
    pub(crate) at: Address,
    pub(crate) to: Target,
}

impl Listen {
    /// Listens at this TCP address.
    pub fn tcp(address: SocketAddr) -> Self {
        Self { name: None, at: Address::Tcp(address), to: Target::FreePort }
    }

    /// Listens at this path, with mode 0600. A relative one is relative to the supervisor's working
    /// directory.
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self { name: None, at: Address::Unix(path.into()), to: Target::FreePort }
    }

    /// Names it, for `${PORT_name}`, `${SOCKET_name}` and `LISTEN_FDNAMES`. Default: the name of the
    /// service. Letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Where the app listens; without meaning in fd mode. Default [`Target::FreePort`].
    #[must_use]
    pub fn to(mut self, target: Target) -> Self {
        self.to = target;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_the_default_host() {
        let parse = |text: &str| text.parse::<Address>().ok().map(|address| address.to_string());
        assert_eq!(parse("80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(parse("localhost:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(parse("0.0.0.0:80").as_deref(), Some("0.0.0.0:80"));
        assert_eq!(parse("[::1]:80").as_deref(), Some("[::1]:80"));
        assert_eq!(parse("unix:/a b").as_deref(), Some("unix:/a b"));
        assert_eq!(parse("example.org:80"), None, "no names are looked up");
        assert_eq!(parse("70000"), None);
    }
}
