//! Accounts of incidents that were let in a moment ago: the session that follows is theirs.

use std::sync::Arc;
use std::time::Duration;

use crate::baseline::bits::hash;
use crate::baseline::source::Source;
use crate::enrich::identity::IdentityKind;
use crate::event::FlowId;
use crate::record::HttpRecord;
use crate::time::Timestamp;

/// A session follows its login within this.
const AFTER_LOGIN: Duration = Duration::from_mins(2);
/// Logins that are waited for at a time; the oldest goes.
const MOST: usize = 16;

#[derive(Debug)]
struct Login {
    at: Timestamp,
    account: Arc<str>,
    source: Source,
    flow: FlowId,
    agent: u64,
}

/// The logins that wait for their session.
#[derive(Debug, Default)]
pub(super) struct LetIn(Vec<Login>);

impl LetIn {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `account` was let in by `record`.
    pub(super) fn add(&mut self, now: Timestamp, account: &Arc<str>, source: Source, record: &HttpRecord) {
        if self.0.len() >= MOST {
            self.0.remove(0);
        }
        self.0.push(Login {
            at: now,
            account: Arc::clone(account),
            source,
            flow: record.flow,
            agent: agent(record),
        });
    }

    /// The account and the session that `record` shows, where it follows a login: on its connection, or from its address with the
    /// same agent.
    pub(super) fn session(&mut self, now: Timestamp, record: &HttpRecord) -> Option<(Arc<str>, Arc<str>)> {
        self.0.retain(|login| now < login.at + AFTER_LOGIN);
        let mut sessions = record.identity.iter();
        let session = sessions.find(|identity| identity.kind == IdentityKind::Session && !identity.unproven)?;
        let source = Source::from(record.client.as_ref()?.ip);
        let follows =
            |login: &Login| login.source == source && (login.flow == record.flow || login.agent == agent(record));
        let at = self.0.iter().rposition(follows)?;
        Some((self.0.remove(at).account, Arc::clone(&session.id)))
    }
}

fn agent(record: &HttpRecord) -> u64 {
    hash(
        record
            .request
            .as_ref()
            .and_then(|request| request.user_agent.as_deref())
            .unwrap_or_default(),
    )
}
