//! Where a flow goes, and what kind of place that is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::enrich::networks::Settings as Networks;
use crate::observation::FlowObservation;
use crate::protocol::taps::{Host, Link};
use crate::record::{FlowDirection, ProcessRef};
use crate::time::Timestamp;

/// The clouds' metadata services: of most (RFC 3927's network), of Amazon over IPv6 and in containers, of Alibaba.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(169, 254, 170, 2)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
];

/// What kind of place; later ones are worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Elsewhere.
    Outside,
    /// On this host or in one of our networks.
    Internal,
    /// A cloud's metadata service.
    Metadata,
}

/// A flow that this host opened.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) began: Timestamp,
    pub(super) address: IpAddr,
    pub(super) port: u16,
    pub(super) name: Option<Arc<str>>,
    pub(super) kind: Kind,
    /// Some request named it.
    pub(super) matched: bool,
    pub(super) flow: FlowObservation,
}

impl Call {
    /// Of a flow that leaves, or whose connecting end is here too.
    pub(super) fn of(flow: &FlowObservation, networks: &Networks) -> Option<Self> {
        let record = &flow.record;
        let (end, is_local) = match record.direction? {
            FlowDirection::Outbound => (record.tuple?.remote, false),
            FlowDirection::Local => (record.tuple?.local, true),
            FlowDirection::Inbound => return None,
        };
        let address = end.ip().to_canonical();
        if address.is_multicast() || address.is_unspecified() {
            return None;
        }
        let link_local = match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let kind = if METADATA.contains(&address) {
            Kind::Metadata
        } else if is_local || address.is_loopback() || link_local || networks.is_internal(address) {
            Kind::Internal
        } else {
            Kind::Outside
        };
        Some(Self {
            began: record.start,
            address,
            port: end.port(),
            name: record.remote_name.as_ref().map(|(name, _)| Arc::clone(name)),
            kind,
            matched: false,
            flow: flow.clone(),
        })
    }

    /// Whether that is where it goes.
    pub(super) fn is_to(&self, link: &Link) -> bool {
        let same_host = match &link.host {
            Host::Address(address) => {
                *address == self.address || (address.is_unspecified() && self.address.is_loopback())
            }
            Host::Name(name) => {
                self.name.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(name))
                    || (**name == *"localhost" && self.address.is_loopback())
            }
        };
        same_host && link.port.is_none_or(|port| port == self.port)
    }

    /// As people know it.
    pub(super) fn shown(&self) -> Arc<str> {
        self.name.clone().unwrap_or_else(|| self.address.to_string().into())
    }

    /// What it is known by: inside by address and port, outside by name where there is one.
    pub(super) fn key(&self) -> Arc<str> {
        match (self.kind, &self.name) {
            (Kind::Outside, Some(name)) => Arc::clone(name),
            (Kind::Outside, None) => self.address.to_string().into(),
            (Kind::Internal | Kind::Metadata, _) => format!("{}:{}", self.address, self.port).into(),
        }
    }

    /// Who connected.
    pub(super) fn process(&self) -> Option<&ProcessRef> {
        let record = &self.flow.record;
        if record.direction == Some(FlowDirection::Local) {
            record.peer_process.as_ref()
        } else {
            record.process.as_ref()
        }
    }

    /// Its executable.
    pub(super) fn exe(&self) -> Option<Arc<str>> {
        let program = self.process()?.program.as_ref()?;
        Some(program.exe.as_str().into())
    }
}
