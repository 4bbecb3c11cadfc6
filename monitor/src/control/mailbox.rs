//! What may be asked of the engine's thread. It answers between two batches of events, so a query never waits for long
//! and never finds anything half changed.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::sync::{broadcast, oneshot};

use super::Refusal;
use super::shape::{CpuBudget, Facility};
use crate::alert::Alert;
use crate::allow::{AllowRule, Origin, RuleError};
use crate::baseline::Row;
use crate::baseline::budget::Allotment;
use crate::baseline::knowledge::{Knowledge, Sought};
use crate::config::{Changes, Config};
use crate::detectors::DetectorName;
use crate::enrich::reference::Reference;
use crate::expected::{EventError, ExpectedEvent};
use crate::incident::Incident;
use crate::record::{Record, StatsRecord};
use crate::sinks::json::RecordType;
use crate::store::Summary;
use crate::time::Timestamp;
use crate::views::{Rows, View};

/// Questions that wait: far more than connections, so that it is full only when the engine hangs.
const QUESTIONS: usize = 256;

/// How long an answer may take. A batch of events takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became ordinary of a time in which all was well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Things that detectors had told of, and kept from learning.
    pub detectors: Vec<(&'static str, u64)>,
    /// Open alerts that ended.
    pub alerts: usize,
}

/// One question with the way back.
#[derive(Debug)]
pub enum Ask {
    /// How it goes.
    Status(oneshot::Sender<StatusAnswer>),
    /// The flows that live.
    Flows {
        /// Whether what comes later is wanted too.
        follow: bool,
        /// The way back.
        reply: oneshot::Sender<Recent>,
    },
    /// The latest records of a type that is kept: requests, or alerts and incidents with those that are open.
    Recent {
        /// Which.
        kind: RecordType,
        /// Whether what comes later is wanted too.
        follow: bool,
        /// The way back.
        reply: oneshot::Sender<Recent>,
    },
    /// Sums by subject.
    View {
        /// Which.
        view: View,
        /// The way back.
        reply: oneshot::Sender<Option<Rows>>,
    },
    /// One alert, open or lately resolved.
    Alert {
        /// Its id, or enough of its beginning.
        id: String,
        /// The way back.
        reply: oneshot::Sender<(Timestamp, Option<Arc<Alert>>)>,
    },
    /// One incident, open or lately resolved, with its alerts.
    Incident {
        /// Its id, or enough of its beginning.
        id: String,
        /// The way back.
        reply: oneshot::Sender<(Timestamp, Option<Told>)>,
    },
    /// The allow rules in force.
    AllowList(oneshot::Sender<Vec<(String, Origin, AllowRule)>>),
    /// One more.
    AllowAdd {
        /// The rule.
        rule: Box<AllowRule>,
        /// The way back: its id, and how many open alerts it ended.
        reply: oneshot::Sender<Result<(String, usize), RuleError>>,
    },
    /// One less.
    AllowRemove {
        /// Its id.
        id: String,
        /// The way back.
        reply: oneshot::Sender<Result<AllowRule, RuleError>>,
    },
    /// What is kept of each detector's baseline.
    BaselineSummaries(oneshot::Sender<Result<Vec<Summary>, String>>),
    /// A detector's baseline.
    Baseline {
        /// Its name.
        detector: DetectorName,
        /// The way back.
        reply: oneshot::Sender<Result<Vec<Row>, String>>,
    },
    /// What detectors know of a subject.
    Known {
        /// Whom or what.
        subject: Sought,
        /// The way back: what each knows, by name.
        reply: oneshot::Sender<Vec<(&'static str, Knowledge)>>,
    },
    /// Another baseline for a detector.
    BaselineReplace {
        /// Its name.
        detector: DetectorName,
        /// All that it knows from now on.
        rows: Vec<Row>,
        /// The way back.
        reply: oneshot::Sender<Result<(), String>>,
    },
    /// What was learned in a time is forgotten.
    BaselineForget {
        /// Whose; all detectors' without it.
        detector: Option<DetectorName>,
        /// From when; from the beginning without it.
        from: Option<Timestamp>,
        /// Until before when; all without it.
        until: Option<Timestamp>,
        /// The way back: how many rows.
        reply: oneshot::Sender<Result<usize, String>>,
    },
    /// What was learned elsewhere, for a detector.
    BaselineMerge {
        /// Its name.
        detector: DetectorName,
        /// What it is given beside what it has.
        rows: Vec<Row>,
        /// The way back: how many rows it has then.
        reply: oneshot::Sender<Result<usize, String>>,
    },
    /// A time in which all was well.
    BaselineAdopt {
        /// From when.
        from: Timestamp,
        /// Until before when.
        until: Timestamp,
        /// The way back.
        reply: oneshot::Sender<Result<Adopted, String>>,
    },
    /// Another configuration.
    Reload {
        /// What it says.
        config: Box<Config>,
        /// What the files say that it names.
        reference: Reference,
        /// The way back: what is different, or why nothing is.
        reply: oneshot::Sender<Result<Changes, String>>,
    },
    /// The events that are expected.
    ExpectList(oneshot::Sender<Vec<Listed>>),
    /// One more.
    ExpectAdd {
        /// The event.
        event: Box<ExpectedEvent>,
        /// The way back: its id, and how many open alerts it ended.
        reply: oneshot::Sender<Result<(String, usize), EventError>>,
    },
    /// One less.
    ExpectRemove {
        /// Its id.
        id: String,
        /// The way back.
        reply: oneshot::Sender<Result<ExpectedEvent, EventError>>,
    },
}

/// How it goes.
#[derive(Debug)]
pub struct StatusAnswer {
    /// The engine's time.
    pub now: Timestamp,
    /// What a `stats` record would say.
    pub stats: StatsRecord,
    /// What the capture has.
    pub capture: Vec<Facility<'static>>,
    /// How the false-alarm budget is divided.
    pub budget: Vec<Allotment>,
    /// How the daemon's own CPU time is bounded.
    pub cpu_budget: CpuBudget,
    /// The events that are expected, and what they covered.
    pub expected: Vec<Listed>,
}

/// An expected event as it is listed.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// Where it came from.
    pub origin: Origin,
    /// The event.
    pub event: ExpectedEvent,
    /// Findings that it covered.
    pub covered: u64,
}

/// An incident, and those of its alerts that are known yet, in order of time.
#[derive(Debug)]
pub struct Told {
    /// The incident.
    pub incident: Arc<Incident>,
    /// Its alerts.
    pub alerts: Vec<Arc<Alert>>,
}

/// Records up to now, and the way to those that follow without a gap or a repetition between.
#[derive(Debug)]
pub struct Recent {
    /// The engine's time.
    pub now: Timestamp,
    /// In order of time.
    pub records: Vec<Record>,
    /// What follows, if that was asked for.
    pub live: Option<broadcast::Receiver<Record>>,
}

/// Where questions are put.
#[derive(Clone, Debug)]
pub struct Mailbox(SyncSender<Ask>);

impl Mailbox {
    /// A mailbox, and the engine's end of it.
    pub fn new() -> (Self, Receiver<Ask>) {
        let (sender, receiver) = sync_channel(QUESTIONS);
        (Self(sender), receiver)
    }

    /// Puts a question and waits for the answer.
    pub async fn ask<T>(&self, question: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        match self.0.try_send(question(reply)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => return Err(Refusal::unavailable()),
        }
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) | Err(_) => Err(Refusal::unavailable()),
        }
    }
}
