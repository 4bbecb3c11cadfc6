//! `monitor status`.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use hyper::Method;

use super::allow::now;
use super::expect;
use super::facilities;
use super::failure::Failure;
use super::listing::{read, runtime};
use super::table::{Column, Mark, Table};
use crate::config::Moment;
use crate::control::client::ask;
use crate::control::shape::{self, FacilityState};
use crate::sinks::terminal::{Style, printable, units};

/// Show how the daemon goes: what it sees, what it lost, what it costs
#[derive(Debug, Args)]
pub(super) struct Status {
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(super) fn run(&self, socket: &Path) -> Result<(), Failure> {
        let line = runtime()?.block_on(async {
            let mut answer = ask(socket, Method::GET, "/v1/status", Vec::new()).await?;
            answer.line().await
        })?;
        let line = line.unwrap_or_default();
        if self.json {
            let mut stdout = io::stdout().lock();
            stdout.write_all(&line)?;
            return Ok(stdout.write_all(b"\n")?);
        }
        let status: shape::Status<'_> = read(&line)?;
        io::stdout()
            .lock()
            .write_all(overview(&status, Style::from_environment()).as_bytes())?;
        if !status.budget.is_empty() {
            budget(&status).print()?;
            println!();
        }
        if !status.expected.is_empty() {
            expect::table(&status.expected, Moment(now()?)).print()?;
            println!();
        }
        outputs(&status).print()?;
        let mended: Vec<_> = status
            .capture
            .into_iter()
            .chain(status.confinement)
            .filter(|f| f.state != FacilityState::Ok)
            .collect();
        if !mended.is_empty() {
            println!();
            facilities::table(&mended).print()?;
        }
        Ok(())
    }
}

fn overview(status: &shape::Status<'_>, style: Style) -> String {
    let stats = &status.stats;
    let host = status.host.as_deref().unwrap_or("this host");
    let mut text = format!(
        "{} {} on {}, pid {}, up {}\n",
        style.bold("monitor"),
        printable(&status.version, 40),
        printable(host, 80),
        status.pid,
        units::duration(Duration::from_secs(status.uptime_s)),
    );
    let mut row = |name: &str, what: String| {
        // A `String` takes everything.
        let _ = writeln!(text, "  {name:<13} {what}");
    };
    let lost: u64 = stats.events.lost.values().sum();
    row(
        "events",
        format!(
            "{} received, {}",
            stats.events.received,
            by_cause(lost, &stats.events.lost, "lost", style)
        ),
    );
    if !stats.events.left_out.is_empty() {
        let total = stats.events.left_out.values().sum();
        row(
            "left out",
            by_cause(total, &stats.events.left_out, "by design or bound", Style::PLAIN),
        );
    }
    let flows = stats.flows;
    row(
        "flows",
        format!("{} live, {} seen, {} evicted", flows.active, flows.total, flows.evicted),
    );
    row(
        "transactions",
        format!("{}, {} incomplete", stats.http.transactions, stats.http.incomplete),
    );
    let coverage = stats.coverage;
    let share = (coverage.counted_bytes > 0)
        .then(|| 100.0 * coverage.understood_bytes as f64 / coverage.counted_bytes as f64)
        .map_or_else(String::new, |percent| format!(", {percent:.0} % understood"));
    row(
        "payload",
        format!("{} counted{share}", units::bytes(coverage.counted_bytes)),
    );
    row(
        "alerts",
        format!(
            "{} raised, {}; {} still learning",
            stats.alerts,
            units::count(stats.incidents, "incident"),
            units::count(stats.learning, "subject")
        ),
    );
    let cpu = stats.cpu_ms.unwrap_or(0);
    let percent = cpu as f64 / 10.0 / status.uptime_s.max(1) as f64;
    let memory = stats
        .rss_bytes
        .map_or_else(String::new, |n| format!(", {} of memory", units::bytes(n)));
    row(
        "cost",
        format!(
            "{} of CPU ({percent:.1} % of a core){memory}",
            units::micros(cpu * 1_000)
        ),
    );
    if let Some(budget) = status.cpu_budget.filter(|budget| budget.read_percent < 100.0) {
        let said = format!(
            "used up ({} % of the host): {:.1} % of connections are read, of the others bytes, ends and owners are told",
            budget.percent, budget.read_percent
        );
        row("CPU budget", style.yellow(said));
    }
    for held in &status.confinement {
        if held.state == FacilityState::Ok {
            let detail = held.detail.as_deref().unwrap_or_default();
            row(&held.name, printable(detail, 400).to_string());
        }
    }
    text.push('\n');
    text
}

fn by_cause(
    total: u64,
    causes: &std::collections::BTreeMap<crate::sinks::json::Text<'_>, u64>,
    word: &str,
    style: Style,
) -> String {
    let causes: Vec<String> = causes.iter().map(|(cause, n)| format!("{cause} {n}")).collect();
    let text = format!("{total} {word}");
    if causes.is_empty() {
        text
    } else {
        style.yellow(format!("{text} ({})", causes.join(", ")))
    }
}

/// How the false-alarm budget is divided: alpha = part of the detector / tests a week.
fn budget(status: &shape::Status<'_>) -> Table<6> {
    let mut table = Table::new([
        Column::word("DETECTOR"),
        Column::text("TESTS"),
        Column::number("SUBJECTS"),
        Column::number("EVERY"),
        Column::number("TESTS A WEEK"),
        Column::number("ALPHA"),
    ]);
    for part in &status.budget {
        let cells = [
            part.detector.to_string(),
            part.test.to_string(),
            part.subjects.to_string(),
            units::duration(Duration::from_secs(part.step_s)),
            format!("{:.0}", part.tests_per_week),
            format!("{:.1e}", part.alpha),
        ];
        table.push(Mark::Plain, cells);
    }
    table
}

fn outputs(status: &shape::Status<'_>) -> Table<5> {
    let mut table = Table::new([
        Column::text("OUTPUT"),
        Column::word("RECORDS"),
        Column::number("WRITTEN"),
        Column::number("LOST"),
        Column::number("WAITING"),
    ]);
    for output in &status.outputs {
        let mark = if output.failing { Mark::Red } else { Mark::Plain };
        let cells = [
            output.place.to_string(),
            output.records.to_string(),
            output.written.to_string(),
            output.lost.to_string(),
            output.waiting.to_string(),
        ];
        table.push(mark, cells);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::json::examples::{self, START};
    use crate::sinks::json::{Stats, Text, Time};

    #[test]
    fn an_overview_for_people() {
        let stats = examples::stats();
        let status = shape::Status {
            version: Text::Borrowed("0.1.0"),
            pid: 7,
            host: Some(Text::Borrowed("api-1")),
            started: Time(START),
            uptime_s: 100,
            stats: Stats::from(&stats),
            capture: Vec::new(),
            confinement: Vec::new(),
            budget: Vec::new(),
            cpu_budget: None,
            expected: Vec::new(),
            outputs: Vec::new(),
        };
        insta::assert_snapshot!(overview(&status, Style::PLAIN));
    }

    #[test]
    fn the_budget_is_a_table() {
        let stats = examples::stats();
        let part = crate::baseline::budget::Allotment {
            detector: "auth_failures",
            test: crate::baseline::budget::Test {
                name: "failures of a source",
                subjects: 10_000,
                step: Duration::from_mins(5),
            },
            per_week: 20_160_000.0,
            alpha: 1.24e-8,
        };
        let status = shape::Status {
            version: Text::Borrowed("0.1.0"),
            pid: 7,
            host: None,
            started: Time(START),
            uptime_s: 100,
            stats: Stats::from(&stats),
            capture: Vec::new(),
            confinement: Vec::new(),
            budget: vec![part.into()],
            cpu_budget: None,
            expected: Vec::new(),
            outputs: Vec::new(),
        };
        insta::assert_snapshot!(budget(&status).render(None, Style::PLAIN));
    }
}
