//! Numbers for people: medians, percentiles, and their forms.

use std::time::Duration;

#[expect(clippy::cast_precision_loss, reason = "no figure here is as exact as that")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

pub(crate) fn per_second(count: f64, elapsed: Duration) -> f64 {
    count / elapsed.as_secs_f64()
}

/// The value that so many in a hundred do not exceed; zero of nothing.
pub(crate) fn percentile(ordered: &[Duration], percent: usize) -> Duration {
    ordered.get(ordered.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
}

/// The median, or nothing of nothing.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    let mut ordered = values.to_vec();
    ordered.sort_by(f64::total_cmp);
    ordered.get(ordered.len().saturating_sub(1) / 2).copied()
}

/// Three digits that count, thousands by letter.
pub(crate) fn short(value: f64) -> String {
    let (value, unit) = match value.abs() {
        size if size >= 1e7 => (value / 1e6, "M"),
        size if size >= 1e6 => return format!("{:.2}M", value / 1e6),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}{unit}"),
        size if size >= 10.0 => format!("{value:.1}{unit}"),
        _ => format!("{value:.2}{unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let ordered = [1, 2, 3, 4, 50].map(Duration::from_micros);
        assert_eq!(percentile(&ordered, 50), ordered[2]);
        assert_eq!(percentile(&ordered, 99), ordered[3]);
        assert_eq!(percentile(&ordered, 100), ordered[4]);
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn the_median_needs_no_order() {
        assert_eq!(median(&[9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn three_digits_count() {
        assert_eq!(short(0.354), "0.35");
        assert_eq!(short(43.31), "43.3");
        assert_eq!(short(2833.0), "2833");
        assert_eq!(short(343_211.0), "343k");
        assert_eq!(short(1_520_000.0), "1.52M");
        assert_eq!(short(211_000_000.0), "211M");
    }
}
