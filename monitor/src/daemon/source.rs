//! Where the daemon's events come from: the seam between the shell and the capture.

use crate::control::shape::Facility;
use crate::event::{Command, Event};
use crate::time::Timestamp;

/// Gives events in batches. Lives on the engine's thread, and is made there.
pub trait Source {
    /// The time that events are stamped with, now. Reading it before a drain that leaves nothing behind means that no
    /// event before it is still to come.
    fn now(&self) -> Timestamp;

    /// Hands over what has arrived, counts of loss included, a bounded batch: a few milliseconds of work, so that
    /// questions are answered between.
    fn drain(&mut self, each: impl FnMut(Timestamp, Event)) -> anyhow::Result<Drained>;

    /// The end is near: what has not been told yet is to come with the next drains.
    fn take_stock(&mut self) {}

    /// Does what the engine asks for, as far as it can.
    fn apply(&mut self, commands: &[Command]);

    /// From now on, so many of 65,536 connections are to be counted and not read.
    fn leave_out(&mut self, _share: u32) {}

    /// What this capture has, and what is lost without the rest.
    fn report(&self) -> Vec<Facility<'static>>;
}

/// What a drain gave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Events handed over.
    pub events: usize,
    /// Whether there is more already.
    pub more: bool,
}
