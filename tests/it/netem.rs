//! Round trips and windows over TCP, on a line that the kernel makes long: 20 ms in each direction and
//! 100 Mbit/s. `distance` has the same in virtual time, which every kernel can.

use super::home::{Done, Home, example, has};

/// What the script ends with if the kernel cannot make such a line.
const REFUSED: i32 = 77;

const LINE: &str = "ip link set lo mtu 1500 up || exit 77
    tc qdisc add dev lo root netem delay 20ms rate 100mbit limit 20000 || exit 77
    exec \"$0\" distance";

/// Microseconds.
const ROUND_TRIP: u64 = 40_000;

/// What ran in a network of its own; `None` if this machine gives none, which is said.
fn far_away(home: &Home) -> Option<Done> {
    if !["unshare", "ip", "tc"].into_iter().all(has) {
        return None;
    }
    // Whoever is not root is, in a namespace of users.
    let root = rustix::process::geteuid().is_root();
    let unshare = || home.run("unshare").args([if root { "-n" } else { "-rn" }]);
    let network = unshare().args(["true"]).done();
    if !network.status.success() {
        eprintln!("skipped: no network of its own is allowed here: {}", network.stderr);
        return None;
    }
    let done = unshare().args(["sh", "-c", LINE]).args([example("fixture")]).done();
    if done.status.code() == Some(REFUSED) {
        eprintln!("skipped: this kernel cannot delay packets (netem): {}", done.stderr);
        return None;
    }
    Some(done.good())
}

#[test]
fn a_long_line_costs_two_round_trips_for_the_first_call_and_is_filled_by_one_stream() {
    let home = Home::new();
    let Some(done) = far_away(&home) else { return };
    let figures: Vec<u64> = done.stdout.split(' ').map(|word| word.parse().unwrap()).collect();
    let &[line, first, together, rate] = &*figures else { panic!("{done:?}") };
    println!(
        "{line} us there and back; first call {first}, 200 calls {together} us; {rate} bytes/s"
    );
    assert!(line >= ROUND_TRIP, "the line is too short: {done:?}");
    // The next whole number of round trips is too many; between is what a busy machine takes.
    assert!(first < 3 * ROUND_TRIP, "the first call took {first} us");
    assert!(together < 2 * ROUND_TRIP, "200 calls took {together} us");
    assert!(rate > 10_000_000, "{rate} bytes a second of 12,500,000");
}
