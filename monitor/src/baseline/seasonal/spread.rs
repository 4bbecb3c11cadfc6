//! How far windows scatter about what was expected of them.
//!
//! The squares of the differences, by what was expected, are counted in octaves. Their median tells the scatter of most
//! windows; what is beyond three times that is an event and no scatter, and counts as if it were there (Huber, Robust
//! estimation of a location parameter, Ann. Math. Stat. 35, 1964). So an attack moves the scatter little.

use super::{By, Usual};
use crate::baseline::whole;

/// Sizes of what is expected that are kept apart: below 4, 64, 1,024, and above.
const SIZES: usize = 4;
/// Octaves of squares by expected: below 1, 2, 4 and so on, up to half a million and above.
const OCTAVES: usize = 21;
/// Mean of what is below 1, if it is that of a normal variable.
const BELOW_ONE: f64 = 0.3;
/// Median of the square of a normal variable by its variance (that of chi-squared with one degree of freedom).
const MEDIAN: f64 = 0.455;
/// Windows from which on a scatter is known: the variance of 24 is off by a third.
const KNOWN: u32 = 24;
/// After so many days the past counts half.
const HALVED: u64 = 7;
/// What is farther off than so many standard deviations counts as that.
const FAR: f64 = 3.0;

/// Windows by the octave of their square.
type Cell = [u16; OCTAVES];

/// A table of scatters, by way of expecting and size: 512 bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Spread {
    /// The latest week that was counted, since the epoch.
    pub(super) week: u64,
    pub(super) cells: [[Cell; SIZES]; 3],
}

impl Spread {
    /// `value` came where `usual` was expected.
    pub(super) fn add(&mut self, day: u64, usual: &Usual, value: f64) {
        let week = day / HALVED;
        if week != self.week {
            // Once, however far the clock went.
            for count in self.cells.iter_mut().flatten().flatten() {
                *count /= 2;
            }
            self.week = week;
        }
        let off = value - usual.mean;
        let cell = &mut self.cells[row(usual.by)][size(usual.mean)];
        let count = &mut cell[octave(off * off / usual.mean)];
        *count = count.saturating_add(1);
    }

    /// Variance by mean, where it is known: of what was expected in the same way and of the same size, else of any size. Of
    /// hours of the week together with hours of the day, until they outnumber those: one day alone is not to say what scatter
    /// is.
    pub(super) fn dispersion(&self, by: By, mean: f64) -> Option<f64> {
        let of_rows = |rows: &[[Cell; SIZES]]| {
            let of_size = rows.iter().map(|cells| &cells[size(mean)]);
            of(of_size).or_else(|| of(rows.iter().flatten()))
        };
        let known = |row: usize| windows(&self.cells[row][size(mean)]);
        match by {
            By::HourOfWeek if known(0) >= KNOWN.max(known(1)) => of_rows(&self.cells[..1]),
            By::HourOfWeek => of_rows(&self.cells[..2]),
            By::HourOfDay => of_rows(&self.cells[1..2]),
            By::Overall => of_rows(&self.cells[2..]),
        }
    }
}

/// The scatter of all windows of these cells.
fn of<'a>(cells: impl Iterator<Item = &'a Cell>) -> Option<f64> {
    let mut cell = [0u32; OCTAVES];
    for (octave, count) in cells.flat_map(|cell| cell.iter().enumerate()) {
        cell[octave] += u32::from(*count);
    }
    let windows: u32 = cell.iter().sum();
    if windows < KNOWN {
        return None;
    }
    let mut below = 0;
    let median = cell.iter().position(|count| {
        below += *count;
        below * 2 >= windows
    })?;
    let most = FAR * FAR * (middle(median) / MEDIAN).max(1.0);
    let squares = cell.iter().enumerate();
    let sum: f64 = squares
        .map(|(octave, count)| middle(octave).min(most) * f64::from(*count))
        .sum();
    Some((sum / f64::from(windows)).max(1.0))
}

fn windows(cell: &Cell) -> u32 {
    cell.iter().copied().map(u32::from).sum()
}

fn octave(square: f64) -> usize {
    let octave = whole(square).checked_ilog2().map_or(0, |octave| octave as usize + 1);
    octave.min(OCTAVES - 1)
}

fn middle(octave: usize) -> f64 {
    if octave == 0 {
        BELOW_ONE
    } else {
        (octave as f64 - 0.5).exp2()
    }
}

fn row(by: By) -> usize {
    match by {
        By::HourOfWeek => 0,
        By::HourOfDay => 1,
        By::Overall => 2,
    }
}

fn size(mean: f64) -> usize {
    match mean {
        mean if mean < 4.0 => 0,
        mean if mean < 64.0 => 1,
        mean if mean < 1_024.0 => 2,
        _ => SIZES - 1,
    }
}
