//! What stands between a client and its server: nothing, the supervisor in both modes, and others.
//!
//! All ways are measured in turns, in one run: only the ratios mean something. `scripts/bench-activation
//! [ROUNDS]`

mod load;
mod server;
mod way;

use std::net::SocketAddr;

use way::Way;

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
        "supervise" => return way::supervise(word(1), word(2)),
        _ => {}
    }
    let rounds = word(0).parse().unwrap_or(5);
    let ways = Way::all();
    let mut results: Vec<Vec<Round>> = vec![Vec::new(); ways.len()];
    for round in 0..rounds {
        // Nobody is always the first.
        for index in (0..ways.len()).map(|index| (index + round) % ways.len()) {
            results[index].push(measure(&ways[index]));
        }
    }
    table(&ways, &results);
    for way in &ways {
        if let Some(cold) = way.cold() {
            println!("cold first byte, {}: {:.1} ms", way.name, cold * 1e3);
        }
        if way.is_supervised() {
            let (worst, failed) = load::burst(way.slow(), 600);
            println!(
                "600 clients in a start of 1.5 s, {}: p99 {worst:.2} s, {failed} failed",
                way.name
            );
        }
    }
}

fn measure(way: &Way) -> Round {
    let address: SocketAddr = way.address;
    load::once(address);
    let before = way.processor();
    let down = load::down(address);
    let up = load::up(address);
    let processor = (way.processor() - before) / (2.0 * load::GIGABYTES);
    Round {
        down,
        up,
        latency: load::latency(address),
        connections: load::connections(address),
        processor,
    }
}

fn table(ways: &[Way], results: &[Vec<Round>]) {
    let median = |index: usize, value: fn(&Round) -> f64| {
        let mut values: Vec<f64> = results[index].iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!(
        "| | down GB/s | to direct | up GB/s | to direct | first byte µs | to direct | connections/s | to direct | s of processor per GB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (index, way) in ways.iter().enumerate() {
        let row = [median(index, |round| round.down), median(index, |round| round.up)];
        let of_direct = [median(0, |round| round.down), median(0, |round| round.up)];
        let latency = median(index, |round| round.latency);
        let connections = median(index, |round| round.connections);
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.1} | {:.0} | {:.2} | {:.2} |",
            way.name,
            row[0],
            row[0] / of_direct[0],
            row[1],
            row[1] / of_direct[1],
            latency * 1e6,
            latency / median(0, |round| round.latency),
            connections,
            connections / median(0, |round| round.connections),
            median(index, |round| round.processor),
        );
    }
}
