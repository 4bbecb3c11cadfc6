//! Flows: the two ends, what is known of one, and the table of those that live.

mod ending;
mod owners;
mod table;
mod tuple;

pub use ending::end_reason;
pub use owners::Owners;
pub use table::{FlowTable, scope};
pub(crate) use tuple::ip_from_kernel;
pub use tuple::{FiveTuple, Transport};

use std::sync::Arc;
use std::time::Duration;

use crate::enrich::networks::Whereabouts;
use crate::event::{Counters, FlowCause, FlowFlags, FlowId, FlowSnapshot, Owner, Parent, Role};
use crate::protocol::conversation::Conversation;
use crate::protocol::transaction::Transaction;
use crate::record::{HttpRecord, NameSource, Nat, ParentRef};
use crate::time::Timestamp;

/// What is known of a flow that lives.
#[derive(Debug)]
pub struct Flow {
    /// Which.
    pub id: FlowId,
    /// The ends, once known.
    pub tuple: Option<FiveTuple>,
    /// Namespace cookie.
    pub netns: u64,
    /// Which end this socket is.
    pub role: Role,
    /// When it began or was first seen.
    pub opened: Timestamp,
    /// The processes that hold it: first the one that connected, or the first to read a request.
    pub owners: Owners,
    /// The request behind it.
    pub parent: Option<Parent>,
    /// The same as records tell it: found out at the connect, while that request is under way, and kept. Of two ends
    /// here both have it.
    pub cause: Option<ParentRef>,
    /// Counts of the latest snapshot.
    pub counters: Counters,
    /// Facts of the latest snapshot.
    pub flags: FlowFlags,
    /// TCP state of the latest snapshot.
    pub tcp_state: u8,
    /// errno of the latest snapshot.
    pub error: u16,
    /// What is said on it; absent for UDP, and where the other end on this host is listened to instead.
    pub conversation: Option<Box<Conversation>>,
    /// Its datagrams are DNS, by what they say.
    pub speaks_dns: bool,
    /// The other end, where that is on this host.
    pub other_end: Option<FlowId>,
    /// Who holds that; kept here since the connecting end is mostly the first to go.
    pub peer_owner: Option<Owner>,
    /// It is the connecting end of two on this host: the accepting one speaks for both.
    pub is_shadow: bool,
    /// Its open record is out.
    pub told_open: bool,
    /// It is new: its story waits for the owner and for the other end.
    pub held: bool,
    /// Transactions that wait for the owner.
    pub waiting: Vec<Box<Transaction>>,
    /// When the handshake of a connection made here was over, where that was told.
    pub established: Option<Timestamp>,
    /// NAT between the ends, as far as it is known.
    pub nat: Option<Nat>,
    /// Name of the remote end, once there is one.
    pub name: Option<(Arc<str>, NameSource)>,
    /// Where the remote end is.
    pub whereabouts: Option<Arc<Whereabouts>>,
    /// Its latest request, for outbound flows that name it as their parent after it was answered.
    pub last_request: Option<Arc<HttpRecord>>,
    /// Of the latest snapshot.
    seen: Timestamp,
    /// Under which numbers the table finds it.
    first_seqs: Option<(u32, u32)>,
    /// Which of all that were taken into the table.
    arrival: u64,
    /// Something came since the clock's hand passed.
    touched: bool,
}

impl Flow {
    /// A flow of which only the id is known: its open record was lost, or has not come yet.
    pub fn unknown(id: FlowId, now: Timestamp) -> Self {
        Self {
            id,
            tuple: None,
            netns: 0,
            role: Role::Unknown,
            opened: now,
            owners: Owners::default(),
            parent: None,
            cause: None,
            counters: Counters::default(),
            flags: FlowFlags::default(),
            tcp_state: 0,
            error: 0,
            conversation: None,
            speaks_dns: false,
            other_end: None,
            peer_owner: None,
            is_shadow: false,
            told_open: false,
            held: true,
            waiting: Vec::new(),
            established: None,
            nat: None,
            name: None,
            whereabouts: None,
            last_request: None,
            seen: Timestamp::ZERO,
            first_seqs: None,
            arrival: 0,
            touched: false,
        }
    }

    /// Takes what a snapshot says; an older one than the latest says nothing new. The ends are the table's affair.
    pub fn update(&mut self, snapshot: &FlowSnapshot) {
        self.touched = true;
        if snapshot.time < self.seen {
            return;
        }
        self.seen = snapshot.time;
        self.role = snapshot.role;
        self.opened = snapshot.opened;
        if let Some(owner) = snapshot.owner {
            self.owners.note(owner, snapshot.owner_since);
        }
        if snapshot.cause == FlowCause::Established {
            self.established = self.established.or(Some(snapshot.time));
        }
        if snapshot.flags.nat {
            let nat = self.nat.get_or_insert_default();
            nat.named = nat.named.or(snapshot.named);
        }
        self.parent = snapshot.parent.or(self.parent);
        self.counters = snapshot.counters;
        self.flags = snapshot.flags;
        self.tcp_state = snapshot.tcp_state;
        self.error = snapshot.error;
    }

    /// The first process to hold it.
    pub fn owner(&self) -> Option<Owner> {
        self.owners.first()
    }

    /// Payload bytes counted, both ways.
    pub fn bytes(&self) -> u64 {
        self.counters.sent.saturating_add(self.counters.received)
    }

    /// Until when a connection made here waits for its other end, where its handshake took, or takes, longer than `usual`:
    /// as long again as it took, and no longer than `most`.
    pub fn held_until(&self, usual: Duration, most: Duration) -> Option<Timestamp> {
        let shakes = self.role == Role::Active
            && !self.flags.joined_late
            && self.tuple.is_some_and(|tuple| tuple.transport == Transport::Tcp);
        let took = match self.established {
            Some(established) => established.since(self.opened) * 2,
            None if self.flags.established => Duration::ZERO,
            None => most,
        };
        (shakes && took > usual).then(|| self.opened + took.min(most))
    }

    /// When the latest snapshot was taken.
    pub fn seen(&self) -> Timestamp {
        self.seen
    }

    /// Whether the remote end is certainly on this host.
    pub fn is_local(&self) -> bool {
        // An accepting end with such a peer comes of a capture, which shows both as one.
        let local_peer = self.flags.local_peer && (self.is_shadow || self.role != Role::Active);
        self.other_end.is_some() || self.reaches_itself() || local_peer
    }

    /// Whether the remote address is this very host's, whoever may listen there.
    pub fn reaches_itself(&self) -> bool {
        self.tuple
            .is_some_and(|t| t.remote.ip().is_loopback() || t.remote.ip() == t.local.ip())
    }

    /// Whether it is for the other end to tell of it.
    pub fn is_silent(&self) -> bool {
        self.is_shadow && self.other_end.is_some()
    }

    /// Whether records tell it from the other end: `local` is the accepting one of two on this host.
    pub fn is_reversed(&self) -> bool {
        self.role == Role::Active && self.is_local()
    }
}
