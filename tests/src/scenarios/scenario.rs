//! A scenario: a world, perhaps with an attack, written down as a capture with its truth.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::attacks::{self, Variant};
use super::chance::Chance;
use super::truth::Truth;
use super::wire::{Tape, exchange, outbound};
use super::world::{KINDS, Kind, OTHERS, World};
use super::{files, world};

/// What is to be made.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its world.
    pub kind: Kind,
    /// What is done to it; nothing in a benign world.
    pub attack: Option<Variant>,
    /// Days it lasts.
    pub days: u64,
    /// How much of the world's numbers is in the sample.
    pub scale: f64,
}

/// How large scenarios are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// For figures: benign worlds of nine days, two of which teach; attacks in four days of a smaller world.
    Full,
    /// For tests: three days of a few people.
    Small,
}

impl Scenario {
    /// All scenarios of a seed: every kind of world without an attack, and every attack in one of the worlds it fits.
    pub fn all(size: Size, seed: u64) -> Vec<Self> {
        let (benign, attacked) = match size {
            Size::Full => ((9, 1.0), (4, 0.3)),
            Size::Small => ((3, 0.06), (3, 0.03)),
        };
        let mut chance = Chance::new(seed).fork("worlds");
        let worlds = KINDS.into_iter().chain(OTHERS).map(|kind| Self {
            kind,
            attack: None,
            days: benign.0,
            scale: benign.1,
        });
        let attacks = attacks::all().into_iter().map(|variant| {
            let fitting: Vec<Kind> = KINDS
                .into_iter()
                .filter(|kind| variant.worlds.is_empty() || variant.worlds.contains(&kind.name))
                .collect();
            Self {
                kind: *chance.pick(&fitting),
                attack: Some(variant),
                days: attacked.0,
                scale: attacked.1,
            }
        });
        worlds.chain(attacks).collect()
    }

    /// Its name: the world's, or that of what is done to it.
    pub fn name(&self) -> String {
        self.attack.map_or_else(
            || format!("benign-{}", self.kind.name),
            |variant| variant.name.to_owned(),
        )
    }

    /// Makes it in a folder: `capture.pcap`, `truth.json`, `monitor.toml` and what that names. Gives the paths of capture
    /// and configuration.
    pub fn write(&self, seed: u64, detectors: &[String], folder: &Path) -> Result<Written> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let name = self.name();
        // Each scenario's people are its own.
        let seed_of_all = seed;
        let seed = Chance::new(seed).fork(&name).number();
        let mut world = World::build(self.kind, self.scale, self.days, seed);
        let mut chance = world.chance.fork("attack");
        let attacks: Vec<_> = self
            .attack
            .iter()
            .map(|variant| variant.strike(&mut world, &mut chance))
            .collect();
        let mut tape = Tape::default();
        exchange::put(&mut tape, std::mem::take(&mut world.exchanges), &world.front());
        outbound::put(
            &mut tape,
            &world.outbound,
            World::host(),
            &mut world.chance.fork("wire"),
        );
        let capture = folder.join("capture.pcap");
        let file = File::create(&capture).with_context(|| format!("cannot write {}", capture.display()))?;
        tape.write(&mut BufWriter::with_capacity(1 << 20, file))?;
        let truth = Truth {
            scenario: name,
            world: self.kind.name.to_owned(),
            seed: seed_of_all,
            start: world.calendar.start,
            end: world.calendar.end(),
            learned: world.learned(),
            counts: tape.counts,
            attacks,
            look_alikes: std::mem::take(&mut world.look_alikes),
        };
        fs::write(folder.join("truth.json"), serde_json::to_vec_pretty(&truth)?)?;
        let configuration = files::write(&world, detectors, folder)?;
        Ok(Written {
            capture,
            configuration,
            truth,
        })
    }
}

/// What was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// The capture.
    pub capture: PathBuf,
    /// The configuration.
    pub configuration: PathBuf,
    /// The truth.
    pub truth: Truth,
}

/// Name of a scenario without an attack.
pub fn is_benign(name: &str) -> bool {
    name.strip_prefix("benign-")
        .is_some_and(|kind| world::kind_named(kind).is_some())
}
