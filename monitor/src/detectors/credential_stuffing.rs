//! `credential_stuffing`: many accounts tried and not let in, or one account tried from everywhere.

mod accounts;
mod common;
mod doc;
mod settings;
mod subject;
mod tell;
#[cfg(test)]
mod tests;

pub use doc::DOC;
pub use settings::Settings;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use self::common::{Program, Programs};
use self::doc::{ACCOUNT, MOST_ACCOUNTS, MOST_NETWORKS, MOST_PROGRAMS, MOST_SOURCES, NETWORK, PROGRAM, SOURCE};
use self::subject::{OfAccount, Subject};
use super::{Detector, DetectorDoc};
use crate::baseline::recent::Recent;
use crate::baseline::source::Source;
use crate::baseline::tail::Line;
use crate::config::Config;
use crate::enrich::identity::attempt::Attempt;
use crate::enrich::identity::{Identity, IdentityKind, IdentitySource};
use crate::finding::Finding;
use crate::observation::Observation;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// How long an account counts among those tried.
const WINDOW: Duration = Duration::from_hours(24);
/// How often what is over is swept out, and what was held back is told.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Sources behind a network or program: with fewer each is told by itself.
const FEW_SOURCES: u64 = 3;
/// Share of those with one more source that have yet another (see the page).
const ONE_MORE_SOURCE: f64 = 0.5;

/// The detector.
#[derive(Debug)]
pub struct CredentialStuffing {
    source_line: Line,
    network_line: Line,
    program_line: Line,
    account_line: u64,
    sources: Recent<Source, Subject<64>>,
    networks: Recent<IpNet, Subject<64>>,
    programs: Recent<Program, Subject<256>>,
    accounts: Recent<Arc<str>, OfAccount>,
    /// What those who were let in asked with.
    good: Programs<16>,
    next_sweep: Option<Timestamp>,
}

/// A login, or what shows a password in another way.
struct Login<'a> {
    now: Timestamp,
    address: IpAddr,
    source: Source,
    account: &'a Identity,
    record: &'a Arc<HttpRecord>,
}

impl CredentialStuffing {
    /// As `config` says.
    pub fn new(config: &Config) -> Self {
        let budget = super::budget(config);
        let share = config.rates.industry_login_failure;
        // With this correlation the rates of subjects differ by a standard deviation of the mean.
        let rho = share / (1.0 - share);
        let line = |test| Line::new(share, rho, budget.alpha(test, DOC.tests));
        let alpha = budget.alpha(&ACCOUNT, DOC.tests);
        let account_line = (1u32..1_000).find(|more| f64::from(*more) * ONE_MORE_SOURCE.ln() <= alpha.ln());
        Self {
            source_line: line(&SOURCE),
            network_line: line(&NETWORK),
            program_line: line(&PROGRAM),
            account_line: account_line.map_or(u64::MAX, |more| u64::from(more) + 1),
            sources: Recent::new(MOST_SOURCES, WINDOW),
            networks: Recent::new(MOST_NETWORKS, WINDOW),
            programs: Recent::new(MOST_PROGRAMS, WINDOW),
            accounts: Recent::new(MOST_ACCOUNTS, WINDOW),
            good: Programs::default(),
            next_sweep: None,
        }
    }

    fn let_in(&mut self, login: &Login<'_>, findings: &mut Vec<Finding>) {
        // Of Basic, which is in every request, the first on a connection stands for a login.
        if login.record.login.is_some() || login.record.turn == 1 {
            self.good.add(&Program::of(login.record));
        }
        if self.accounts.is_empty() && self.sources.is_empty() {
            return;
        }
        let (now, name) = (login.now, &login.account.id);
        if let Some(known) = self.accounts.see(now, name) {
            known.let_in(now, login.source);
        }
        if let Some(known) = self.sources.see(now, &login.source)
            && known.let_in(now, name)
        {
            return self.tell_source(now, login.source, Some(login.record), true, findings);
        }
        if let Some(network) = network(login.address)
            && let Some(known) = self.networks.see(now, &network)
            && known.let_in(now, name)
        {
            return self.tell_network(now, network, Some(login.record), true, findings);
        }
        let program = Program::of(login.record);
        if let Some(known) = self.programs.see(now, &program)
            && known.let_in(now, name)
        {
            self.tell_program(now, &program, Some(login.record), true, findings);
        }
    }

    fn refused(&mut self, login: &Login<'_>, findings: &mut Vec<Finding>) {
        let now = login.now;
        self.next_sweep.get_or_insert(now + SWEEP_EVERY);
        let program = Program::of(login.record);
        let known = self
            .sources
            .see_or_make(now, &login.source, || Subject::new(login), Subject::weight);
        let host = IpNet::from(login.address);
        known.refused(login, host, &program);
        let is_beyond = known.is_beyond(now, &mut self.source_line);

        let network = network(login.address);
        let mut network_is_beyond = false;
        if let Some(network) = network {
            let known = self
                .networks
                .see_or_make(now, &network, || Subject::new(login), Subject::weight);
            known.refused(login, host, &program);
            network_is_beyond =
                !is_beyond && known.is_spread(FEW_SOURCES) && known.is_beyond(now, &mut self.network_line);
        }
        let known = self
            .programs
            .see_or_make(now, &program, || Subject::new(login), Subject::weight);
        known.refused(login, network.unwrap_or(host), &program);
        let program_is_beyond = !is_beyond
            && !network_is_beyond
            && known.is_spread(FEW_SOURCES)
            && known.is_beyond(now, &mut self.program_line);

        let known = self
            .accounts
            .see_or_make(now, &login.account.id, || OfAccount::new(login), OfAccount::weight);
        known.refused(login, &program);
        let account_is_beyond = known.failed_from(now) >= self.account_line;

        // The narrowest that is beyond its line.
        if is_beyond {
            self.tell_source(now, login.source, Some(login.record), false, findings);
        } else if account_is_beyond {
            self.tell_account(now, &login.account.id, Some(login.record), findings);
        } else if network_is_beyond && let Some(network) = network {
            self.tell_network(now, network, Some(login.record), false, findings);
        } else if program_is_beyond {
            self.tell_program(now, &program, Some(login.record), false, findings);
        }
    }
}

impl Detector for CredentialStuffing {
    fn doc(&self) -> &'static DetectorDoc {
        &DOC
    }

    fn observe(&mut self, observation: &Observation, findings: &mut Vec<Finding>) {
        let record = match observation {
            Observation::Transaction(record) => record,
            Observation::Flow(_) | Observation::Announced(_) | Observation::Lookup(_) => return,
        };
        let Some(account) = shows_password(&record.identity) else {
            return;
        };
        let (Some(attempt), Some(client)) = (Attempt::of(record), &record.client) else {
            return;
        };
        let login = Login {
            now: record.start + Duration::from_micros(record.duration_us),
            address: client.ip,
            source: client.ip.into(),
            account,
            record,
        };
        match attempt {
            Attempt::Accepted => self.let_in(&login, findings),
            Attempt::Refused => self.refused(&login, findings),
            Attempt::Expired | Attempt::Asked => {}
        }
    }

    fn expire(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
        self.sources.expire(now);
        self.networks.expire(now);
        self.programs.expire(now);
        self.accounts.expire(now);
        self.next_sweep = (!self.programs.is_empty()).then(|| now + SWEEP_EVERY);
    }

    fn finish(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.tell_held_back(now, findings);
    }

    fn next_timeout(&self) -> Option<Timestamp> {
        self.next_sweep
    }

    fn left_out(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("stuffing_sources_evicted", self.sources.evicted()),
            ("stuffing_networks_evicted", self.networks.evicted()),
            ("stuffing_programs_evicted", self.programs.evicted()),
            ("stuffing_accounts_evicted", self.accounts.evicted()),
        ]
    }
}

/// The account that shows its password here, which one in a token does not.
#[inline]
fn shows_password(identities: &[Identity]) -> Option<&Identity> {
    identities.iter().find(|identity| {
        identity.kind == IdentityKind::Account
            && matches!(identity.source, IdentitySource::Login | IdentitySource::Basic)
    })
}

/// What is usually given to one customer as a whole: /24 of IPv4, /48 of IPv6 (RFC 6177).
fn network(address: IpAddr) -> Option<IpNet> {
    let address = address.to_canonical();
    let prefix = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, prefix).ok().map(|network| network.trunc())
}
