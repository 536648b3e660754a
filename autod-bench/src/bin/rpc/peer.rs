//! What a client with calls of its own offers to the loads.

use std::path::Path;

use crate::Result;
use crate::workload::Load;

/// A client whose clones share a connection.
pub(crate) trait Peer: Clone + Send + Sync + 'static {
    /// The form in which bytes travel fastest.
    type Bytes: AsRef<[u8]> + From<Vec<u8>> + Send + 'static;

    fn connect(socket: &Path) -> impl Future<Output = Result<Self>>;

    /// The number after this one.
    fn next(&self, n: u64) -> impl Future<Output = Result<u64>> + Send;

    fn echo(&self, bytes: Self::Bytes) -> impl Future<Output = Result<Self::Bytes>> + Send {
        let _ = bytes;
        async { Err(unsupported()) }
    }

    /// The numbers from zero on, until `take` does not want more.
    fn items(
        &self,
        take: impl FnMut(u64) -> bool + Send,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = take;
        async { Err(unsupported()) }
    }

    /// Chunks, until `take` does not want more.
    fn chunks(
        &self,
        take: impl FnMut(&[u8]) -> bool + Send,
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = take;
        async { Err(unsupported()) }
    }
}

fn unsupported() -> Box<dyn std::error::Error + Send + Sync> {
    "this kind has no such call".into()
}

/// Those that have all calls.
pub(crate) fn everything(_: Load) -> bool {
    true
}

/// Those that have no streams.
#[cfg(feature = "peers")]
pub(crate) fn calls(load: Load) -> bool {
    !matches!(load, Load::Items | Load::Chunks)
}

/// Those that have small calls only.
pub(crate) fn small_calls(load: Load) -> bool {
    matches!(load, Load::Lone | Load::Callers(_) | Load::Connections(_))
}
