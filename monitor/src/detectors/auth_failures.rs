//! `auth_failures`: a surge of refused requests and failed logins.

mod doc;
mod settings;
mod subject;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustc_hash::FxBuildHasher;

use self::doc::{ACCOUNT, ASKED, ENDPOINT, MOST_ACCOUNTS, MOST_ENDPOINTS, MOST_SOURCES, PERSON, SLOW, SOURCE};
use self::subject::{OfAccount, OfEndpoint, OfSource, Tally};
use super::{Detector, DetectorDoc};
use crate::baseline::distinct::Distinct;
use crate::baseline::majority::Majority;
use crate::baseline::recent::Recent;
use crate::baseline::sliding::Sliding;
use crate::baseline::source::Source;
use crate::baseline::tail::{Line, least, poisson};
use crate::config::Config;
use crate::enrich::identity::attempt::Attempt;
use crate::enrich::identity::login::LoginOutcome;
use crate::enrich::identity::{Identity, IdentityKind, IdentitySource};
use crate::finding::Finding;
use crate::finding::occurrence::Added;
use crate::observation::Observation;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// The windows.
const FAST: Duration = Duration::from_mins(10);
const LONG: Duration = Duration::from_hours(6);
/// How often what is over is swept out, and what was held back is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Refusals of a credential that was accepted before, in a row, by which a client learns that it has expired: a few
/// requests are under way at once.
const EXPIRED_IN_A_ROW: u32 = 3;
/// Refusals without credentials that a source may have in 10 minutes: a probe a second, which is the shortest period that
/// Kubernetes takes.
const ASKED_MEAN: f64 = 600.0;
/// Of people whose login failed, the share that fail again at the next try (see the page).
const FAILS_AGAIN: f64 = 0.77;
/// Accounts that may be those of people who have forgotten their passwords.
const FEW_ACCOUNTS: usize = 2;
/// Sources from which an account fails: fewer may be one person's devices after the password was changed.
const SOURCES_OF_ACCOUNT: u64 = 4;
/// Sources that fail at an endpoint: fewer are told one by one.
const SOURCES_OF_ENDPOINT: u64 = 5;

/// The detector.
#[derive(Debug)]
pub struct AuthFailures {
    source_line: Line,
    slow_line: Line,
    account_line: Line,
    endpoint_line: Line,
    person_line: u32,
    asked_line: u32,
    sources: Recent<Source, OfSource>,
    accounts: Recent<Arc<str>, OfAccount>,
    endpoints: Recent<Arc<str>, OfEndpoint>,
    next_sweep: Option<Timestamp>,
}

/// What a request says to this detector.
struct Seen<'a> {
    now: Timestamp,
    source: Source,
    address: IpAddr,
    endpoint: Option<&'a Arc<str>>,
    /// The account that wants in, if one does.
    account: Option<&'a Identity>,
    record: &'a Arc<HttpRecord>,
}

impl AuthFailures {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let share = config.rates.industry_login_failure;
        // With this correlation the rates of subjects differ by a standard deviation of the mean.
        let rho = share / (1.0 - share);
        let line = |test| Line::new(share, rho, budget.alpha(test, DOC.tests));
        let person_alpha = budget.alpha(&PERSON, DOC.tests);
        let asked_alpha = budget.alpha(&ASKED, DOC.tests);
        let asked_line = least(asked_alpha, 1 << 20, |count| poisson(count, ASKED_MEAN));
        Self {
            source_line: line(&SOURCE),
            slow_line: line(&SLOW),
            account_line: line(&ACCOUNT),
            endpoint_line: line(&ENDPOINT),
            person_line: (1u32..10_000)
                .find(|failures| f64::from(*failures) * FAILS_AGAIN.ln() <= person_alpha.ln())
                .unwrap_or(u32::MAX),
            asked_line: u32::try_from(asked_line).unwrap_or(u32::MAX),
            sources: Recent::new(MOST_SOURCES, LONG),
            accounts: Recent::new(MOST_ACCOUNTS, LONG),
            endpoints: Recent::new(MOST_ENDPOINTS, FAST),
            next_sweep: None,
        }
    }

    fn attempt(&mut self, attempt: Attempt, record: &Arc<HttpRecord>, findings: &mut Vec<Finding>) {
        let Some(address) = record.client.as_ref().map(|client| client.ip) else {
            return;
        };
        let seen = Seen {
            now: record.start + Duration::from_micros(record.duration_us),
            source: address.into(),
            address,
            endpoint: record.request.as_ref().and_then(|request| request.endpoint.as_ref()),
            account: account(&record.identity),
            record,
        };
        match attempt {
            Attempt::Accepted => self.accepted(&seen, findings),
            Attempt::Refused => self.failed(&seen, false, findings),
            Attempt::Expired => {
                let in_a_row = self.sources.see(seen.now, &seen.source).map_or(0, |known| {
                    known.expired_in_a_row = known.expired_in_a_row.saturating_add(1);
                    known.expired_in_a_row
                });
                if in_a_row > EXPIRED_IN_A_ROW {
                    self.failed(&seen, true, findings);
                } else {
                    // Known from now on, so that they can be counted.
                    self.source(&seen).expired_in_a_row = in_a_row.max(1);
                }
            }
            Attempt::Asked => self.asked(&seen, findings),
        }
    }

    /// Counts on the other side, where something has failed before.
    fn accepted(&mut self, seen: &Seen<'_>, findings: &mut Vec<Finding>) {
        let one = Tally {
            tried: 1,
            ..Tally::default()
        };
        let now = seen.now;
        if let Some(known) = self.sources.see(now, &seen.source) {
            *known.fast.at(now) += one;
            *known.slow.at(now) += one;
            known.expired_in_a_row = 0;
            if let Some(account) = seen.account
                && seen.record.login == Some(LoginOutcome::Success)
                && known.broken.is_none()
                && known.occurrence.is_open(now, DOC.quiet)
                && known.has_failed(hash(&account.id))
            {
                known.broken = Some(Arc::clone(&account.id));
                self.tell_source(now, seen.source, Some(seen.record), true, findings);
            }
        }
        if let Some(account) = seen.account
            && let Some(known) = self.accounts.see(now, &account.id)
        {
            *known.window.at(now) += one;
            known.proven = true;
        }
        if let Some(endpoint) = seen.endpoint
            && let Some(known) = self.endpoints.see(now, endpoint)
        {
            *known.window.at(now) += one;
        }
    }

    fn failed(&mut self, seen: &Seen<'_>, expired: bool, findings: &mut Vec<Finding>) {
        self.next_sweep.get_or_insert(seen.now + SWEEP_EVERY);
        let now = seen.now;
        let one = Tally {
            tried: 1,
            failed: 1,
            asked: 0,
        };
        let known = self.source(seen);
        known.slow.slide(now);
        let before = known.slow.sum();
        let in_window = before.failed > 0 || before.asked > 0;
        let added = known.occurrence.add(now, DOC.quiet, in_window);
        if added == Added::BeginsAnew {
            known.fast = Sliding::new(SOURCE.step);
            known.slow = Sliding::new(SLOW.step);
        }
        if added != Added::GoesOn {
            (known.plain, known.broken) = (0, None);
            known.forget_failed();
            known.endpoint = seen.endpoint.cloned();
        }
        *known.fast.at(now) += one;
        *known.slow.at(now) += one;
        known.plain += u64::from(!expired);
        if known.endpoint.as_ref() != seen.endpoint {
            known.endpoint = None;
        }
        match seen.account {
            Some(account) => known.note_failed(hash(&account.id)),
            None => known.others += 1,
        }
        let told = self.tell_source(now, seen.source, Some(seen.record), false, findings);
        if let Some(account) = seen.account {
            self.failed_for(account, seen, one, told, findings);
        }
        if let Some(endpoint) = seen.endpoint {
            self.failed_at(endpoint, seen, one, told, findings);
        }
    }

    fn failed_for(&mut self, account: &Identity, seen: &Seen<'_>, one: Tally, told: bool, findings: &mut Vec<Finding>) {
        let now = seen.now;
        let known = self.accounts.see_or_make(
            now,
            &account.id,
            || OfAccount::new(now, seen.endpoint),
            |known| u64::from(known.window.sum().failed),
        );
        known.window.slide(now);
        let in_window = known.window.sum().failed > 0;
        if known.occurrence.add(now, DOC.quiet, in_window) == Added::BeginsAnew {
            known.window = Sliding::new(ACCOUNT.step);
            known.sources = Distinct::default();
        }
        *known.window.at(now) += one;
        known.proven |= !account.unproven;
        known.sources.see(now, LONG, &seen.source);
        if !told {
            self.tell_account(now, &account.id, Some(seen.record), findings);
        }
    }

    fn failed_at(&mut self, endpoint: &Arc<str>, seen: &Seen<'_>, one: Tally, told: bool, findings: &mut Vec<Finding>) {
        let now = seen.now;
        let known = self.endpoints.see_or_make(
            now,
            endpoint,
            || OfEndpoint::new(now),
            |known| u64::from(known.window.sum().failed),
        );
        known.window.slide(now);
        let in_window = known.window.sum().failed > 0;
        if !in_window {
            known.majority = Majority::default();
        }
        *known.window.at(now) += one;
        known.occurrence.add(now, DOC.quiet, in_window);
        known.sources.see(now, FAST, &seen.source);
        known.majority.add(seen.source);
        if !told {
            self.tell_endpoint(now, endpoint, Some(seen.record), findings);
        }
    }

    /// A request without credentials: the first at an endpoint is a failure like any other.
    fn asked(&mut self, seen: &Seen<'_>, findings: &mut Vec<Finding>) {
        let now = seen.now;
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let known = self.source(seen);
        let door = seen
            .record
            .request
            .as_ref()
            .and_then(|request| match &request.endpoint {
                // One that nobody was ever let through has no endpoint of its own.
                Some(endpoint) if !endpoint.ends_with('*') => Some(&**endpoint),
                Some(_) => Some(request.path.as_str()),
                None => None,
            });
        let is_new = door.is_some_and(|door| known.asked_at.see(now, LONG, door));
        if is_new {
            return self.failed(seen, false, findings);
        }
        let one = Tally {
            asked: 1,
            ..Tally::default()
        };
        *known.fast.at(now) += one;
        let many = known.fast.sum().asked >= self.asked_line;
        if many {
            let known = self.source(seen);
            known.occurrence.add(now, DOC.quiet, true);
            known.plain += 1;
            self.tell_source(now, seen.source, Some(seen.record), false, findings);
        }
    }

    fn source(&mut self, seen: &Seen<'_>) -> &mut OfSource {
        let known = self.sources.see_or_make(
            seen.now,
            &seen.source,
            || OfSource::new(seen.now, seen.address, seen.endpoint),
            OfSource::weight,
        );
        known.only &= known.address == seen.address;
        known
    }
}

impl Detector for AuthFailures {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        match observation {
            Observation::Transaction(record) => {
                if let Some(attempt) = Attempt::of(record) {
                    self.attempt(attempt, record, findings);
                }
            }
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
        self.sources.expire(now);
        self.accounts.expire(now);
        self.endpoints.expire(now);
        let is_empty = self.sources.is_empty() && self.accounts.is_empty() && self.endpoints.is_empty();
        self.next_sweep = (!is_empty).then(|| now + SWEEP_EVERY);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("failing_sources_evicted", self.sources.evicted()),
            ("failing_accounts_evicted", self.accounts.evicted()),
            ("failing_endpoints_evicted", self.endpoints.evicted()),
        ]
    }
}

/// The account that shows its password here, which one in a token does not.
fn account(identities: &[Identity]) -> Option<&Identity> {
    identities.iter().find(|identity| {
        identity.kind == IdentityKind::Account
            && matches!(identity.source, IdentitySource::Login | IdentitySource::Basic)
    })
}

fn hash(account: &str) -> u64 {
    FxBuildHasher.hash_one(account)
}
