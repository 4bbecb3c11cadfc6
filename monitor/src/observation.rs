//! What detectors see: an enriched transaction or flow, and nothing else.

#[cfg(test)]
pub(crate) mod made;

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::record::{DnsRecord, FlowRecord, HttpRecord};
use crate::time::Timestamp;

/// One thing that a detector may judge.
#[derive(Clone, Debug)]
pub enum Observation {
    /// A transaction ended or was cut off.
    Transaction(Arc<HttpRecord>),
    /// The response of a transaction begins, and announces a gibibyte or more: nothing of its body was seen yet.
    Announced(Arc<HttpRecord>),
    /// A flow opened, progressed or ended; its record says which.
    Flow(FlowObservation),
    /// A name was looked up, and answered or given up.
    Lookup(Lookup),
}

/// A name that this host looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    /// When it was over.
    pub time: Timestamp,
    /// The lookup as it is told.
    pub record: Arc<DnsRecord>,
}

/// A flow, with where it goes.
#[derive(Clone, Debug)]
pub struct FlowObservation {
    /// When.
    pub time: Timestamp,
    /// The flow as it is told.
    pub record: Arc<FlowRecord>,
    /// Where an outbound flow goes; absent for inbound and local ones.
    pub destination: Option<Destination>,
}

/// Where an outbound flow goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name where DNS answers, SNI or Host gave one; lower case, no final dot.
    pub name: Option<Arc<str>>,
    /// Address.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
    /// The network it counts as where it has no name: /24 of IPv4, /48 of IPv6.
    pub network: IpNet,
}
