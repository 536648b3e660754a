//! Two replicas behind haproxy, of which one after the other is replaced while callers go on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use autod_tls_example::caller::{Caller, Target};

use crate::authority::{Authority, REPLICAS, Use};
use crate::running::{LIMIT, Running, is_there};

const CALLERS: usize = 16;

/// The balancer as it is deployed.
struct Haproxy {
    process: Child,
    address: SocketAddr,
}

impl Haproxy {
    fn start(one: &Running, two: &Running) -> Self {
        // Nobody else uses this address of the loopback, so the port is free a moment later too.
        let [a, b, c, d] = std::process::id().to_be_bytes();
        let host = format!("127.{}.{c}.{d}", 128 | (a ^ b) & 127);
        let address = TcpListener::bind((host.as_str(), 0)).unwrap().local_addr().unwrap();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/haproxy.cfg");
        let process = Command::new("haproxy")
            .args([Path::new("-db"), Path::new("-f"), &file])
            .env("JOURNAL_BIND", address.to_string())
            .env("JOURNAL_ONE", one.address.to_string())
            .env("JOURNAL_TWO", two.address.to_string())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let haproxy = Self { process, address };
        let end = Instant::now() + LIMIT;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < end, "haproxy does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        haproxy
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a caller was told: the replica by the entry.
struct Told {
    receipts: BTreeMap<String, String>,
    repeats: u64,
}

/// Appends one line after the other until it is stopped.
async fn load(number: usize, target: Target, stop: Arc<AtomicBool>, done: Arc<AtomicU64>) -> Told {
    let mut caller = Caller::new(target, LIMIT);
    let mut receipts = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        let entry = format!("{number}/{}", receipts.len());
        let receipt = match caller.append(&entry).await {
            Ok(receipt) => receipt,
            Err(error) => panic!("{entry} after {} repeats: {error:?}", caller.repeats()),
        };
        receipts.insert(entry, receipt.replica);
        done.fetch_add(1, Ordering::Relaxed);
    }
    Told { receipts, repeats: caller.repeats() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_are_replaced_under_load_lose_and_double_no_call() {
    if !is_there("haproxy") {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let authority = Authority::new(home.path());
    let files = authority.sign("replica", Use::Replica);
    let (journal_one, journal_two) = (home.path().join("one"), home.path().join("two"));
    let mut one = Running::start("one", &files, &journal_one, home.path());
    let mut two = Running::start("two", &files, &journal_two, home.path());
    let haproxy = Haproxy::start(&one, &two);
    let target = Target {
        address: haproxy.address.to_string(),
        name: REPLICAS.try_into().unwrap(),
        config: authority.sign("caller", Use::Caller).client().unwrap(),
    };
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|number| {
            tokio::spawn(load(number, target.clone(), Arc::clone(&stop), Arc::clone(&done)))
        })
        .collect();
    let some_more = async || {
        let goal = done.load(Ordering::Relaxed) + 40 * CALLERS as u64;
        let end = Instant::now() + LIMIT;
        while done.load(Ordering::Relaxed) < goal {
            assert!(Instant::now() < end, "the callers do not get on");
            assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller has given up");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };

    some_more().await;
    let at_first = lines(&journal_one);
    let again = async |replica: &mut Running, name, journal| {
        let address = replica.address;
        replica.terminate();
        let (status, words) = tokio::task::block_in_place(|| replica.ended());
        assert!(status.success(), "{status}: {words}");
        some_more().await;
        *replica = Running::start_at(address, name, &files, journal, home.path());
        some_more().await;
    };
    again(&mut one, "one", &journal_one).await;
    // All callers are with the other one by now, and have to come back.
    again(&mut two, "two", &journal_two).await;
    stop.store(true, Ordering::Relaxed);

    let mut told = BTreeMap::new();
    let mut repeats = 0;
    for caller in callers {
        let its = caller.await.unwrap();
        told.extend(its.receipts);
        repeats += its.repeats;
    }
    let mut written = BTreeMap::new();
    for (replica, journal) in [("one", &journal_one), ("two", &journal_two)] {
        for line in lines(journal) {
            let entry = line.strip_prefix("CN=caller ").unwrap().trim_matches('"').to_owned();
            let before = written.insert(entry, replica.to_owned());
            assert_eq!(before, None, "executed twice: {line}");
        }
    }
    println!("{} calls, {repeats} tried again", told.len());
    let only = |a: &BTreeMap<_, _>, b: &BTreeMap<_, _>| -> BTreeSet<String> {
        a.keys().filter(|entry| !b.contains_key(*entry)).cloned().collect()
    };
    assert_eq!(only(&told, &written), BTreeSet::new(), "answered, and not executed");
    assert_eq!(only(&written, &told), BTreeSet::new(), "executed, and not answered");
    assert_eq!(told, written);
    // Else nothing was shown: both had work when they were told to leave.
    assert!(!at_first.is_empty() && lines(&journal_one).len() > at_first.len());
    assert!(repeats > 0, "nobody had to go elsewhere");
}

fn lines(journal: &Path) -> Vec<String> {
    fs::read_to_string(journal).unwrap().lines().map(str::to_owned).collect()
}
