//! A daemon that is stopped and started again twice a day, with what it had learned: where all is well nothing is told.

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor::baseline::{Change, Row};
use monitor::config::Config;
use monitor::pipeline::{Output, Pipeline};
use monitor::record::{Body, Record};
use monitor::sinks::json::read_line;
use monitor::time::Timestamp;
use monitor_tests::daemon::binary;
use monitor_tests::scenarios::replay::{detectors, records};
use monitor_tests::scenarios::scenario::{Scenario, Size};
use monitor_tests::scenarios::truth::Truth;
use tempfile::TempDir;

/// Fixed: what fails here fails everywhere.
const SEED: u64 = 3;

/// What was told: of each cause (detector, actor and target) how many alerts; and how many incidents.
#[derive(Debug, Default, PartialEq)]
struct Told {
    alerts: BTreeMap<String, usize>,
    incidents: usize,
}

/// A scenario as it is recorded.
struct Recording {
    config: Config,
    lines: Vec<(Timestamp, Body)>,
    truth: Truth,
    /// Where the files are that the configuration names.
    _folder: TempDir,
}

impl Recording {
    fn new(name: &str) -> Self {
        let binary = binary();
        let built = detectors(&binary).expect("the binary names its detectors");
        let all = Scenario::all(Size::Small, SEED);
        let scenario = all.into_iter().find(|scenario| scenario.name() == name);
        let folder = tempfile::tempdir().expect("a temporary directory");
        let written = scenario
            .expect("there is one")
            .write(SEED, &built, folder.path())
            .expect("it is written");
        let types = "http,flow,dns,tls";
        let text = records(&binary, &written.configuration, &written.capture, types).expect("it is replayed");
        let read = |line: &str| {
            let recorded = read_line(line.as_bytes()).expect("a record");
            Some((recorded.time, recorded.body?))
        };
        Self {
            config: Config::read(&written.configuration).expect("a configuration"),
            lines: text.lines().filter_map(read).collect(),
            truth: written.truth,
            _folder: folder,
        }
    }

    /// What is told by an engine that is stopped and started again at these times.
    fn told(&self, stops: &[Timestamp]) -> Told {
        let mut pipeline = self.engine();
        let (mut out, mut stops) = (Output::default(), stops.iter().copied().peekable());
        // Of a stop in between the baseline alone is left.
        let mut kept = Kept::default();
        let mut records = Vec::new();
        for (time, body) in &self.lines {
            while let Some(stop) = stops.next_if(|stop| stop <= time) {
                pipeline.finish(stop, &mut out);
                kept.save(&mut pipeline);
                pipeline = self.engine();
                kept.give_back(&mut pipeline, *time);
            }
            pipeline.retell(*time, body.clone(), &mut out);
            records.append(&mut out.records);
        }
        let end = self.lines.last().expect("lines").0;
        pipeline.finish(end, &mut out);
        records.append(&mut out.records);
        Told::of(records)
    }

    fn engine(&self) -> Pipeline {
        let mut pipeline = Pipeline::new(&self.config, [7; 32]);
        pipeline.tell_stats_at_the_end_only();
        pipeline.refer(monitor::files::read(&self.config).expect("the files that it names"));
        pipeline
    }
}

/// What the store would hold.
#[derive(Default)]
struct Kept(BTreeMap<&'static str, Rows>);

/// By subject and member.
type Rows = BTreeMap<(Arc<str>, Arc<str>), Row>;

impl Kept {
    fn save(&mut self, pipeline: &mut Pipeline) {
        for (detector, changes) in pipeline.export_baseline() {
            let rows = self.0.entry(detector).or_default();
            for change in changes {
                match change {
                    Change::Put(row) => {
                        rows.insert((row.subject.clone(), row.member.clone()), row);
                    }
                    Change::Remove { subject, member } => {
                        rows.remove(&(subject, member));
                    }
                    Change::Clear => rows.clear(),
                }
            }
        }
    }

    fn give_back(&self, pipeline: &mut Pipeline, now: Timestamp) {
        for (detector, rows) in &self.0 {
            pipeline.import_baseline(detector, rows.values().cloned().collect(), now);
        }
    }
}

impl Told {
    fn of(records: Vec<Record>) -> Self {
        let (mut alerts, mut incidents) = (BTreeMap::new(), BTreeMap::new());
        for record in records {
            match record.body {
                Body::Alert(alert) => {
                    let cause = format!("{} {:?} {:?}", alert.detector, alert.actor, alert.target);
                    alerts.insert(alert.id.clone(), cause);
                }
                Body::Incident(incident) => {
                    incidents.insert(incident.id.clone(), incident.merged_into.is_none());
                }
                Body::Http(_) | Body::Flow(_) | Body::Dns(_) | Body::Tls(_) | Body::Stats(_) => {}
            }
        }
        let mut told = Self {
            alerts: BTreeMap::new(),
            incidents: incidents.values().filter(|stands| **stands).count(),
        };
        for cause in alerts.into_values() {
            *told.alerts.entry(cause).or_default() += 1;
        }
        told
    }
}

#[test]
fn restarts_make_no_alert_where_all_is_well() {
    let recording = Recording::new("benign-offices");
    let Truth { start, end, .. } = recording.truth;
    let stops: Vec<Timestamp> = (1..6)
        .map(|n| Timestamp::from_nanos(start + (end - start) / 6 * n))
        .collect();
    let told = recording.told(&stops);
    assert_eq!(told, Told::default(), "five restarts");
}
