//! What stands between a client and its server: nothing, the supervisor in both modes, and others.
//!
//! All ways are measured in turns, in one run: only the ratios mean something. `scripts/bench-activation
//! [ROUNDS]`

mod load;
mod memory;
mod peers;
mod server;
mod way;

use way::{Process, Way};

/// What was measured of one way in one round.
#[derive(Clone, Copy)]
struct Round {
    down: f64,
    up: f64,
    latency: f64,
    connections: f64,
    processor: f64,
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let word = |index: usize| words.get(index).map_or("", String::as_str);
    match word(0) {
        "serve" => return server::run(word(1)),
        "supervise" => {
            return way::supervise(word(1), word(2), word(3).parse().unwrap_or(1));
        }
        _ => {}
    }
    let rounds = word(0).parse().unwrap_or(9);
    let (_server, ways) = Way::all();
    let mut results: Vec<Vec<Round>> = vec![Vec::new(); ways.len()];
    for round in 0..rounds {
        // Nobody is always the first.
        for index in (0..ways.len()).map(|index| (index + round) % ways.len()) {
            results[index].push(measure(&ways[index]));
        }
    }
    table(&ways, &results);
    memory();
}

fn measure(way: &Way) -> Round {
    let address = way.address;
    let processor = || way.between.as_ref().map_or(0.0, Process::processor);
    load::once(address);
    let before = processor();
    let down = load::down(address);
    let up = load::up(address);
    let used = (processor() - before) / (2.0 * load::GIGABYTES);
    Round {
        down,
        up,
        latency: load::latency(address),
        connections: load::connections(address),
        processor: used,
    }
}

fn table(ways: &[Way], results: &[Vec<Round>]) {
    let median = |index: usize, value: fn(&Round) -> f64| {
        let mut values: Vec<f64> = results[index].iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "| | down GB/s | to direct | up GB/s | to direct | first byte µs | to direct | connections/s | to direct | s of processor per GB | cold first byte ms | p99 of 600 in a start of 1.5 s |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for (index, way) in ways.iter().enumerate() {
        let pair = |value: fn(&Round) -> f64, places: usize, scale: f64| {
            let (own, direct) = (median(index, value), median(0, value));
            format!("{:.places$} | {:.2}", own * scale, own / direct)
        };
        let processor = way.between.as_ref().map(|_| median(index, |round| round.processor));
        let burst = way.burst().map(|(worst, failed)| match failed {
            0 => format!("{worst:.2} s"),
            _ => format!("{worst:.2} s, {failed} failed"),
        });
        println!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            way.name,
            pair(|round| round.down, 2, 1.0),
            pair(|round| round.up, 2, 1.0),
            pair(|round| round.latency, 0, 1e6),
            pair(|round| round.connections, 0, 1.0),
            processor.map_or(String::new(), |seconds| format!("{seconds:.3}")),
            way.cold().map_or(String::new(), |seconds| format!("{:.1}", seconds * 1e3)),
            burst.unwrap_or_default(),
        );
    }
}

/// What the supervisor needs, and each of its connections in proxy mode.
fn memory() {
    let (idle, _) = way::supervisor("proxy", "quick", 100);
    let mebibytes = memory::resident(idle.id()) / f64::from(1 << 20);
    println!("\nA supervisor of 100 services that nobody uses: {mebibytes:.1} MiB resident.\n");
    println!("| KiB for each forwarded connection | own memory | pipes hold | all TCP buffers |");
    println!("|---|---|---|---|");
    for (name, cost) in
        [("1000 silent ones", memory::idle as fn(_, _) -> _), ("100 busy ones", memory::busy)]
    {
        // A new one, whose memory nobody has used yet.
        let (process, address) = way::supervisor("proxy", "quick", 1);
        load::once(address);
        let cost: memory::Cost = cost(process.id(), address);
        let [own, pipes, sockets] =
            [cost.own, cost.pipes, cost.sockets].map(|bytes| bytes / 1024.0);
        println!("| {name} | {own:.1} | {pipes:.1} | {sockets:.0} |");
    }
}
