//! What calls on one connection wait for while peers on others do what no client does.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::Result;
use crate::client;
use crate::figure::{micros, percentile};
use crate::kinds::{AUTOD, connect_autod};
use crate::options::Options;
use crate::server::Server;
use crate::table::Table;
use crate::tail::calls;
use crate::workload::Metric;

/// What happens on other connections.
#[derive(Clone, Copy)]
enum Beside {
    Nothing,
    /// Callers that do nothing wrong: what any load on the machine does.
    Callers,
    /// Calls whose answers nobody reads.
    Unread,
    /// Streams that get no credit, and are cancelled.
    NoCredit,
    /// Endless streams of which nothing is read.
    UnreadStreams,
    /// Endless streams that get all the credit there is and are read as fast as they come.
    ReadStreams,
    /// Calls that are cancelled at once.
    Cancels,
    /// Connections that are opened, greeted and closed.
    Visits,
    /// Frames of random bytes.
    Garbage,
}

const ALL: [(&str, &str, Beside); 9] = [
    ("hostile-alone", "small calls alone", Beside::Nothing),
    ("hostile-none", "beside 64 callers on another connection", Beside::Callers),
    ("hostile-unread", "beside a peer that reads no answer", Beside::Unread),
    ("hostile-credit", "beside 1000 streams without credit, again and again", Beside::NoCredit),
    ("hostile-streams-unread", "beside 4096 endless streams unread", Beside::UnreadStreams),
    ("hostile-streams-read", "beside 4096 endless streams being read", Beside::ReadStreams),
    ("hostile-cancels", "beside calls that are cancelled at once", Beside::Cancels),
    ("hostile-visits", "beside connections that come and go", Beside::Visits),
    ("hostile-garbage", "beside frames of random bytes", Beside::Garbage),
];

pub(crate) fn measure(options: &Options, table: &mut Table) -> Result<()> {
    let server = Server::start(&AUTOD)?;
    let fingerprint = fingerprint(&server.socket())?;
    for _ in 0..options.rounds() {
        for (workload, text, beside) in ALL {
            let time = options.slice.max(Duration::from_millis(500));
            let latencies = turn(&server, &fingerprint, beside, time)?;
            let figures = [(Metric::P50, 50), (Metric::P99, 99), (Metric::Longest, 100)];
            for (metric, percent) in figures {
                let row = table.row(workload, text, metric.label(), true);
                row.add(AUTOD.name, micros(percentile(&latencies, percent)));
            }
        }
    }
    eprintln!("rpc: hostile is done");
    Ok(())
}

fn turn(
    server: &Server,
    fingerprint: &[u8],
    beside: Beside,
    time: Duration,
) -> Result<Vec<Duration>> {
    let stop = AtomicBool::new(false);
    let socket = server.socket();
    std::thread::scope(|scope| {
        let attack = scope.spawn(|| {
            let attacker = Attacker { socket: &socket, fingerprint, stop: &stop };
            while !stop.load(Ordering::Relaxed) {
                attacker.attack(beside)?;
            }
            Result::Ok(())
        });
        let latencies = client::run(|| {
            client::runtime()?.block_on(async { calls(connect_autod(&socket).await?, time).await })
        });
        stop.store(true, Ordering::Relaxed);
        attack.join().map_err(|_| "the attacker panicked")??;
        latencies
    })
}

/// Frames of PROTOCOL.md.
const CALL: u8 = 1;
const ITEMS: u8 = 4;
const CREDIT: u8 = 6;
const CANCEL: u8 = 7;
const HEADER: usize = 8;

/// The calls of a batch, and the streams.
const BATCH: u32 = 1000;

/// The streams that never end: as many calls as `hello` names.
const STREAMS: u32 = 4096;

/// The most credit that a stream may have, beside its first window.
const ALL_CREDIT: u32 = (64 << 20) - (32 << 10);

struct Attacker<'a> {
    socket: &'a Path,
    fingerprint: &'a [u8],
    stop: &'a AtomicBool,
}

impl Attacker<'_> {
    /// Once, or until it is to stop.
    fn attack(&self, beside: Beside) -> Result<()> {
        match beside {
            Beside::Nothing => {
                std::thread::sleep(Duration::from_millis(1));
                Ok(())
            }
            Beside::Callers => self.call(),
            Beside::Unread => self.read_nothing(),
            Beside::NoCredit => self.give_no_credit(),
            Beside::UnreadStreams => self.read_no_stream(),
            Beside::ReadStreams => self.read_streams(),
            Beside::Cancels => self.cancel(),
            Beside::Visits => self.open().map(drop),
            Beside::Garbage => self.say_anything(),
        }
    }

    fn open(&self) -> Result<UnixStream> {
        let mut stream = UnixStream::connect(self.socket)?;
        // A daemon that hangs is an error of the benchmark.
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(&hello(0, self.fingerprint))?;
        match read_greeting(&mut stream)?.get(6) {
            Some(2) => Ok(stream),
            _ => Err("the attacker was not accepted".into()),
        }
    }

    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn call(&self) -> Result<()> {
        client::runtime()?.block_on(async {
            let client = connect_autod(self.socket).await?;
            while self.goes_on() {
                futures::future::try_join_all((0..64).map(|n| client.next(n))).await?;
            }
            Ok(())
        })
    }

    fn read_nothing(&self) -> Result<()> {
        let mut stream = self.open()?;
        stream.set_write_timeout(Some(Duration::from_millis(20)))?;
        // A length of three bytes, and what follows.
        let mut bytes = vec![251, 0x60, 0xea];
        bytes.resize(3 + 60_000, 7);
        for slot in 0..BATCH {
            match stream.write_all(&call(slot, "echo", &bytes)) {
                Ok(()) if self.goes_on() => {}
                Ok(()) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn give_no_credit(&self) -> Result<()> {
        let mut stream = self.open()?;
        let opened: Vec<u8> = (0..BATCH).flat_map(|slot| call(slot, "items", &[])).collect();
        stream.write_all(&opened)?;
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut silent = vec![true; BATCH as usize];
        while silent.contains(&true) && self.goes_on() {
            let (kind, id) = read_frame(&mut reader)?;
            if kind == ITEMS {
                silent[id as usize / 2] = false;
            }
        }
        let cancels: Vec<u8> = (0..BATCH).flat_map(|slot| frame(CANCEL, slot * 2, &[])).collect();
        Ok(stream.write_all(&cancels)?)
    }

    /// Opens them again now and then: what they do first is the most that they ever do.
    fn read_no_stream(&self) -> Result<()> {
        let mut stream = self.open()?;
        stream.write_all(&endless())?;
        // Until the first have been heard and the others have come to wait.
        read_frame(&mut stream)?;
        std::thread::sleep(Duration::from_millis(100));
        Ok(())
    }

    fn read_streams(&self) -> Result<()> {
        let mut stream = self.open()?;
        let mut reader = BufReader::with_capacity(1 << 20, stream.try_clone()?);
        stream.write_all(&endless())?;
        while self.goes_on() {
            let (kind, _) = read_frame(&mut reader)?;
            if kind != ITEMS {
                return Err("an endless stream ended".into());
            }
        }
        Ok(())
    }

    fn cancel(&self) -> Result<()> {
        let mut stream = self.open()?;
        let both = |slot| [call(slot, "quiet", &[]), frame(CANCEL, slot * 2, &[])];
        let batch: Vec<u8> = (0..BATCH).flat_map(both).flatten().collect();
        let mut reader = BufReader::new(stream.try_clone()?);
        while self.goes_on() {
            stream.write_all(&batch)?;
            let mut ended = 0;
            while ended < BATCH {
                let (kind, _) = read_frame(&mut reader)?;
                ended += u32::from(kind != ITEMS);
            }
        }
        Ok(())
    }

    fn say_anything(&self) -> Result<()> {
        let mut stream = self.open()?;
        let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ u64::from(std::process::id());
        let mut bytes = Vec::new();
        for _ in 0..20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let [kind, id, length, ..] = state.to_le_bytes();
            bytes.extend(frame(
                1 + kind % 11,
                u32::from(id & 6),
                &state.to_le_bytes()[..length as usize % 9],
            ));
        }
        // It may have hung up already.
        let _ = stream.write_all(&bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
        Ok(())
    }
}

/// Streams without end, each with all the credit there is.
fn endless() -> Vec<u8> {
    let credit = ALL_CREDIT.to_le_bytes();
    let both = |slot| [call(slot, "items", &[]), frame(CREDIT, slot * 2, &credit)];
    (0..STREAMS).flat_map(both).flatten().collect()
}

/// What a probe is told.
fn fingerprint(socket: &Path) -> Result<Vec<u8>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(&hello(1, &[0; 8]))?;
    let accept = read_greeting(&mut stream)?;
    let mut rest = accept.get(12..).unwrap_or_default();
    while let Some((&tag, behind)) = rest.split_first() {
        let (length, behind) = behind.split_first_chunk().ok_or("half a field")?;
        let length = u32::from_le_bytes(*length) as usize;
        let (value, behind) = behind.split_at_checked(length).ok_or("half a field")?;
        if tag == 3 {
            return Ok(value.to_vec());
        }
        rest = behind;
    }
    Err("the daemon did not say its fingerprint".into())
}

fn hello(purpose: u8, fingerprint: &[u8]) -> Vec<u8> {
    // 64 MiB a message, as many calls as a batch has and more, 32 KiB of a stream.
    let limits: Vec<u8> =
        [64_u32 << 20, 4096, 32 << 10].iter().flat_map(|limit| limit.to_le_bytes()).collect();
    let fields: [(u8, &[u8]); 5] =
        [(1, &[purpose]), (2, b"Bench"), (3, fingerprint), (5, b"bincode2"), (6, &limits)];
    let mut body = Vec::new();
    for (tag, value) in fields {
        body.push(tag);
        body.extend_from_slice(&length(value));
        body.extend_from_slice(value);
    }
    [b"AUTOD\x01\x01\x00", &length(&body)[..], &body].concat()
}

fn length(bytes: &[u8]) -> [u8; 4] {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes()
}

fn read_greeting(stream: &mut UnixStream) -> Result<Vec<u8>> {
    let mut bytes = vec![0; 12];
    stream.read_exact(&mut bytes)?;
    let [.., a, b, c, d] = bytes[..] else { return Err("half a greeting".into()) };
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    bytes.resize(12 + length, 0);
    stream.read_exact(&mut bytes[12..])?;
    Ok(bytes)
}

fn frame(kind: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, _] = length(payload);
    [&[a, b, c, kind][..], &id.to_le_bytes(), payload].concat()
}

/// Reads a frame, and throws its payload away.
fn read_frame(stream: &mut impl Read) -> Result<(u8, u32)> {
    let mut header = [0; HEADER];
    stream.read_exact(&mut header)?;
    let [a, b, c, kind, id @ ..] = header;
    let mut payload = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
    stream.read_exact(&mut payload)?;
    Ok((kind & 0x7f, u32::from_le_bytes(id)))
}

fn call(slot: u32, name: &str, arguments: &[u8]) -> Vec<u8> {
    let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let method = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash).to_le_bytes();
    frame(CALL, slot * 2, &[&method[..], &[0], arguments].concat())
}
