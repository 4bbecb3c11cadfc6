//! What is kept of a source, network or program, and of an account.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::accounts::{Accounts, Count};
use super::common::{Program, Programs};
use super::doc::DOC;
use super::{Login, WINDOW};
use crate::baseline::distinct::{Distinct, Sampled};
use crate::baseline::majority::Majority;
use crate::baseline::source::Source;
use crate::baseline::tail::Line;
use crate::finding::occurrence::{Added, Occurrence};
use crate::time::Timestamp;

/// Accounts that are named; a person reads five.
const MOST_NAMED: usize = 5;

/// Who tries accounts. At most 2.5 KB with 64 accounts.
#[derive(Debug)]
pub(super) struct Subject<const N: usize> {
    accounts: Accounts<N>,
    sources: Distinct<32>,
    /// Of sources in a network, of networks behind a program.
    majority: Majority<IpNet>,
    pub(super) programs: Programs<4>,
    pub(super) occurrence: Occurrence,
    /// An address of it, and whether there was no other.
    pub(super) address: IpAddr,
    pub(super) only: bool,
    /// The endpoint, while there is one alone.
    pub(super) endpoint: Option<Arc<str>>,
    /// Accounts that failed and were let in while the occurrence went on.
    pub(super) broken: Vec<Arc<str>>,
}

impl<const N: usize> Subject<N> {
    pub(super) fn new(login: &Login<'_>) -> Self {
        Self {
            accounts: Accounts::default(),
            sources: Distinct::default(),
            majority: Majority::default(),
            programs: Programs::default(),
            occurrence: Occurrence::new(login.now),
            address: login.address,
            only: true,
            endpoint: login
                .record
                .request
                .as_ref()
                .and_then(|request| request.endpoint.clone()),
            broken: Vec::new(),
        }
    }

    pub(super) fn refused(&mut self, login: &Login<'_>, part: IpNet, program: &Program) {
        let in_window = self.accounts.count(login.now).failed > 0;
        match self.occurrence.add(login.now, DOC.quiet, in_window) {
            Added::GoesOn => {}
            Added::Begins => {
                self.programs = Programs::default();
                self.broken.clear();
            }
            Added::BeginsAnew => {
                let occurrence = self.occurrence;
                *self = Self {
                    occurrence,
                    ..Self::new(login)
                };
            }
        }
        if !in_window {
            self.majority = Majority::default();
        }
        self.accounts.see(login.now, &login.account.id, false);
        self.sources.see(login.now, WINDOW, &login.source);
        self.majority.add(part);
        self.programs.add(program);
        self.only &= self.address == login.address;
        let endpoint = login
            .record
            .request
            .as_ref()
            .and_then(|request| request.endpoint.as_ref());
        if self.endpoint.as_ref() != endpoint {
            self.endpoint = None;
        }
    }

    /// An account is let in; whether that is one that failed, in an occurrence that was told of.
    pub(super) fn let_in(&mut self, now: Timestamp, account: &Arc<str>) -> bool {
        let failed = self.occurrence.is_open(now, DOC.quiet) && self.accounts.has_failed(account);
        self.accounts.see(now, account, true);
        if failed && self.broken.len() < MOST_NAMED {
            self.broken.push(Arc::clone(account));
        }
        failed
    }

    pub(super) fn count(&mut self, now: Timestamp) -> Count {
        self.accounts.count(now)
    }

    pub(super) fn is_beyond(&mut self, now: Timestamp, line: &mut Line) -> bool {
        let (tried, failed) = self.count(now).sampled;
        failed >= line.at(tried)
    }

    /// Whether it is so many sources at least, and no part of it is behind most.
    pub(super) fn is_spread(&self, sources: u64) -> bool {
        self.sources.count() >= sources && !self.majority.has_one()
    }

    pub(super) fn sources(&self) -> u64 {
        self.sources.count()
    }

    pub(super) fn weight(&self) -> u64 {
        self.accounts.weight()
    }
}

/// An account, and the sources that tried it.
#[derive(Debug)]
pub(super) struct OfAccount {
    /// With a mark whether the account was let in from there.
    sources: Sampled<64, bool>,
    pub(super) programs: Programs<4>,
    pub(super) occurrence: Occurrence,
    /// This host let it in at some time.
    pub(super) proven: bool,
    pub(super) endpoint: Option<Arc<str>>,
}

impl OfAccount {
    pub(super) fn new(login: &Login<'_>) -> Self {
        Self {
            sources: Sampled::default(),
            programs: Programs::default(),
            occurrence: Occurrence::new(login.now),
            proven: false,
            endpoint: login
                .record
                .request
                .as_ref()
                .and_then(|request| request.endpoint.clone()),
        }
    }

    pub(super) fn refused(&mut self, login: &Login<'_>, program: &Program) {
        let in_window = self.failed_from(login.now) > 0;
        match self.occurrence.add(login.now, DOC.quiet, in_window) {
            Added::GoesOn => {}
            Added::Begins => self.programs = Programs::default(),
            Added::BeginsAnew => {
                self.programs = Programs::default();
                self.sources = Sampled::default();
            }
        }
        self.sources.see(login.now, WINDOW, &login.source);
        self.programs.add(program);
        self.proven |= !login.account.unproven;
    }

    pub(super) fn let_in(&mut self, now: Timestamp, source: Source) {
        self.proven = true;
        if let Some(let_in) = self.sources.see(now, WINDOW, &source) {
            *let_in = true;
        }
    }

    /// Sources that failed and were never let in.
    pub(super) fn failed_from(&mut self, now: Timestamp) -> u64 {
        self.sources.forget(now, WINDOW);
        let failed = self.sources.marks().filter(|let_in| !**let_in).count();
        self.sources.stands_for(failed)
    }

    pub(super) fn weight(&self) -> u64 {
        self.sources.marks().filter(|let_in| !**let_in).count() as u64
    }
}
