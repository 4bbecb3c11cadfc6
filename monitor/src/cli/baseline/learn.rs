//! `monitor baseline learn`.

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;
use hyper::Method;
use serde::Serialize;

use super::read;
use crate::baseline::merge::merge;
use crate::baseline::{Change, Row};
use crate::cli::failure::Failure;
use crate::cli::replay::feed::Feed;
use crate::cli::replay::read_key;
use crate::config::{Config, Moment, Period};
use crate::control::client::ask;
use crate::control::shape::{self, BaselineRow};
use crate::pipeline::{Output, Pipeline};
use crate::sinks::json::append_line;
use crate::sinks::terminal::units;
use crate::store::{self, Store};
use crate::time::Timestamp;

/// Days of learning that no file ends.
const ALWAYS: u64 = 36_500;
/// File of the fingerprints' key, in a state directory.
const KEY: &str = "identity.key";

/// Take a known good time for normal: out of files, or what the daemon told of then
#[derive(Debug, Args)]
#[command(
    after_help = "With files (captures, or lines recorded with --records http,flow,dns,tls) an engine reads what they hold \
from --from until before --to, all of it without either: everything is learned and nothing is told. What came of it is added \
to what the daemon, or the state directory, knows: what that never saw is new to it; of what both know the one that rests on \
more observations stays. Learning ([learning] period) counts from the first sight of a subject, in these files or before. \
What is far beyond even the lines that hold without a baseline is not learned from, here as ever.\n\nOf captures, --config \
has to say what the daemon's configuration says ([identity], [clients], [[login]], [openapi]), and fingerprints need its key; \
recorded lines have both in them. What [networks] says is needed of both.\n\nWithout files the daemon looks at what it told \
of in that time: destinations, origins and amounts that it keeps from learning until adopt_after are ordinary at once, and \
open alerts that began then end. What it passed over in silence it has learned already; rates, errors and latencies of the \
windows that it told of are gone, and can be learned from files alone.\n\nExit codes: 0 done, 1 it failed, 2 usage, 3 no \
daemon answers, 4 a file is damaged or cut, and what could be read was learned."
)]
pub(super) struct Learn {
    /// Captures, or files of recorded lines, merged by time; `-` is standard input
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// From here on
    #[arg(long, value_name = "DATE|TIME", required_unless_present = "files")]
    from: Option<Moment>,
    /// Until before here
    #[arg(
        long,
        visible_alias = "until",
        value_name = "DATE|TIME",
        required_unless_present = "files"
    )]
    to: Option<Moment>,
    /// Configuration that the files are read with; without one the defaults
    #[arg(long, value_name = "FILE", requires = "files")]
    config: Option<PathBuf>,
    /// Add it to what is kept in this state directory, of a daemon that does not run
    #[arg(long, value_name = "DIR", requires = "files")]
    state: Option<PathBuf>,
    /// Address of the host that was captured, any number of times; goes before `[host] addresses`. Without either it is told
    /// from the packets
    #[arg(long = "host-ip", value_name = "ADDRESS", requires = "files")]
    host_ips: Vec<IpAddr>,
    /// The daemon's key for fingerprints, of captures; without it that of --state, or of the usual state directory
    #[arg(long, value_name = "FILE", requires = "files")]
    identity_key: Option<PathBuf>,
}

/// What one detector learned.
#[derive(Debug, Serialize)]
struct Learned {
    detector: &'static str,
    rows: u64,
}

impl Learn {
    pub(super) async fn run(self, socket: &Path, json: bool) -> Result<(), Failure> {
        let within = self.from.map_or(Timestamp::ZERO, |from| from.0)
            ..self.to.map_or(Timestamp::from_nanos(u64::MAX), |to| to.0);
        if within.is_empty() {
            return Err(Failure::Usage("--to is not after --from".to_owned()));
        }
        if self.files.is_empty() {
            let learn = shape::Learn {
                from: Moment(within.start),
                until: Moment(within.end),
            };
            return adopt(socket, &learn, json).await;
        }
        if self.state.is_none() {
            // Before anything is read: is somebody there to be told?
            ask(socket, Method::GET, "/v1/baseline", Vec::new()).await?;
        }
        let config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let mut feed = Feed::open(&self.files, &self.host_ips, &config.host.addresses)?;
        feed.only(within);
        let key = if feed.is_lines() { [0; 32] } else { self.key()? };
        let rows = learn(config, key, &mut feed)?;
        for missing in feed.missing() {
            eprintln!(
                "monitor: there is no `{missing}` record among the lines: what detectors learn of them is missing"
            );
        }
        let mut told = Vec::new();
        let mut store = self.state.as_deref().map(Store::open).transpose()?;
        if let Some(opened) = &store {
            for notice in &opened.notices {
                eprintln!("monitor: {notice}");
            }
        }
        for (detector, rows) in rows {
            let count = rows.len() as u64;
            match &mut store {
                Some(opened) => {
                    let merged = merge(opened.store.baseline(detector)?, rows);
                    let changes = merged.into_iter().map(Change::Put).collect();
                    opened.store.save_baseline(&[(detector, changes)])?;
                }
                None => send(socket, detector, &rows).await?,
            }
            told.push(Learned { detector, rows: count });
        }
        print(&told, json)?;
        feed.whole()
    }

    fn key(&self) -> Result<[u8; 32], Failure> {
        if let Some(path) = &self.identity_key {
            return read_key(path);
        }
        if let Some(directory) = &self.state {
            // The store makes one where there is none.
            return Ok(Store::open(directory)?.key);
        }
        read_key(&store::directory(None).join(KEY)).map_err(|error| match error {
            Failure::Failed(error) => Failure::Failed(error.context(
                "what is learned of keys and tokens is of use under the daemon's key alone: name it with --identity-key",
            )),
            Failure::Usage(_) | Failure::NoDaemon(_) | Failure::Damaged(_) | Failure::ReaderGone => error,
        })
    }
}

/// What an engine learns of all there is, while nothing is judged.
fn learn(mut config: Config, key: [u8; 32], feed: &mut Feed) -> Result<Vec<(&'static str, Vec<Row>)>, Failure> {
    config.learning.period = Period::from_days(ALWAYS);
    // What is usual is not learned from expected events, and this time is said to be usual.
    config.expected.clear();
    let mut pipeline = Pipeline::new(&config, key);
    pipeline.tell_stats_at_the_end_only();
    pipeline.refer(crate::files::read(&config)?);
    let mut step = Output::default();
    let end = feed.each(|now, happening| {
        happening.show(now, &mut pipeline, &mut step);
        step.records.clear();
        step.commands.clear();
    });
    pipeline.finish(end, &mut step);
    let learned = pipeline.export_baseline().into_iter().map(|(detector, changes)| {
        let rows = changes.into_iter().filter_map(|change| match change {
            Change::Put(row) => Some(row),
            Change::Remove { .. } | Change::Clear => None,
        });
        (detector, rows.collect::<Vec<Row>>())
    });
    let learned: Vec<_> = learned.filter(|(_, rows)| !rows.is_empty()).collect();
    if learned.is_empty() {
        return Err(Failure::Failed(anyhow!(
            "nothing was learned: the files hold nothing of this host within this time"
        )));
    }
    Ok(learned)
}

async fn send(socket: &Path, detector: &'static str, rows: &[Row]) -> Result<(), Failure> {
    let mut body = Vec::new();
    for row in rows {
        append_line(&mut body, &BaselineRow::of(detector, row)).context("a row cannot be written as JSON")?;
    }
    ask(socket, Method::POST, &format!("/v1/baseline/{detector}"), body).await?;
    Ok(())
}

async fn adopt(socket: &Path, learn: &shape::Learn, json: bool) -> Result<(), Failure> {
    let body = serde_json::to_vec(learn).context("it cannot be written as JSON")?;
    let mut answer = ask(socket, Method::POST, "/v1/baseline/learn", body).await?;
    let line = answer.line().await?.unwrap_or_default();
    let mut stdout = io::stdout().lock();
    if json {
        stdout.write_all(&line)?;
        return Ok(stdout.write_all(b"\n")?);
    }
    let learned: shape::Learned<'_> = read(&line)?;
    for of in &learned.detectors {
        writeln!(
            stdout,
            "{}: {} ordinary now",
            of.detector,
            units::count(of.count, "thing")
        )?;
    }
    if learned.detectors.is_empty() {
        writeln!(stdout, "no detector has kept anything of that time from learning")?;
    }
    Ok(writeln!(stdout, "ended: {}", units::count(learned.alerts, "alert"))?)
}

fn print(told: &[Learned], json: bool) -> Result<(), Failure> {
    let mut text = Vec::new();
    for learned in told {
        if json {
            append_line(&mut text, learned).context("it cannot be written as JSON")?;
        } else {
            writeln!(
                text,
                "{}: learned {}",
                learned.detector,
                units::count(learned.rows, "row")
            )?;
        }
    }
    Ok(io::stdout().lock().write_all(&text)?)
}
