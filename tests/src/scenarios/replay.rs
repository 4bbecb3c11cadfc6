//! The monitor, run over a capture, and what it says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use monitor::enrich::identity::Settings as Identity;
use monitor::enrich::privacy::{Privacy, Settings};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What fingerprints are made with, so that those of the truth's secrets are known.
const KEY: [u8; 32] = *b"scenarios: a key for fingerprint";

/// An alert as it was in the end. Times are nanoseconds since 1970.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// Its id.
    pub id: String,
    /// Who says so.
    pub detector: String,
    /// How bad.
    pub severity: String,
    /// What, in a line.
    pub title: String,
    /// What, in a sentence.
    pub summary: String,
    /// Kind and name of who it is about.
    pub actor: Option<(String, String)>,
    /// What it was done to: endpoint, destination, and so on.
    pub targets: Vec<String>,
    /// Clients of the samples in its evidence.
    pub samples: Vec<IpAddr>,
    /// Where the flows of the samples in its evidence go.
    #[serde(default)]
    pub reached: Vec<IpAddr>,
    /// When it was first told.
    pub told: u64,
    /// First observation that counts.
    pub first_seen: u64,
    /// Last observation that counts.
    pub last_seen: u64,
    /// Records of it that were written.
    pub records: u64,
}

/// What a replay gave.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Alerts, by time.
    pub alerts: Vec<Alert>,
    /// Incidents: ids of the alerts in each. Absent where the monitor makes none.
    pub incidents: Option<Vec<Vec<String>>>,
    /// The lines themselves.
    pub lines: String,
}

/// Detectors that this binary has: it says so itself.
pub fn detectors(monitor: &Path) -> Result<Vec<String>> {
    let output = Command::new(monitor)
        .args(["config", "default"])
        .output()
        .with_context(|| format!("cannot run {}", monitor.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("[detectors.")?.strip_suffix(']'));
    let names: Vec<String> = names.map(str::to_owned).collect();
    ensure!(!names.is_empty(), "{} names no detector", monitor.display());
    Ok(names)
}

/// Replays a capture with this configuration.
pub fn replay(monitor: &Path, configuration: &Path, capture: &Path) -> Result<Told> {
    let lines = records(monitor, configuration, capture, "alert,incident")?;
    parse(lines)
}

/// The records of these types.
pub fn records(monitor: &Path, configuration: &Path, capture: &Path, types: &str) -> Result<String> {
    let key = configuration.with_file_name("identity.key");
    std::fs::write(&key, KEY)?;
    let output = Command::new(monitor)
        .args(["replay", "--records", types, "--config"])
        .arg(configuration)
        .arg("--identity-key")
        .arg(&key)
        .arg(capture)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", monitor.display()))?;
    ensure!(
        output.status.success(),
        "{} replay {}: {}: {}",
        monitor.display(),
        capture.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8(output.stdout).context("records are no UTF-8")
}

/// What stands for a secret in records, without the kind before it.
pub fn fingerprint(secret: &str) -> String {
    let privacy = Privacy::new(KEY, &Settings::default(), &Identity::default());
    let shown = privacy.fingerprint("secret", secret.as_bytes());
    shown.rsplit(':').next().unwrap_or_default().to_owned()
}

fn parse(lines: String) -> Result<Told> {
    let mut alerts: BTreeMap<String, Alert> = BTreeMap::new();
    let mut incidents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
        let id = text(&record, "/id");
        match record["type"].as_str() {
            Some("alert") => {
                let told = time(&record, "/time")?;
                let fresh = alert(&record, told)?;
                alerts
                    .entry(id)
                    .and_modify(|old| {
                        *old = Alert {
                            told: old.told,
                            records: old.records + 1,
                            ..fresh.clone()
                        };
                    })
                    .or_insert(fresh);
            }
            Some("incident") if record.get("merged_into").is_some() => {
                incidents.remove(&id);
            }
            Some("incident") => {
                let of = record["alerts"].as_array().into_iter().flatten();
                incidents.insert(id, of.filter_map(|id| Some(id.as_str()?.to_owned())).collect());
            }
            Some(_) | None => {}
        }
    }
    let mut alerts: Vec<Alert> = alerts.into_values().collect();
    alerts.sort_by_key(|alert| alert.told);
    Ok(Told {
        alerts,
        incidents: (!incidents.is_empty()).then(|| incidents.into_values().collect()),
        lines,
    })
}

fn alert(record: &Value, told: u64) -> Result<Alert> {
    let actor = record.get("actor").filter(|actor| actor.is_object());
    let targets = record["target"].as_object().into_iter().flatten();
    let samples = record
        .pointer("/evidence/samples")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let addresses = |pointer: &str| {
        let of = |sample: &Value| sample.pointer(pointer)?.as_str()?.parse().ok();
        samples.clone().filter_map(of).collect()
    };
    Ok(Alert {
        id: text(record, "/id"),
        detector: text(record, "/detector"),
        severity: text(record, "/severity"),
        title: text(record, "/title"),
        summary: text(record, "/summary"),
        actor: actor.map(|actor| (text(actor, "/kind"), text(actor, "/id"))),
        targets: targets
            .filter_map(|(_, target)| Some(target.as_str()?.to_owned()))
            .collect(),
        samples: addresses("/client/ip"),
        reached: addresses("/remote/ip"),
        told,
        first_seen: time(record, "/first_seen")?,
        last_seen: time(record, "/last_seen")?,
        records: 1,
    })
}

fn text(record: &Value, pointer: &str) -> String {
    record
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn time(record: &Value, pointer: &str) -> Result<u64> {
    let text = text(record, pointer);
    let time: jiff::Timestamp = text.parse().with_context(|| format!("{pointer} is `{text}`"))?;
    Ok(time.as_nanosecond() as u64)
}
