//! The running kernel: programs loaded and attached, rings and maps read, the engine's wishes passed down.
//!
//! Everything stays attached exactly as long as [`Capture`] lives: links are file descriptors of this process, so even a
//! killed daemon leaves nothing behind.

mod btf;
mod cgroup;
mod kernel_log;
mod load;
mod offsets;
mod plain;
mod programs;
mod rings;
mod sockets;
mod sweep;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use aya::Ebpf;
use aya::maps::{Array, HashMap, MapData};
use aya_log::EbpfLogger;
use monitor_common as abi;

use crate::capture::facility::Facility;
use crate::config::Capture as CaptureConfig;
use crate::confine::Confinement;
use crate::event::decode::Clock;
use crate::event::{Command, Event, Living};
use crate::time::Timestamp;

pub use load::{probe, require_root};
pub use sockets::WALKER;

use cgroup::CgroupRoot;
use kernel_log::KernelLog;
use plain::Plain;
use rings::Rings;
use sockets::{Walk, Walker};
use sweep::Sweeper;

/// The capture of this host's traffic.
pub struct Capture {
    /// Attached for as long as this is here.
    _ebpf: Arc<Mutex<Ebpf>>,
    walker: Walker,
    /// Kept open: programs are attached to it.
    _cgroup: CgroupRoot,
    /// Only where it was asked for.
    kernel_log: Option<EbpfLogger<KernelLog>>,
    rings: Rings,
    sweeper: Sweeper,
    clock: Clock,
    clock_read: u64,
    policies: HashMap<MapData, Plain<abi::FlowKey>, Plain<abi::Policy>>,
    policy_epoch: Array<MapData, u32>,
    epoch: u32,
    service_snap: Array<MapData, u32>,
    left_out: Array<MapData, u32>,
    local_destinations: HashMap<MapData, Plain<abi::DestinationKey>, u32>,
    facilities: Vec<Facility>,
    losses_seen: u64,
    walked: u64,
    /// A walk that is over, while records from before its end may still be on their way.
    walk: Option<Walk>,
    /// Closes lost when the latest walk came, and the one before.
    closes_at_walk: u64,
    closes_before_walk: u64,
    /// Closes lost that were met by a walk that was handed on.
    closes_reconciled: u64,
}

/// What a call of [`Capture::drain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Events given.
    pub events: usize,
    /// Whether a ring may hold more.
    pub more: bool,
}

/// Sockets are walked this often, and after a loss.
const WALK_EVERY: Duration = Duration::from_secs(30);
/// The last walk, at a stop, may take so long.
const LAST_WALK: Duration = Duration::from_secs(4);

impl Capture {
    /// Loads and attaches everything; fails with one line where something mandatory is missing. `private` is a directory of
    /// the daemon's own.
    /// With `kernel_log` the programs tell each step of a connection's life in the log. The threads that it starts are
    /// confined; the calling one is not, but needs no rights any more.
    pub fn start(config: &CaptureConfig, private: &Path, kernel_log: bool, confinement: &Confinement) -> Result<Self> {
        load::start(config, private, kernel_log, confinement)
    }

    /// What this kernel gave.
    pub fn facilities(&self) -> &[Facility] {
        &self.facilities
    }

    /// Event time now.
    pub fn now(&self) -> Timestamp {
        self.clock.at(monotonic_ns())
    }

    /// Gives what has come, in order of time; a bounded batch.
    pub fn drain(&mut self, mut each: impl FnMut(Timestamp, Event)) -> Result<Drained> {
        let now_ns = monotonic_ns();
        if let Some(log) = &mut self.kernel_log {
            log.flush();
        }
        self.follow_clock(now_ns);
        let mut drained = self.rings.drain(self.clock, now_ns, &mut each);
        drained.events += self
            .sweeper
            .sweep(self.clock, now_ns, self.rings.undecodable(), &mut each)?;
        self.reconcile(now_ns, drained, &mut each);
        let losses = self.sweeper.losses();
        let since_walk = Duration::from_nanos(now_ns.saturating_sub(self.walked));
        // After a loss at once, but not more than once a second while it lasts.
        if since_walk >= WALK_EVERY || (losses != self.losses_seen && since_walk >= Duration::from_secs(1)) {
            self.losses_seen = losses;
            self.walked = now_ns;
            self.walker.walk();
        }
        Ok(drained)
    }

    /// Where closes were lost, what a walk did not meet has ended: handed on once everything that was written before
    /// the walk's end has been read.
    fn reconcile(&mut self, now_ns: u64, drained: Drained, each: &mut impl FnMut(Timestamp, Event)) {
        let closes_lost = self.sweeper.closes_lost();
        if let Some(walk) = self.walker.walked() {
            self.sweeper.soon();
            self.walk = Some(walk);
            // This walk began after the one before had come: what was lost until then it does not meet. What is lost while it
            // goes on, it may.
            self.closes_before_walk = std::mem::replace(&mut self.closes_at_walk, closes_lost);
            return;
        }
        if let Some(walk) = self.walk.take_if(|walk| !drained.more && walk.ended_ns < now_ns)
            && closes_lost != self.closes_reconciled
        {
            self.closes_reconciled = self.closes_before_walk;
            let living = Living {
                began: self.clock.at(walk.began_ns),
                ..walk.living
            };
            each(self.clock.at(now_ns), Event::Living(living));
        }
    }

    /// Has every flow that moved since its last record say so: its records come with the next drains.
    pub fn take_stock(&mut self) {
        if let Some(walk) = self.walker.walk_now(LAST_WALK) {
            self.walk = Some(walk);
        }
        self.sweeper.soon();
    }

    /// Passes the engine's wishes to the kernel. A full map costs some copying, no count: it is not an error.
    pub fn apply(&mut self, commands: &[Command]) {
        let mut policies_changed = false;
        for command in commands {
            match *command {
                Command::CountOnly(flow) => {
                    let key = abi::FlowKey {
                        cookie: flow.cookie,
                        generation: flow.generation,
                        direction: 0,
                    };
                    let policy = abi::Policy {
                        class: abi::CLASS_OPAQUE,
                        reserved: [0; 7],
                    };
                    policies_changed |= self.policies.insert(Plain(key), Plain(policy), 0).is_ok();
                }
                Command::WatchTail(flow) => self.sweeper.watch_tail(flow),
                Command::ForgetTail(flow) => self.sweeper.forget_tail(flow),
                Command::RaiseSnap { port, snap } => {
                    let _ = self.service_snap.set(u32::from(port), snap, 0);
                }
                Command::LocalDestination { netns, address } => {
                    let octets = match address.ip() {
                        std::net::IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                        std::net::IpAddr::V6(v6) => v6.octets(),
                    };
                    let (head, tail) = octets.split_at(8);
                    let word = |half: &[u8]| half.try_into().map_or(0, u64::from_ne_bytes);
                    let remote = [word(head), word(tail)];
                    let key = abi::DestinationKey {
                        netns,
                        remote,
                        remote_port: address.port(),
                        reserved: [0; 3],
                    };
                    let _ = self.local_destinations.insert(Plain(key), 1, 0);
                }
            }
        }
        if policies_changed {
            self.epoch = self.epoch.wrapping_add(1);
            let _ = self.policy_epoch.set(0, self.epoch, 0);
        }
    }

    /// From now on, so many of 65,536 connections are counted and not copied.
    pub fn leave_out(&mut self, share: u32) {
        // The only element of an array: it is there.
        let _ = self.left_out.set(0, share, 0);
    }

    fn follow_clock(&mut self, now_ns: u64) {
        let elapsed = now_ns.saturating_sub(self.clock_read);
        if elapsed >= 1_000_000_000 {
            self.clock = self.clock.follow(wall_offset_ns(), elapsed);
            self.clock_read = now_ns;
        }
    }
}

/// `CLOCK_MONOTONIC`: what the kernel stamps records with.
fn monotonic_ns() -> u64 {
    nanos(rustix::time::clock_gettime(rustix::time::ClockId::Monotonic))
}

/// `CLOCK_REALTIME` less `CLOCK_MONOTONIC`.
fn wall_offset_ns() -> u64 {
    nanos(rustix::time::clock_gettime(rustix::time::ClockId::Realtime)).saturating_sub(monotonic_ns())
}

fn nanos(t: rustix::time::Timespec) -> u64 {
    u64::try_from(t.tv_sec)
        .unwrap_or(0)
        .saturating_mul(1_000_000_000)
        .saturating_add(u64::try_from(t.tv_nsec).unwrap_or(0))
}
