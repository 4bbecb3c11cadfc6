//! How much of a service's traffic was seen, in a few words.

use std::fmt::Write as _;

use super::printable;
use crate::baseline::program::UNKNOWN;
use crate::sinks::json::Service;

/// Characters of a name that are shown.
const NAME: usize = 120;

/// `bytes exact, 97 % of python3 on port 443 seen (encrypted 3 %)`: a share is never rounded up to all, nor down to nothing.
pub fn seen(service: &Service<'_>) -> String {
    let program = service.process.rsplit('/').next().unwrap_or(&service.process);
    let program = printable(program, NAME);
    let what = match service.port {
        Some(port) if service.process == UNKNOWN => format!("port {port}"),
        Some(port) => format!("{program} on port {port}"),
        None => program.into_owned(),
    };
    let seen = share(service.understood_bytes, service.counted_bytes);
    let mut text = format!("bytes exact, {seen} of {what} seen");
    let missed: Vec<String> = service
        .missed_bytes
        .iter()
        .map(|(reason, bytes)| {
            let reason = reason.replace('_', " ");
            format!("{} {}", printable(&reason, NAME), share(*bytes, service.counted_bytes))
        })
        .collect();
    if !missed.is_empty() {
        // A `String` takes everything.
        let _ = write!(text, " ({})", missed.join(", "));
    }
    text
}

fn share(part: u64, all: u64) -> String {
    if part == 0 || all == 0 {
        return "0 %".to_owned();
    }
    if part >= all {
        return "100 %".to_owned();
    }
    let percent = 100.0 * part as f64 / all as f64;
    if percent < 1.0 {
        "under 1 %".to_owned()
    } else if percent > 99.0 {
        "over 99 %".to_owned()
    } else {
        format!("{percent:.0} %")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::sinks::json::Text;

    #[track_caller]
    fn check(counted: u64, understood: u64, missed: &[(&'static str, u64)], port: Option<u16>, said: &str) {
        let service = Service {
            process: Text::Borrowed("/usr/sbin/nginx"),
            direction: None,
            port,
            counted_bytes: counted,
            understood_bytes: understood,
            missed_bytes: missed
                .iter()
                .map(|(name, bytes)| (Text::Borrowed(*name), *bytes))
                .collect::<BTreeMap<_, _>>(),
        };
        assert_eq!(seen(&service), said);
    }

    #[test]
    fn shares_are_said_as_they_are() {
        check(
            1_000,
            1_000,
            &[],
            Some(80),
            "bytes exact, 100 % of nginx on port 80 seen",
        );
        check(
            1_000,
            970,
            &[("encrypted", 29), ("joined_late", 1)],
            Some(443),
            "bytes exact, 97 % of nginx on port 443 seen (encrypted 3 %, joined late under 1 %)",
        );
        check(
            1_000_000,
            999_999,
            &[("lost", 1)],
            Some(80),
            "bytes exact, over 99 % of nginx on port 80 seen (lost under 1 %)",
        );
        check(
            10,
            0,
            &[("encrypted", 10)],
            None,
            "bytes exact, 0 % of nginx seen (encrypted 100 %)",
        );
    }
}
