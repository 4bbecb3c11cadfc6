//! Which destinations each program is known to reach.

use std::sync::Arc;
use std::time::Duration;

use super::Settings;
use crate::baseline::first_seen::{FirstSeen, Limits, Mark, Member, Terms, Verdict};
use crate::baseline::names::{family, grown_family, is_under, parents};
use crate::baseline::program::Subject;
use crate::observation::Destination;
use crate::time::Timestamp;

/// Programs and destinations held: about 150 bytes a destination, 5 MB in all. Hosts run tens of programs that call
/// out, and one with more than 256 destinations mostly roams.
const LIMITS: Limits = Limits {
    subjects: 2_048,
    members: 256,
    total: 32_768,
};
/// Destinations reached only once within a week that make a program a roaming one: each of them would have been an
/// alert, one every five hours.
const ROAMING: usize = 32;
const WEEK: Duration = Duration::from_hours(7 * 24);
/// The subject of DNS flows: the host as a whole.
const RESOLVERS: &str = "resolvers";

/// The sets of destinations. Members are names (`*.parent` for a family) and networks.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) sets: FirstSeen,
}

/// Whoever asks for names on this host.
pub(super) fn resolvers() -> Subject {
    Subject {
        own: Arc::from(RESOLVERS),
        kin: None,
    }
}

/// What the destination is called in the sets.
pub(super) fn member_of(to: &Destination) -> Arc<str> {
    to.name.clone().unwrap_or_else(|| to.network.to_string().into())
}

impl Known {
    pub(super) fn new(period: Duration, settings: &Settings) -> Self {
        let terms = Terms {
            period,
            floor: settings.floor,
            adopt: *settings.adopt_after,
            forget: *settings.forget_after,
        };
        Self {
            sets: FirstSeen::new(LIMITS, terms),
        }
    }

    /// What is known of the program, and where that is too little of its kin; and which of the two says so.
    pub(super) fn verdict<'s>(&self, now: Timestamp, subject: &'s Subject, to: &Destination) -> (Verdict, &'s str) {
        // A host has a resolver: the first one is taken as given.
        if &*subject.own == RESOLVERS && self.sets.observations(RESOLVERS) == 0 {
            return (Verdict::Learning, RESOLVERS);
        }
        match (self.verdict_of(now, &subject.own, to), &subject.kin) {
            (Verdict::Learning | Verdict::Newcomer, Some(kin)) => (self.verdict_of(now, kin, to), kin),
            (verdict, _) => (verdict, &subject.own),
        }
    }

    /// Takes in that the program reaches this.
    pub(super) fn learn(&mut self, now: Timestamp, subject: &Subject, to: &Destination) {
        for subject in both(subject) {
            self.learn_of(now, subject, to);
        }
    }

    /// Takes in that an alert tells of this.
    pub(super) fn tell(&mut self, now: Timestamp, subject: &Subject, to: &Destination) {
        let member = member_of(to);
        for subject in both(subject) {
            self.sets.note(now, subject, &member, Mark::Told);
        }
    }

    /// Whether `subject` reaches so many places only once that a new one says nothing.
    pub(super) fn is_roaming(&self, now: Timestamp, subject: &str) -> bool {
        let lately = self.seen_once(subject).filter(|first| now.since(*first) < WEEK);
        lately.take(ROAMING).count() == ROAMING
    }

    /// Flows of `subject`, and destinations among them that were reached once.
    pub(super) fn history(&self, subject: &str) -> (u64, u64) {
        (self.sets.observations(subject), self.seen_once(subject).count() as u64)
    }

    /// Programs there are.
    pub(super) fn programs(&self) -> u64 {
        self.sets.subjects() as u64
    }

    /// All that the program, or one of its kin, is known to reach.
    pub(super) fn destinations<'s>(&'s self, subject: &'s Subject) -> impl Iterator<Item = (&'s str, &'s Member)> {
        both(subject)
            .flat_map(|subject| self.sets.members(subject))
            .filter(|(_, member)| member.mark == Mark::Seen)
    }

    fn verdict_of(&self, now: Timestamp, subject: &str, to: &Destination) -> Verdict {
        let verdict = self.sets.judge(now, subject, &member_of(to));
        let Some(name) = &to.name else {
            return verdict;
        };
        let covered = || {
            self.known_family(subject, name).is_some()
                || self.sets.mark(subject, &to.network.to_string()) == Some(Mark::Seen)
        };
        if verdict != Verdict::Known && covered() {
            Verdict::Known
        } else {
            verdict
        }
    }

    fn known_family(&self, subject: &str, name: &str) -> Option<String> {
        parents(name)
            .map(family)
            .find(|family| self.sets.mark(subject, family) == Some(Mark::Seen))
    }

    fn learn_of(&mut self, now: Timestamp, subject: &str, to: &Destination) {
        let network = to.network.to_string();
        let Some(name) = &to.name else {
            return self.sets.note(now, subject, &network, Mark::Seen);
        };
        if self.sets.mark(subject, name) == Some(Mark::Seen) {
            self.sets.note(now, subject, name, Mark::Seen);
        } else if let Some(family) = self.known_family(subject, name) {
            self.sets.note(now, subject, &family, Mark::Seen);
        } else {
            self.sets.note(now, subject, name, Mark::Seen);
            self.fold_family(subject, name);
        }
        self.sets.note(now, subject, &network, Mark::Implied);
    }

    /// Makes one destination of `name` and its siblings once there are enough of them.
    fn fold_family(&mut self, subject: &str, name: &str) {
        let seen = self
            .sets
            .members(subject)
            .filter(|(_, member)| member.mark == Mark::Seen);
        let grown = grown_family(name, &seen.map(|(name, _)| name));
        if let Some(parent) = grown {
            let belongs = |name: &str| is_under(name.trim_start_matches("*."), parent);
            self.sets.merge(subject, &family(parent), belongs);
        }
    }

    /// First sights of the destinations that were reached once.
    fn seen_once(&self, subject: &str) -> impl Iterator<Item = Timestamp> {
        let members = self.sets.members(subject).map(|(_, member)| member);
        members
            .filter(|member| member.mark == Mark::Seen && member.count == 1)
            .map(|member| member.first)
    }
}

fn both(subject: &Subject) -> impl Iterator<Item = &str> {
    [Some(&subject.own), subject.kin.as_ref()]
        .into_iter()
        .flatten()
        .map(|subject| &**subject)
}
