//! Scenarios: made-up worlds and attacks with their truth, and how well the detectors tell them apart.
//!
//! A [`World`](world::World) is what lives on a host for some days ([`habits`]); an attack ([`attacks`]) is done to it. Both
//! become a capture ([`wire`]) with the files that a user has ([`files`]) and the [`truth`]. The monitor replays it
//! ([`replay`]), and its alerts are held against the truth ([`judge`], [`score`]). Nothing here is shared with the
//! detectors: no code, no constant, no distribution. `docs/scenarios.md` says what is modelled and how it is judged.

#![expect(
    clippy::cast_sign_loss,
    reason = "sizes and times are drawn from what is never negative"
)]

pub mod agents;
pub mod attacks;
pub mod calendar;
pub mod chance;
pub mod compare;
pub mod files;
pub mod habits;
pub mod http;
pub mod judge;
pub mod mmdb;
pub mod places;
pub mod replay;
pub mod run;
pub mod scenario;
pub mod score;
pub mod service;
pub mod truth;
pub mod wire;
pub mod world;
