//! By what alerts belong together: whom they name, whom their samples show, what was done to what; and how much each of
//! these weighs.
//!
//! One thing that two alerts share may be chance: every attacker of a login asks the same endpoint, clients behind one
//! address (NAT) share it, a released browser writes its fields like every other of its release. So each shared thing has a
//! weight, and alerts join when the weights of all that they share come to [`ENOUGH`].

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::alert::{Actor, ActorKind, Sample, Target};
use crate::baseline::source::Source;
use crate::enrich::identity::IdentityKind;
use crate::event::FlowId;
use crate::pattern::parse_network;
use crate::record::{FlowRecord, HttpRecord, HttpRole};

/// Alerts that share so much are one incident.
pub(super) const ENOUGH: f32 = 0.99;
/// Addresses, programs and processes mean most while something goes on: later the address may be another's.
const SOON: Duration = Duration::from_hours(1);
/// What has nothing in common but an endpoint must come close together.
const AT_ONCE: Duration = Duration::from_mins(10);

/// Something that alerts may have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Link {
    /// An address, or the /64 of IPv6.
    Source(Source),
    /// A network: the one that is named, or the /24 or /48 around an address.
    Network(IpNet),
    /// Anyone or anything else that can be an actor: an account, a fingerprint, a process, a country.
    Actor(ActorKind, Arc<str>),
    /// Where something goes.
    Destination(Arc<str>),
    /// A file.
    File(Arc<str>),
    /// What is asked for.
    Endpoint(Arc<str>),
    /// A request, by its flow and turn.
    Request(FlowId, u32),
    /// A connection that this host made.
    Connection(FlowId),
}

/// What a link is to its alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// It is in the evidence.
    Seen,
    /// The alert is about it.
    Named,
}

/// What an alert's actor and target link it by.
pub(super) fn named(actor: Option<&Actor>, target: &Target, give: &mut impl FnMut(Link, Role)) {
    if let Some(Actor { kind, id }) = actor {
        match kind {
            ActorKind::Ip | ActorKind::Network => match parse_network(id) {
                Some(network) if network.prefix_len() == network.max_prefix_len() => {
                    give(Link::Source(network.addr().into()), Role::Named);
                    around(network, give);
                }
                Some(network) => {
                    // A line of IPv6 is a source.
                    if let IpNet::V6(line) = network
                        && line.prefix_len() == 64
                    {
                        give(Link::Source(network.addr().into()), Role::Named);
                    }
                    give(Link::Network(network), Role::Named);
                    around(network, give);
                }
                None => give(Link::Actor(*kind, Arc::clone(id)), Role::Named),
            },
            ActorKind::Asn
            | ActorKind::Organization
            | ActorKind::Country
            | ActorKind::Account
            | ActorKind::Key
            | ActorKind::Token
            | ActorKind::Session
            | ActorKind::Fingerprint
            | ActorKind::UserAgent
            | ActorKind::Process => give(Link::Actor(*kind, Arc::clone(id)), Role::Named),
        }
    }
    let Target {
        endpoint,
        destination,
        process,
        file,
    } = target;
    if actor.is_none() && endpoint.is_none() && file.is_none() {
        // Something of this host that nobody knows: a program, like others.
        give(Link::Actor(ActorKind::Process, "".into()), Role::Named);
    }
    if let Some(endpoint) = endpoint {
        give(Link::Endpoint(Arc::clone(endpoint)), Role::Named);
    }
    if let Some(destination) = destination {
        give(Link::Destination(Arc::clone(destination)), Role::Named);
    }
    if let Some(process) = process {
        // That of a service is in all that is done to it.
        give(Link::Actor(ActorKind::Process, Arc::clone(process)), Role::Seen);
    }
    if let Some(file) = file {
        give(Link::File(Arc::clone(file)), Role::Named);
    }
}

/// What a record in the evidence links by.
pub(super) fn seen(sample: &Sample, give: &mut impl FnMut(Link, Role)) {
    match sample {
        Sample::Http(record) => in_request(record, give),
        Sample::Flow(record) => in_flow(record, give),
        // The resolver speaks for everyone.
        Sample::Dns(_) => {}
    }
}

fn in_request(record: &HttpRecord, give: &mut impl FnMut(Link, Role)) {
    match record.role {
        HttpRole::Server => {}
        HttpRole::Client => return give(Link::Connection(record.flow), Role::Seen),
    }
    give(Link::Request(record.flow, record.turn), Role::Seen);
    if let Some(client) = &record.client {
        let source = Source::from(client.ip);
        give(Link::Source(source), Role::Seen);
        around(IpNet::from(client.ip.to_canonical()), give);
    }
    let status = record.response.as_ref().map_or(0, |response| response.status);
    let accepted = (200..400).contains(&status);
    for identity in &record.identity {
        // Whoever is refused may name anybody.
        if !accepted || identity.unproven {
            continue;
        }
        let kind = match identity.kind {
            IdentityKind::Key => ActorKind::Key,
            IdentityKind::Token => ActorKind::Token,
            IdentityKind::Account => ActorKind::Account,
            IdentityKind::Session => ActorKind::Session,
        };
        give(Link::Actor(kind, Arc::clone(&identity.id)), Role::Seen);
    }
    if let Some(fingerprint) = record.fingerprint {
        give(
            Link::Actor(ActorKind::Fingerprint, fingerprint.to_string().into()),
            Role::Seen,
        );
    }
}

fn in_flow(record: &FlowRecord, give: &mut impl FnMut(Link, Role)) {
    give(Link::Connection(record.flow), Role::Seen);
    if let Some(parent) = &record.parent
        && parent.confidence >= 0.5
    {
        give(Link::Request(parent.flow, parent.turn), Role::Seen);
        if let Some(client) = parent.client {
            give(Link::Source(client.into()), Role::Seen);
        }
    }
}

/// The network around an address or a smaller network that others may name: /24 of IPv4, /48 of IPv6 (RFC 6177).
fn around(inner: IpNet, give: &mut impl FnMut(Link, Role)) {
    let prefix = match inner {
        IpNet::V4(_) => 24,
        IpNet::V6(_) => 48,
    };
    if inner.prefix_len() > prefix
        && let Ok(network) = IpNet::new(inner.addr(), prefix)
    {
        give(Link::Network(network.trunc()), Role::Seen);
    }
}

/// How much it weighs that two alerts have `link` in common, with this time between one's end and the other's beginning.
pub(super) fn weight(link: &Link, one: Role, other: Role, apart: Duration) -> f32 {
    let named = [one, other].iter().filter(|role| **role == Role::Named).count();
    let soon = |now: f32, later: f32| if apart <= SOON { now } else { later };
    match link {
        // The same request, connection, place or file: the same thing, whoever tells of it.
        Link::Request(..) | Link::Connection(_) | Link::Destination(_) | Link::File(_) => 1.0,
        // Clients behind one address share it, so that it alone does not tie what only shows it.
        Link::Source(_) => match named {
            2.. => 1.0,
            1 => soon(1.0, 0.5),
            0 => soon(0.5, 0.25),
        },
        Link::Network(_) => match named {
            2.. => 1.0,
            1 => soon(1.0, 0.5),
            0 => 0.0,
        },
        Link::Endpoint(_) => {
            if apart <= AT_ONCE {
                0.3
            } else {
                0.1
            }
        }
        Link::Actor(ActorKind::Process, id) => match named {
            // Those that nobody knows may be several.
            2.. if id.is_empty() => soon(0.5, 0.25),
            // A host has few programs, and one of them may do all there is.
            2.. if apart <= AT_ONCE => 1.0,
            1.. => 0.5,
            0 => 0.0,
        },
        Link::Actor(..) if named >= 2 => 1.0,
        Link::Actor(ActorKind::Account | ActorKind::Token | ActorKind::Session, _) => {
            if named == 1 {
                1.0
            } else {
                0.5
            }
        }
        // A key may be in every copy of an app.
        Link::Actor(ActorKind::Key, _) => {
            if named == 1 {
                0.5
            } else {
                0.25
            }
        }
        // A program is many people's.
        Link::Actor(ActorKind::Fingerprint | ActorKind::UserAgent, _) => {
            if named == 1 {
                soon(0.7, 0.2)
            } else {
                soon(0.5, 0.1)
            }
        }
        Link::Actor(
            ActorKind::Ip | ActorKind::Network | ActorKind::Asn | ActorKind::Organization | ActorKind::Country,
            _,
        ) => 0.0,
    }
}

/// What it adds that two alerts about one endpoint say the same of it, or that one of them is about the endpoint as a whole.
pub(super) fn of_one_endpoint(same_detector: bool, nobody_named: bool, apart: Duration) -> f32 {
    if apart > AT_ONCE {
        return 0.0;
    }
    let same = if same_detector { 0.3 } else { 0.0 };
    // What is said of all who ask there is said of the other's actor, too.
    same + if nobody_named { 0.7 } else { 0.0 }
}

/// What it adds that two alerts about one program say the same of it.
pub(super) fn of_one_program(same_detector: bool, apart: Duration) -> f32 {
    if same_detector && apart <= SOON { 0.5 } else { 0.0 }
}

/// Whether these came so close that a wave of them is no chance.
pub(super) fn is_at_once(apart: Duration) -> bool {
    apart <= AT_ONCE
}
