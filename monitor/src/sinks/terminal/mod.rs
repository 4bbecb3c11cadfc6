//! Readable lines for people: one an incident, its alerts with their evidence below, one each for everything else.
//!
//! Captured text is shown with its control characters spelled out, so that nothing on the wire can drive a terminal.

mod alert;
mod incident;
mod line;
mod printable;
mod seen;
mod style;
pub mod units;

pub use alert::{alert, amount};
pub use incident::incident;
pub use line::{dns, flow, http, process, stats, tls};
pub use printable::printable;
pub use seen::seen;
pub use style::Style;

use std::sync::Arc;

use super::json::{Alert, Dns, Flow, Http, Incident, Stats, Time, Tls};
use super::output::Encode;
use crate::record::{Body, Record};
use crate::time::Timestamp;

/// Encodes records as readable lines.
#[derive(Clone, Debug)]
pub struct Terminal {
    style: Style,
    /// The incident that was shown last: what follows of it stands below it.
    incident: Option<Arc<str>>,
}

impl Terminal {
    /// For standard output: in colour unless the environment says otherwise.
    pub fn for_stdout() -> Self {
        Self {
            style: Style::from_environment(),
            incident: None,
        }
    }

    /// In this style.
    pub const fn new(style: Style) -> Self {
        Self { style, incident: None }
    }
}

impl Encode for Terminal {
    fn encode(&mut self, out: &mut Vec<u8>, record: &Record, time: Timestamp) -> Result<(), serde_json::Error> {
        let (time, style) = (Time(time), self.style);
        let text = match &record.body {
            Body::Http(body) => http(style, time, &Http::from(&**body)),
            Body::Flow(body) => flow(style, time, &Flow::from(&**body)),
            Body::Dns(body) => dns(style, time, &Dns::from(&**body)),
            Body::Tls(body) => tls(style, time, &Tls::from(&**body)),
            Body::Alert(body) => {
                let below = body.incident.is_some() && body.incident == self.incident;
                let text = alert(style, time, &Alert::from(&**body), below);
                if below { indented(&text) } else { text }
            }
            Body::Incident(body) => {
                self.incident = Some(Arc::clone(&body.id));
                incident(style, time, &Incident::from(&**body))
            }
            Body::Stats(body) => stats(style, time, &Stats::from(&**body)),
        };
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
        Ok(())
    }
}

/// Two columns further in.
fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Time of day, UTC: enough for someone who watches.
pub fn clock(time: Time) -> String {
    let text = time.0.to_string();
    match text.get(11..19) {
        Some(time_of_day) => format!("{time_of_day}Z"),
        None => text,
    }
}

/// Date and time of day, UTC: for what may be days old.
pub fn date_and_clock(time: Time) -> String {
    let text = time.0.to_string();
    match text.get(..10) {
        Some(date) => format!("{date} {}", clock(time)),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::json::examples::{self, START};

    fn lines(record: &Record) -> String {
        let mut out = Vec::new();
        Terminal::new(Style::PLAIN).encode(&mut out, record, START).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_record_has_a_readable_form() {
        let all: String = examples::every().iter().map(lines).collect();
        insta::assert_snapshot!(all);
    }

    #[test]
    fn alerts_stand_below_their_incident() {
        let mut terminal = Terminal::new(Style::PLAIN);
        let mut shown = |body| {
            let mut out = Vec::new();
            terminal.encode(&mut out, &Record { time: START, body }, START).unwrap();
            String::from_utf8(out).unwrap()
        };
        let alert = || Body::Alert(examples::alert().into());
        assert!(shown(alert()).contains("· of inc-0123456789abcdef ·"));
        assert_eq!(shown(Body::Incident(examples::incident().into())).lines().count(), 1);
        let below = shown(alert());
        assert!(below.lines().all(|line| line.starts_with("  ")), "{below}");
        assert!(!below.contains("inc-"), "{below}");
        let mut other = examples::incident();
        other.id = "inc-2".into();
        shown(Body::Incident(other.into()));
        assert!(shown(alert()).starts_with("22:13:20Z HIGH"));
    }

    #[test]
    fn nothing_captured_reaches_the_terminal_as_a_control() {
        let evil = "a\u{1b}[31m\r\n\u{9b}2J\u{202e}";
        let mut http = examples::http();
        let request = http.request.as_mut().unwrap();
        request.method = evil.into();
        request.path = evil.into();
        request.host = Some(evil.into());
        let mut alert = examples::alert();
        alert.summary = evil.to_owned();
        alert.title = evil.to_owned();
        alert.target.destination = Some(evil.into());
        alert.evidence.observed = crate::alert::Quantity::List(vec![evil.to_owned()]);
        for body in [Body::Http(http.into()), Body::Alert(alert.into())] {
            let text = lines(&Record { time: START, body });
            assert!(
                text.chars().all(|c| c == '\n' || !(c.is_control() || c == '\u{202e}')),
                "{text:?}"
            );
            assert!(text.contains(r"a\u{1b}[31m\r\n\u{9b}2J\u{202e}"), "{text}");
        }
    }
}
