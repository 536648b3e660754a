//! The figures for people.

use std::io::{self, Write};
use std::time::Duration;

use crate::Result;
use crate::kinds::{BARE, BLOCKING, COLD, Measured, WARM};
use crate::sample::Sample;

/// Prints a line for each kind, and how far the goals are.
pub(crate) fn print(measured: &[Measured]) -> Result<()> {
    let wall = |name: &str| -> Result<f64> {
        let kind = measured.iter().find(|kind| kind.name == name).ok_or("a kind is missing")?;
        Ok(median(&walls(&kind.samples)))
    };
    let (bare, warm, cold) = (wall(BARE)?, wall(WARM)?, wall(COLD)?);
    let blocking = wall(BLOCKING)?;

    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:<20} {:>5} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "kind", "runs", "median ms", "p10", "p90", "CPU ms", "/ bare", "/ warm"
    )?;
    for Measured { name, samples } in measured {
        let walls = walls(samples);
        let median = median(&walls);
        let cpu = processor(samples).map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.3}"));
        let to_warm = if *name == COLD { format!("{:.2}", median / warm) } else { String::new() };
        writeln!(
            out,
            "{name:<20} {:>5} {median:>10.3} {:>8.3} {:>8.3} {cpu:>8} {:>8.2} {to_warm:>8}",
            walls.len(),
            percentile(&walls, 10),
            percentile(&walls, 90),
            median / bare,
        )?;
    }
    writeln!(out, "warm counter get / bare: {:.2} (goal 1.5, final 1.15)", warm / bare)?;
    writeln!(out, "warm blocking get / bare: {:.2} (goal 1.05)", blocking / bare)?;
    writeln!(out, "cold / warm: {:.2} (goal 3)", cold / warm)?;
    Ok(())
}

/// Milliseconds in order.
fn in_order(durations: impl Iterator<Item = Duration>) -> Vec<f64> {
    let mut values: Vec<f64> = durations.map(|duration| duration.as_secs_f64() * 1e3).collect();
    values.sort_by(f64::total_cmp);
    values
}

fn walls(samples: &[Sample]) -> Vec<f64> {
    in_order(samples.iter().map(|sample| sample.wall))
}

/// The median of the processor's time, if there is any.
fn processor(samples: &[Sample]) -> Option<f64> {
    let times = in_order(samples.iter().filter_map(|sample| sample.cpu));
    (!times.is_empty()).then(|| median(&times))
}

fn median(ordered: &[f64]) -> f64 {
    percentile(ordered, 50)
}

/// The value that so many in a hundred do not exceed; every kind has run at least once.
fn percentile(ordered: &[f64], percent: usize) -> f64 {
    ordered[(ordered.len() - 1) * percent / 100]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let ordered = [1.0, 2.0, 3.0, 4.0, 50.0];
        assert!((percentile(&ordered, 10) - 1.0).abs() < f64::EPSILON);
        assert!((median(&ordered) - 3.0).abs() < f64::EPSILON);
        assert!((percentile(&ordered, 100) - 50.0).abs() < f64::EPSILON);
        assert!((median(&[7.0]) - 7.0).abs() < f64::EPSILON);
    }
}
