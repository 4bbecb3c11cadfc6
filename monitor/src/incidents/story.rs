//! An incident in words: what happened, and what to do next.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use super::member::Member;
use crate::alert::{ActorKind, Severity, Target};

/// Names that a sentence lists; the rest is a number.
const LISTED: usize = 3;
/// The detector that measures how soon an actor comes back in another way.
const REACTION: &str = "attacker_response";

/// What is said of an incident.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Story {
    pub(super) title: String,
    pub(super) summary: String,
    pub(super) advice: String,
    pub(super) reaction_s: Option<f64>,
}

/// What is known of an incident as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts<'a> {
    /// Its alerts in order of their first observations.
    pub(super) members: &'a [&'a Member],
    /// Alerts, those too that are not among them.
    pub(super) alerts: u64,
    /// Addresses in the evidence of all of them; there may be more.
    pub(super) addresses: u64,
    /// Client fingerprints in it.
    pub(super) fingerprints: u64,
    /// How bad it is.
    pub(super) severity: Severity,
}

impl Facts<'_> {
    pub(super) fn tell(&self) -> Story {
        let reaction_s = self
            .members
            .iter()
            .filter(|member| member.detector == REACTION)
            .find_map(|member| member.seconds);
        let advice = self.advice();
        if let [only] = self.members
            && self.alerts == 1
        {
            return Story {
                title: only.title.clone(),
                summary: only.summary.clone(),
                advice,
                reaction_s,
            };
        }
        Story {
            title: self.title(reaction_s),
            summary: self.summary(),
            advice,
            reaction_s,
        }
    }

    /// `credential stuffing, then a far too large response: against POST /login, from 214 addresses with one client
    /// fingerprint; reacted to the block in 40 s`.
    fn title(&self, reaction_s: Option<f64>) -> String {
        let mut steps: Vec<&str> = Vec::new();
        for member in self.members {
            let step = phrase(member.detector);
            // That is said at the end.
            if !steps.contains(&step) && (member.detector != REACTION || reaction_s.is_none()) {
                steps.push(step);
            }
        }
        let (first, then) = steps
            .split_first()
            .map_or(("alerts", &[][..]), |(first, then)| (*first, then));
        let mut title = first.to_owned();
        if !then.is_empty() {
            let _ = write!(title, ", then {}", list(then));
        }
        if let Some(place) = self.place() {
            let _ = write!(title, " against {place}");
        }
        let sources = self.sources();
        if sources > 1 {
            let _ = write!(title, " from {sources} addresses");
            if self.fingerprints == 1 {
                title.push_str(" with one client fingerprint");
            }
        } else if let Some(who) = self.members.iter().find_map(|member| member.actor.as_ref()) {
            let _ = write!(title, " by {}", who.id);
        }
        if let Some(seconds) = reaction_s {
            let _ = write!(title, "; reacted to the block in {seconds:.0} s");
        }
        title
    }

    /// How it began, the worst of it, and how many there are.
    fn summary(&self) -> String {
        let mut detectors: Vec<&str> = self.members.iter().map(|member| member.detector).collect();
        detectors.sort_unstable();
        detectors.dedup();
        let mut summary = format!("{} alerts", self.alerts);
        if let [only] = detectors.as_slice() {
            let _ = write!(summary, " of {only}");
        } else {
            let _ = write!(summary, " of {} detectors", detectors.len());
        }
        let Some(first) = self.members.first() else {
            return summary;
        };
        let _ = write!(summary, "; first: {}", first.summary);
        let worst = self
            .members
            .iter()
            .rev()
            .max_by_key(|member| member.severity)
            .filter(|worst| worst.id != first.id);
        if let Some(worst) = worst {
            let _ = write!(summary, "; gravest: {}", worst.summary);
        }
        summary
    }

    /// Where most of it happens.
    fn place(&self) -> Option<Arc<str>> {
        let named = |target: &Target| {
            let Target {
                endpoint,
                destination,
                process,
                file,
            } = target;
            [endpoint, destination, file, process]
                .into_iter()
                .flatten()
                .next()
                .cloned()
        };
        self.members.iter().find_map(|member| named(&member.target))
    }

    /// Sources that are known: those in the evidence, or as many as an alert counted.
    fn sources(&self) -> u64 {
        let counted = self.members.iter().filter_map(|member| member.sources).max();
        self.addresses.max(counted.unwrap_or(0))
    }

    /// What to do next: about credentials first, then sources, then where it goes.
    fn advice(&self) -> String {
        let (mut identities, mut sources, mut programs) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let (mut outbound, mut files) = (BTreeSet::new(), BTreeSet::new());
        for member in self.members {
            if let Some(actor) = &member.actor {
                match actor.kind {
                    ActorKind::Account | ActorKind::Key | ActorKind::Token | ActorKind::Session => {
                        identities.insert(&*actor.id);
                    }
                    ActorKind::Ip
                    | ActorKind::Network
                    | ActorKind::Asn
                    | ActorKind::Organization
                    | ActorKind::Country => {
                        sources.insert(&*actor.id);
                    }
                    ActorKind::Fingerprint | ActorKind::UserAgent => {
                        programs.insert(&*actor.id);
                    }
                    ActorKind::Process => {}
                }
            }
            if let Some(destination) = &member.target.destination {
                outbound.insert(&**destination);
            }
            if let Some(file) = &member.target.file {
                files.insert(&**file);
            }
        }
        let some = |names: &BTreeSet<&str>| {
            let shown: Vec<&str> = names.iter().copied().take(LISTED).collect();
            match names.len() - shown.len() {
                0 => list(&shown),
                more => format!("{} and {more} more", shown.join(", ")),
            }
        };
        let mut steps = Vec::new();
        if self.severity == Severity::Low {
            let who: BTreeSet<&str> = [&identities, &sources, &programs, &outbound, &files]
                .into_iter()
                .flatten()
                .copied()
                .collect();
            if !who.is_empty() {
                return format!("Find out whether {} is known here, and allow it if it is.", some(&who));
            }
        }
        if !identities.is_empty() {
            steps.push(format!(
                "lock or renew {} and end what is logged in with it",
                some(&identities)
            ));
        }
        if !programs.is_empty() {
            steps.push(format!(
                "refuse the client that writes its requests like {}, since its addresses change",
                some(&programs)
            ));
        } else if !sources.is_empty() {
            steps.push(format!("block {}", some(&sources)));
        }
        if !outbound.is_empty() {
            steps.push(format!(
                "cut this host off from {} and look at what was sent there",
                some(&outbound)
            ));
        }
        if !files.is_empty() {
            steps.push(format!("compare {} with what was delivered", some(&files)));
        }
        if steps.is_empty() {
            let place = self.place();
            let place = place.as_deref().unwrap_or("this host");
            steps.push(format!("look at the service behind {place} and at who asks it now"));
        }
        let mut advice = steps.join("; ");
        if let Some(first) = advice.get(..1).map(str::to_uppercase) {
            advice.replace_range(..1, &first);
        }
        advice.push('.');
        advice
    }
}

/// `a`, `a and b`, `a, b and c`.
fn list(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// What a detector's alerts are about, for the middle of a sentence.
fn phrase(detector: &str) -> &str {
    match detector {
        "account_anomaly" => "an account used as never before",
        "attacker_response" => "evasion of a block",
        "auth_failures" => "failed logins",
        "beaconing" => "regular call-backs",
        "client_fingerprint" => "a client in disguise",
        "credential_sharing" => "a shared credential",
        "credential_stuffing" => "credential stuffing",
        "dns_tunnel" => "data in DNS names",
        "enumeration" => "enumeration of objects",
        "error_surge" => "a surge of errors",
        "exfiltration" => "exfiltration",
        "file_integrity" => "a changed file",
        "flow_misuse" => "calls out of their order",
        "latency_shift" => "slow answers",
        "listed_source" => "an address on a threat list",
        "log_pattern" => "failed logins in logs",
        "request_anomaly" => "malformed requests",
        "request_forgery" => "calls that a request named",
        "request_rate" => "a surge of requests",
        "response_volume" => "far too large responses",
        "scraping" => "scraping",
        "shadow_endpoint" => "an endpoint that nobody documents",
        "timeouts" => "requests without answers",
        "unknown_credential" => "credentials never seen",
        "unknown_destination" => "a new destination",
        "unusual_origin" => "an unusual origin",
        "user_agent" => "a suspicious user agent",
        other => other,
    }
}
