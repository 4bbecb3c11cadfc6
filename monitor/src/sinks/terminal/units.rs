//! Sizes and durations for people.

use std::time::Duration;

/// Bytes in decimal units: `999 B`, `1.5 kB`, `12 MB`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if n < 1_000 {
        return format!("{n} B");
    }
    let mut value = n as f64 / 1_000.0;
    let mut unit = 0;
    // 999.95 would be shown as 1000.0.
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    if value < 9.95 {
        format!("{value:.1} {}", UNITS[unit])
    } else {
        format!("{value:.0} {}", UNITS[unit])
    }
}

/// Microseconds: `350 µs`, `1.5 ms`, `2.0 s`, `3m20s`.
pub fn micros(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        1_000_000..60_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ => duration(Duration::from_micros(us)),
    }
}

/// A duration in its two largest units: `45s`, `3m20s`, `2h05m`, `3d04h`.
pub fn duration(d: Duration) -> String {
    let s = d.as_secs();
    match s {
        0..60 => format!("{s}s"),
        60..3_600 => format!("{}m{:02}s", s / 60, s % 60),
        3_600..86_400 => format!("{}h{:02}m", s / 3_600, s / 60 % 60),
        _ => format!("{}d{:02}h", s / 86_400, s / 3_600 % 24),
    }
}

/// `1 alert`, `2 alerts`.
pub fn count(n: u64, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {one}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (n, shown) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (1_536, "1.5 kB"),
            (9_960, "10 kB"),
            (999_600, "1.0 MB"),
            (123_456_789, "123 MB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(n), shown);
        }
    }

    #[test]
    fn durations() {
        assert_eq!(micros(350), "350 µs");
        assert_eq!(micros(1_500), "1.5 ms");
        assert_eq!(micros(2_000_000), "2.0 s");
        assert_eq!(micros(200_000_000), "3m20s");
        assert_eq!(duration(Duration::from_mins(125)), "2h05m");
        assert_eq!(duration(Duration::from_hours(76)), "3d04h");
        assert_eq!(count(1, "alert"), "1 alert");
        assert_eq!(count(0, "alert"), "0 alerts");
    }
}
