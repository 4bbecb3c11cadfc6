//! What the screen shows: made of two looks at the daemon, and of what was typed. Knows neither a terminal nor a clock.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::look::Look;
use crate::cli::table::Mark;
use crate::cli::view::percent;
use crate::control::rows::Endpoint;
use crate::control::shape::Status;
use crate::sinks::json::{Direction, Flow, FlowName, Incident, Severity, State as Life};
use crate::sinks::terminal::{self, printable, units};

/// Rows of a pane at most.
const MOST: usize = 200;
/// Characters of captured text that are shown at most.
const WIDEST: usize = 200;

/// The whole screen.
#[derive(Debug, Default)]
pub(super) struct Top {
    /// What was last seen, in words.
    pub(super) head: Vec<(Mark, String)>,
    /// Why nothing new is seen.
    pub(super) trouble: Option<String>,
    pub(super) incidents: Rows<5>,
    pub(super) endpoints: Rows<6>,
    pub(super) flows: Rows<6>,
    /// Flows that live, more than are shown.
    pub(super) flow_count: usize,
    /// The pane that is larger, and that up and down move in.
    pub(super) pane: Pane,
    /// Rows of it that are above its first.
    pub(super) above: usize,
    pub(super) paused: bool,
    pub(super) help: bool,
    before: Before,
}

/// Rows of a pane.
pub(super) type Rows<const N: usize> = Vec<(Mark, [String; N])>;

/// Counts of the look before.
#[derive(Debug, Default)]
struct Before {
    at: Option<Duration>,
    events: u64,
    transactions: u64,
    cpu_ms: u64,
    /// Requests, and those of them that failed on either side.
    endpoints: HashMap<String, [u64; 3]>,
    /// Bytes sent and received.
    flows: HashMap<FlowName, [u64; 2]>,
}

/// A part of the screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Pane {
    #[default]
    Incidents,
    Endpoints,
    Flows,
}

impl Pane {
    const ALL: [Self; 3] = [Self::Incidents, Self::Endpoints, Self::Flows];

    fn step(self, by: usize) -> Self {
        Self::ALL[(self as usize + by) % Self::ALL.len()]
    }
}

/// What a key asks for beside what has become of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Todo {
    Nothing,
    Quit,
}

impl Top {
    /// Whether the daemon is not to be asked.
    pub(super) const fn is_paused(&self) -> bool {
        self.paused
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Todo {
        if key.kind == KeyEventKind::Release {
            return Todo::Nothing;
        }
        let help = std::mem::take(&mut self.help);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Todo::Quit,
            KeyCode::Esc if help => {}
            KeyCode::Char('q') | KeyCode::Esc => return Todo::Quit,
            KeyCode::Char('?' | 'h') => self.help = !help,
            KeyCode::Char('p' | ' ') => self.paused = !self.paused,
            KeyCode::Tab | KeyCode::Right => self.choose(self.pane.step(1)),
            KeyCode::BackTab | KeyCode::Left => self.choose(self.pane.step(Pane::ALL.len() - 1)),
            KeyCode::Down => self.above = (self.above + 1).min(self.rows().saturating_sub(1)),
            KeyCode::Up => self.above = self.above.saturating_sub(1),
            _ => {}
        }
        Todo::Nothing
    }

    fn choose(&mut self, pane: Pane) {
        self.pane = pane;
        self.above = 0;
    }

    fn rows(&self) -> usize {
        match self.pane {
            Pane::Incidents => self.incidents.len(),
            Pane::Endpoints => self.endpoints.len(),
            Pane::Flows => self.flows.len(),
        }
    }

    /// The daemon did not answer; what was seen stays.
    pub(super) fn fail(&mut self, why: &str) {
        self.trouble = Some(printable(why, WIDEST).into_owned());
        // Whoever answers next may be another, whose counts begin anew.
        self.before = Before::default();
    }

    /// The daemon answered, so long after the beginning.
    pub(super) fn see(&mut self, at: Duration, look: &Look) {
        self.trouble = None;
        let seconds = self.before.at.map(|before| at.saturating_sub(before).as_secs_f64());
        let seconds = seconds.filter(|seconds| *seconds > 0.0);
        self.head = self.before.head(seconds, &look.status);
        self.incidents = incidents(look);
        self.endpoints = self.before.endpoints(seconds, &look.endpoints);
        self.flow_count = look.flows.len();
        self.flows = self.before.flows(seconds, look.flows.iter().map(|line| &line.body));
        self.before.at = Some(at);
        self.above = self.above.min(self.rows().saturating_sub(1));
    }
}

/// Those that go on, the worst first.
fn incidents(look: &Look) -> Rows<5> {
    let mut open: Vec<&Incident<'_>> = look
        .incidents
        .iter()
        .map(|line| &line.body)
        .filter(|incident| incident.state != Life::Resolved)
        .collect();
    open.sort_by(|a, b| b.score.total_cmp(&a.score).then(b.last_seen.0.cmp(&a.last_seen.0)));
    let row = |incident: &&Incident<'_>| {
        let mark = match incident.severity {
            Severity::High | Severity::Critical => Mark::Red,
            Severity::Medium => Mark::Yellow,
            Severity::Low => Mark::Plain,
        };
        let cells = [
            incident.severity.name().to_owned(),
            format!("{:.2}", incident.score),
            incident.alerts.len().to_string(),
            terminal::clock(incident.last_seen),
            safe(&format!("{}: {}", incident.title, incident.summary)),
        ];
        (mark, cells)
    };
    open.iter().map(row).collect()
}

impl Before {
    fn head(&mut self, seconds: Option<f64>, status: &Status<'_>) -> Vec<(Mark, String)> {
        let stats = &status.stats;
        let host = status.host.as_deref().unwrap_or("this host");
        let up = units::duration(Duration::from_secs(status.uptime_s));
        let (version, host) = (printable(&status.version, 40), printable(host, 80));
        let mut lines = vec![(
            Mark::Plain,
            format!("monitor {version} on {host}, pid {}, up {up}", status.pid),
        )];
        let events = rate(seconds, stats.events.received, &mut self.events);
        let requests = rate(seconds, stats.http.transactions, &mut self.transactions);
        let mut seen = format!("{} flows", stats.flows.active);
        for (figure, what) in [(requests, "requests/s"), (events, "events/s")] {
            if let Some(figure) = figure {
                // A `String` takes everything.
                let _ = write!(seen, ", {} {what}", few(figure));
            }
        }
        let coverage = stats.coverage;
        let _ = write!(seen, ", {} counted", units::bytes(coverage.counted_bytes));
        if coverage.counted_bytes > 0 {
            let share = percent(coverage.understood_bytes, coverage.counted_bytes);
            let _ = write!(seen, ", {share} understood");
        }
        lines.push((Mark::Plain, seen));
        lines.push(lost(status));
        lines.push(self.cost(seconds, status));
        lines
    }

    fn cost(&mut self, seconds: Option<f64>, status: &Status<'_>) -> (Mark, String) {
        let cpu_ms = status.stats.cpu_ms.unwrap_or(0);
        let whole = cpu_ms as f64 / status.uptime_s.max(1) as f64;
        let now = rate(seconds, cpu_ms, &mut self.cpu_ms);
        let mut text = format!("CPU {:.1} % of a core", now.unwrap_or(whole) / 10.0);
        if let Some(memory) = status.stats.rss_bytes {
            let _ = write!(text, ", {} of memory", units::bytes(memory));
        }
        let Some(budget) = status.cpu_budget else {
            return (Mark::Plain, text);
        };
        let _ = write!(text, "; budget {} % of the host, ", budget.percent);
        if budget.read_percent < 100.0 {
            let _ = write!(text, "used up: {:.1} % of connections are read", budget.read_percent);
            (Mark::Yellow, text)
        } else {
            text += "all is read";
            (Mark::Plain, text)
        }
    }

    /// By the rate of requests since the look before, then by requests.
    fn endpoints(&mut self, seconds: Option<f64>, rows: &[Endpoint<'_>]) -> Rows<6> {
        let mut counts = HashMap::new();
        let mut found: Vec<_> = rows
            .iter()
            .map(|row| {
                let now = [row.requests, row.refused + row.client_errors, row.server_errors];
                let before = self.endpoints.get(&*row.endpoint).copied().unwrap_or_default();
                counts.insert(row.endpoint.to_string(), now);
                let since = [0, 1, 2].map(|i| now[i].saturating_sub(before[i]));
                (if seconds.is_some() { since } else { [0; 3] }, row)
            })
            .collect();
        self.endpoints = counts;
        found.sort_by_key(|(since, row)| Reverse((since[0], row.requests)));
        let row = |(since, row): &([u64; 3], &Endpoint<'_>)| {
            let mark = match since[2] {
                0 => Mark::Plain,
                _ => Mark::Yellow,
            };
            let cells = [
                seconds.map_or_else(String::new, |seconds| few(since[0] as f64 / seconds)),
                percent(since[1], since[0]),
                percent(since[2], since[0]),
                row.latency_p50_us.map(units::micros).unwrap_or_default(),
                row.latency_p99_us.map(units::micros).unwrap_or_default(),
                safe(&row.endpoint),
            ];
            (mark, cells)
        };
        found.iter().take(MOST).map(row).collect()
    }

    /// By bytes since the look before, then by bytes.
    fn flows<'a>(&mut self, seconds: Option<f64>, flows: impl Iterator<Item = &'a Flow<'static>>) -> Rows<6> {
        let mut counts = HashMap::new();
        let mut found: Vec<_> = flows
            .map(|flow| {
                let now = [flow.bytes_sent, flow.bytes_received];
                // One that was not there has moved all of its bytes since, unless it is older.
                let is_new = seconds.is_some_and(|seconds| flow.duration_ms as f64 <= 1_000.0 * seconds);
                let before = self.flows.get(&flow.flow).copied();
                let before = before.unwrap_or(if is_new { [0; 2] } else { now });
                counts.insert(flow.flow, now);
                ([0, 1].map(|i| now[i].saturating_sub(before[i])), flow)
            })
            .collect();
        self.flows = counts;
        found.sort_by_key(|(since, flow)| {
            let all = flow.bytes_sent.saturating_add(flow.bytes_received);
            Reverse((since[0].saturating_add(since[1]), all))
        });
        let row = |(since, flow): &([u64; 2], &Flow<'_>)| {
            let speed = |bytes: u64| match seconds {
                Some(seconds) if bytes > 0 => {
                    // Whole milliseconds, of which there is one at least.
                    let millis = Duration::from_secs_f64(seconds).as_millis().max(1);
                    let a_second = u128::from(bytes) * 1_000 / millis;
                    format!("{}/s", units::bytes(u64::try_from(a_second).unwrap_or(u64::MAX)))
                }
                Some(_) | None => String::new(),
            };
            let cells = [
                speed(since[0]),
                speed(since[1]),
                units::duration(Duration::from_millis(flow.duration_ms)),
                flow.process.as_ref().map(terminal::process).unwrap_or_default(),
                safe(&ends(flow)),
                safe(flow.app.as_deref().unwrap_or_default()),
            ];
            (Mark::Plain, cells)
        };
        found.iter().take(MOST).map(row).collect()
    }
}

fn lost(status: &Status<'_>) -> (Mark, String) {
    let lost = &status.stats.events.lost;
    let causes: Vec<String> = lost
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(cause, count)| format!("{} {count}", printable(cause, 40)))
        .collect();
    if causes.is_empty() {
        (Mark::Plain, "nothing lost".to_owned())
    } else {
        (Mark::Yellow, format!("lost: {}", causes.join(", ")))
    }
}

/// `:443 <- 198.51.100.7:50000`, `-> api.example.test:443`.
fn ends(flow: &Flow<'_>) -> String {
    let remote = flow.remote.as_ref().map_or_else(
        || "?".to_owned(),
        |remote| match &remote.name {
            Some(name) => format!("{name}:{}", remote.port),
            None => SocketAddr::new(remote.ip, remote.port).to_string(),
        },
    );
    let port = flow.local.map_or_else(String::new, |local| format!(":{} ", local.port));
    match flow.direction {
        Some(Direction::Outbound) => format!("-> {remote}"),
        Some(Direction::Inbound | Direction::Local) => format!("{port}<- {remote}"),
        None => format!("{port}-- {remote}"),
    }
}

/// How fast a count grows, a second; keeps it for the next time. Nothing the first time, or after a daemon has begun anew.
fn rate(seconds: Option<f64>, now: u64, before: &mut u64) -> Option<f64> {
    let since = now.checked_sub(std::mem::replace(before, now));
    Some(since? as f64 / seconds?)
}

/// `0`, `3.5`, `120`.
fn few(figure: f64) -> String {
    if figure > 0.0 && figure < 10.0 {
        format!("{figure:.1}")
    } else {
        format!("{figure:.0}")
    }
}

fn safe(text: &str) -> String {
    printable(text, WIDEST).into_owned()
}
