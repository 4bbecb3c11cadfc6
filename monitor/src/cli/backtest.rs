//! `monitor backtest`.

mod compared;
mod judged;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use clap::Args;

use self::compared::{Change, Compared, Sides, Totals};
use self::judged::Judged;
use super::failure::Failure;
use super::replay::feed::{Feed, Happening};
use super::replay::read_key;
use super::replay::run::key_or_public;
use super::table::{Column, Mark, Table};
use crate::config::Config;
use crate::pipeline::{Output, Pipeline};
use crate::sinks::json::{Severity, Time, append_line};
use crate::sinks::terminal::{date_and_clock, units};
use crate::time::Timestamp;

/// Say what another configuration would have raised: over captures, or over lines that were recorded with --records
/// http,flow,dns,tls
#[derive(Debug, Args)]
#[command(
    after_help = "Two engines read the files side by side, one as --against says, one as --config says, and their incidents \
and alerts are held against each other by who did what to whom: gone, new, changed (severity, times, count), same.\n\n\
Captures (pcap, pcapng) are read as by `monitor replay`, so everything may differ between the configurations. Recorded lines \
begin where records end: which endpoint was learned, who asked ([identity], [[login]]), for whom proxies spoke ([clients]) \
and what was hidden ([privacy]) is as it was recorded; threat lists, databases, OpenAPI documents, expected events, allow \
rules and everything about detectors is as the configuration says. Lines hold no bodies and no header fields but those that \
records show, and nothing of a detector's that was not recorded can be judged: without flow lines nothing is said of \
destinations, without dns lines nothing of names.\n\nBoth begin with an empty baseline: what is unusual is known after \
[learning] period, unless --baseline gives what was learned before.\n\nExit codes: 0 done, 1 it failed, \
2 usage, 4 a file is damaged or cut, and what could be read was."
)]
pub(super) struct Backtest {
    /// Captures, or files of recorded lines, merged by time; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The configuration to try
    #[arg(long, value_name = "NEW")]
    config: PathBuf,
    /// The one to hold it against; without it the defaults
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,
    /// What was learned before, as `monitor baseline export` wrote it; both begin with it
    #[cfg(feature = "live")]
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Address of the host that was captured, any number of times; goes before `[host] addresses` of NEW. Without either it
    /// is told from the packets
    #[arg(long = "host-ip", value_name = "ADDRESS")]
    host_ips: Vec<IpAddr>,
    /// File of 32 bytes that fingerprints are made with, of captures; without it they are made with a key that everybody
    /// knows
    #[arg(long, value_name = "FILE")]
    identity_key: Option<PathBuf>,
    /// List what is the same, too
    #[arg(long)]
    all: bool,
    /// JSON lines instead of tables: every incident and alert, also what is the same, and the totals at the end
    #[arg(long)]
    json: bool,
}

impl Backtest {
    pub(super) fn run(self) -> Result<(), Failure> {
        let new = Config::read(&self.config)?;
        let old = match &self.against {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let key = self.identity_key.as_deref().map(read_key).transpose()?;
        let mut feed = Feed::open(&self.files, &self.host_ips, &new.host.addresses)?;
        if feed.is_lines() {
            say_what_stays(&old, &new);
        }
        let key = if feed.is_lines() {
            // Nothing is left to make a fingerprint of.
            key.unwrap_or_default()
        } else {
            key_or_public(key)
        };
        let (mut before, mut after) = (Engine::new(&old, key)?, Engine::new(&new, key)?);
        #[cfg(feature = "live")]
        if let Some(path) = &self.baseline {
            let start = feed.start();
            for (detector, rows) in super::baseline::rows::read(path)? {
                for engine in [&mut before, &mut after] {
                    engine.pipeline.import_baseline(detector.as_str(), rows.clone(), start);
                }
            }
        }
        let end = feed.each(|now, happening| {
            before.show(now, happening.clone());
            after.show(now, happening);
        });
        let (before, after) = (before.finish(end), after.finish(end));
        if before.learning > 0 || after.learning > 0 {
            eprintln!(
                "monitor: {} and {} subjects are still being learned ([learning] period): what is unusual for them is not \
                 told yet",
                before.learning, after.learning
            );
        }
        for missing in feed.missing() {
            eprintln!(
                "monitor: there is no `{missing}` record among the lines: what detectors make of them is missing"
            );
        }
        let compared = Compared::new(&before.judged, &after.judged);
        if self.json {
            print_json(&compared)?;
        } else {
            self.print(&compared)?;
        }
        feed.whole()
    }

    fn print(&self, compared: &Compared<'_>) -> io::Result<()> {
        let mut text = format!("{} against ", self.config.display());
        text += &self
            .against
            .as_deref()
            .map_or("the defaults".into(), Path::to_string_lossy);
        for (what, totals) in [
            ("incidents", compared.incident_totals()),
            ("alerts", compared.alert_totals()),
        ] {
            let Totals {
                gone,
                new,
                changed,
                same,
            } = totals;
            let _ = write!(text, "\n{what}: {gone} gone, {new} new, {changed} changed, {same} same");
        }
        writeln!(io::stdout().lock(), "{text}")?;
        let is_listed = |change: Change| self.all || change != Change::Same;
        let mut table = Table::new([
            Column::word("INCIDENT"),
            Column::word("SEVERITY"),
            Column::word("ALERTS"),
            Column::word("COUNT"),
            Column::word("FIRST SEEN"),
            Column::text("TITLE"),
        ]);
        for (change, sides) in compared.incidents.iter().filter(|(change, _)| is_listed(*change)) {
            let cells = [
                change.name().to_owned(),
                both(sides, |story| severity(story.severity)),
                both(sides, |story| story.alerts.to_string()),
                both(sides, |story| story.count.to_string()),
                date_and_clock(Time(sides.any().first_seen)),
                sides.any().title.clone(),
            ];
            table.push(mark(*change), cells);
        }
        if table.len() > 0 {
            writeln!(io::stdout().lock())?;
            table.print()?;
        }
        let mut table = Table::new([
            Column::word("ALERT"),
            Column::word("DETECTOR"),
            Column::word("SEVERITY"),
            Column::word("TIMES"),
            Column::word("COUNT"),
            Column::word("FIRST SEEN"),
            Column::text("WHO"),
            Column::text("WHAT"),
        ]);
        for (change, cause, sides) in compared.alerts.iter().filter(|(change, ..)| is_listed(*change)) {
            let who = cause.actor.as_ref().map(|actor| actor.id.to_string());
            let cells = [
                change.name().to_owned(),
                cause.detector.to_owned(),
                both(sides, |all| severity(all.severity)),
                both(sides, |all| all.times.to_string()),
                both(sides, |all| all.count.to_string()),
                date_and_clock(Time(sides.any().first_seen)),
                who.unwrap_or_default(),
                cause.target_text(),
            ];
            table.push(mark(*change), cells);
        }
        if table.len() > 0 {
            writeln!(io::stdout().lock())?;
            table.print()?;
        }
        if compared.left_out > 0 {
            let left_out = units::count(compared.left_out, "alert");
            eprintln!("monitor: {left_out} too many: not compared");
        }
        Ok(())
    }
}

/// One configuration at work.
struct Engine {
    pipeline: Pipeline,
    step: Output,
    judged: Judged,
}

/// What came of it.
struct Finished {
    judged: Judged,
    learning: u64,
}

impl Engine {
    fn new(config: &Config, key: [u8; 32]) -> Result<Self, Failure> {
        let mut pipeline = Pipeline::new(config, key);
        pipeline.tell_stats_at_the_end_only();
        pipeline.refer(crate::files::read(config)?);
        Ok(Self {
            pipeline,
            step: Output::default(),
            judged: Judged::default(),
        })
    }

    fn show(&mut self, now: Timestamp, happening: Happening) {
        happening.show(now, &mut self.pipeline, &mut self.step);
        self.step.commands.clear();
        self.judged.take(&mut self.step.records);
    }

    fn finish(mut self, end: Timestamp) -> Finished {
        self.pipeline.finish(end, &mut self.step);
        self.judged.take(&mut self.step.records);
        Finished {
            judged: self.judged,
            learning: self.pipeline.stats(end).learning,
        }
    }
}

/// What another configuration says in vain where only records are read.
fn say_what_stays(old: &Config, new: &Config) {
    let changes = old.changes(new);
    let fixed = ["clients", "identity", "login", "privacy"];
    let tables: Vec<&str> = changes
        .restart
        .into_iter()
        .filter(|table| fixed.contains(table))
        .collect();
    if !tables.is_empty() {
        eprintln!(
            "monitor: what [{}] says is in recorded lines as it was when they were recorded: a capture shows what else it would \
             have been",
            tables.join("], [")
        );
    }
}

fn print_json(compared: &Compared<'_>) -> Result<(), Failure> {
    let mut text = Vec::new();
    for line in compared.lines() {
        append_line(&mut text, &line).map_err(|error| Failure::Failed(error.into()))?;
    }
    Ok(io::stdout().lock().write_all(&text)?)
}

/// What was and what would be, once where that is the same.
fn both<T>(sides: &Sides<T>, text: impl Fn(&T) -> String) -> String {
    match (sides.before().map(&text), sides.after().map(&text)) {
        (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => String::new(),
    }
}

fn severity(severity: crate::alert::Severity) -> String {
    Severity::from(severity).name().to_owned()
}

const fn mark(change: Change) -> Mark {
    match change {
        Change::Gone => Mark::Dim,
        Change::Same => Mark::Plain,
        Change::New => Mark::Red,
        Change::Changed => Mark::Yellow,
    }
}
