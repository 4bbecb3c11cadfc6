//! What a flow or transaction is about, beyond its bytes: who, where, under what name. One file each.

pub mod agents;
pub mod borders;
pub mod clients;
pub mod container;
pub mod endpoints;
pub mod fingerprint;
pub mod fronts;
pub mod identity;
pub mod lookups;
pub mod names;
pub mod networks;
pub mod privacy;
pub mod programs;
pub mod reference;
