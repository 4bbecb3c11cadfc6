//! How fast captures are replayed, and in how much memory.

mod process;
pub mod traffic;

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use self::process::{Cost, run};
use self::traffic::Shape;
use crate::daemon;
use crate::host::find;

/// How much is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Transactions of the shorter captures; the longer ones have four times as many.
    pub transactions: u64,
    /// Each measurement is the best of so many.
    pub rounds: u32,
    /// Where captures are kept while they are used.
    pub directory: PathBuf,
}

/// One line of the result.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was read.
    pub shape: Shape,
    /// Transactions in it.
    pub transactions: u64,
    /// Its size.
    pub bytes: u64,
    /// What the replay with its default outputs took.
    pub replay: Cost,
    /// What it took with every transaction written as a record.
    pub written: Cost,
    /// Most memory of a capture four times as long.
    pub longer_rss_kib: u64,
    /// Suricata on the same file, its start taken off; absent where it is not installed.
    pub suricata: Option<Cost>,
}

impl Figure {
    /// Transactions a second of CPU time.
    pub fn rate(&self, cost: Cost) -> f64 {
        self.transactions as f64 / cost.cpu_s.max(0.01)
    }
}

/// Makes captures, replays them, and says what that took.
pub fn measure(plan: &Plan) -> Result<Vec<Figure>> {
    fs::create_dir_all(&plan.directory)?;
    Shape::ALL.into_iter().map(|shape| measure_one(plan, shape)).collect()
}

fn measure_one(plan: &Plan, shape: Shape) -> Result<Figure> {
    // As many bytes as of the others, or thereabouts.
    let transactions = if shape == Shape::Mixed {
        plan.transactions / 16
    } else {
        plan.transactions
    };
    let short = Capture::make(plan, shape, transactions)?;
    let told = best(plan, || replay(&short, "stats", transactions))?;
    let written = best(plan, || replay(&short, "http,stats", transactions))?;
    let suricata = match find("suricata") {
        Some(program) => Some(best(plan, || suricata(&program, plan, &short))?),
        None => None,
    };
    let bytes = short.bytes;
    drop(short);
    let long = Capture::make(plan, shape, 4 * transactions)?;
    let longer_rss_kib = replay(&long, "stats", 4 * transactions)?.rss_kib;
    Ok(Figure {
        shape,
        transactions,
        bytes,
        replay: told,
        written,
        longer_rss_kib,
        suricata,
    })
}

fn best(plan: &Plan, mut one: impl FnMut() -> Result<Cost>) -> Result<Cost> {
    let mut costs = (0..plan.rounds.max(1)).map(|_| one()).collect::<Result<Vec<_>>>()?;
    costs.sort_by(|a, b| a.cpu_s.total_cmp(&b.cpu_s));
    Ok(costs[0])
}

/// A file that is gone when dropped.
struct Capture {
    path: PathBuf,
    bytes: u64,
}

impl Capture {
    fn make(plan: &Plan, shape: Shape, transactions: u64) -> Result<Self> {
        let path = plan.directory.join(format!("{}-{transactions}.pcap", shape.name()));
        let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let bytes = traffic::write(&mut BufWriter::with_capacity(1 << 20, file), shape, transactions)?;
        Ok(Self { path, bytes })
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Replays it, and sees that nothing was left out.
fn replay(capture: &Capture, records: &str, transactions: u64) -> Result<Cost> {
    let output = capture.path.with_extension("jsonl");
    let _ = fs::remove_file(&output);
    let mut command = Command::new(daemon::binary());
    command
        .args(["replay", "--host-ip", traffic::HOST, "--records", records, "--output"])
        .arg(&output)
        .arg(&capture.path);
    let cost = run(&mut command)?;
    let text = fs::read_to_string(&output)?;
    fs::remove_file(&output)?;
    let stats: Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let told = stats.pointer("/http/transactions").and_then(Value::as_u64);
    let incomplete = stats.pointer("/http/incomplete").and_then(Value::as_u64);
    ensure!(
        told == Some(transactions) && incomplete == Some(0),
        "{}: {transactions} transactions are in it, and the replay tells {stats}",
        capture.path.display()
    );
    Ok(cost)
}

/// Suricata on the same file, less what it takes for a file of one transaction.
fn suricata(program: &Path, plan: &Plan, capture: &Capture) -> Result<Cost> {
    let least = Capture::make(plan, Shape::KeepAlive, 1)?;
    let logs = plan.directory.join("suricata");
    let on = |capture: &Capture| -> Result<Cost> {
        let _ = fs::remove_dir_all(&logs);
        fs::create_dir_all(&logs)?;
        let mut command = Command::new(program);
        command.args(["-S", "/dev/null", "-k", "none", "--runmode", "single", "-l"]);
        command.arg(&logs).arg("-r").arg(&capture.path);
        let cost = run(&mut command);
        let _ = fs::remove_dir_all(&logs);
        cost
    };
    let (start, whole) = (on(&least)?, on(capture)?);
    Ok(Cost {
        cpu_s: (whole.cpu_s - start.cpu_s).max(0.0),
        ..whole
    })
}

/// The figures as a table.
pub fn table(figures: &[Figure]) -> String {
    let mut lines = vec![format!(
        "{:12} {:>9} {:>7} {:>11} {:>8} {:>12} {:>9} {:>9} {:>13}",
        "capture", "requests", "MB", "requests/s", "MB/s", "written/s", "MiB", "MiB of 4x", "suricata CPU"
    )];
    for figure in figures {
        let suricata = figure.suricata.map_or("not here".to_owned(), |cost| {
            format!("{:.1} x", cost.cpu_s / figure.replay.cpu_s.max(0.01))
        });
        lines.push(format!(
            "{:12} {:>9} {:>7} {:>11.0} {:>8.0} {:>12.0} {:>9.1} {:>9.1} {:>13}",
            figure.shape.name(),
            figure.transactions,
            figure.bytes / 1_000_000,
            figure.rate(figure.replay),
            figure.bytes as f64 / 1e6 / figure.replay.cpu_s.max(0.01),
            figure.rate(figure.written),
            figure.replay.rss_kib as f64 / 1024.0,
            figure.longer_rss_kib as f64 / 1024.0,
            suricata,
        ));
    }
    lines.push(
        "a second is one of CPU time, user and system together; written: every transaction as a JSON line".to_owned(),
    );
    lines.join("\n")
}
