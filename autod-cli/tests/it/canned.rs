//! Daemons that answer questions with what a test has written down: the same at any time and on any
//! machine. They speak as PROTOCOL.md says, "Greetings" and "Control".

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};

use crate::world::World;

const PREFIX: usize = 12;
const REPORT: u8 = 6;
const CONTROL: u8 = 17;

/// A daemon that is a thread of the test.
pub(crate) struct Canned {
    socket: PathBuf,
    _life: File,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Canned {
    /// Answers `status` with this, and `describe` with nothing.
    pub(crate) fn new(world: &World, name: &str, status: Value) -> Self {
        let (socket, life) = place(world, name);
        let listener = UnixListener::bind(&socket).expect("a socket");
        let ends = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ends);
        let thread = std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                // Who has given up already is told nothing.
                let _ = serve(stream, &status);
            }
        });
        Self { ends, socket, _life: life, thread: Some(thread) }
    }
}

impl Drop for Canned {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        drop(UnixStream::connect(&self.socket));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Where the daemon of that name listens, and its lock, held. No process has this number on any
/// machine, and none can be killed by it.
fn place(world: &World, name: &str) -> (PathBuf, File) {
    let place = world.join(name);
    std::fs::DirBuilder::new().mode(0o700).create(&place).expect("a directory");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let record = json!({
        "state": "running", "pid": 5_000_001, "life_id": "00000000000000aa", "build": "1.4.2",
        "host": "", "boot": boot.trim(), "since": 1_u64 << 50, "until": 0,
    });
    let file = |name: &str| {
        let mut options = File::options();
        options.write(true).create(true).mode(0o600).open(place.join(name)).expect("a file")
    };
    file("spawn.lock");
    let mut life = file("life.lock");
    writeln!(life, "{:511}", record.to_string()).expect("a record");
    life.lock().expect("a lock");
    (place.join("sock"), life)
}

/// A daemon that takes everybody and says nothing, until this is dropped.
pub(crate) fn hung(world: &World, name: &str) -> (UnixListener, File) {
    let (socket, life) = place(world, name);
    (UnixListener::bind(socket).expect("a socket"), life)
}

/// A daemon that was killed, by what it has left.
pub(crate) fn dead(world: &World, name: &str) {
    drop(hung(world, name));
}

fn serve(mut stream: UnixStream, status: &Value) -> std::io::Result<()> {
    let mut prefix = [0; PREFIX];
    stream.read_exact(&mut prefix)?;
    let length = u32::from_le_bytes(prefix[8..].try_into().expect("four bytes"));
    let mut fields = vec![0; length as usize];
    stream.read_exact(&mut fields)?;
    // The question is the only text in braces.
    let asks_status = String::from_utf8_lossy(&fields).contains("\"status\"");
    let answer = if asks_status { json!({"ok": status}) } else { json!({"ok": {}}) }.to_string();
    let length = |length: usize| u32::try_from(length).expect("a short text").to_le_bytes();
    let mut report = b"AUTOD\x01".to_vec();
    report.extend_from_slice(&[REPORT, 0]);
    report.extend_from_slice(&length(5 + answer.len()));
    report.push(CONTROL);
    report.extend_from_slice(&length(answer.len()));
    report.extend_from_slice(answer.as_bytes());
    stream.write_all(&report)
}
