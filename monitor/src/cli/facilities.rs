//! The capability table that `check` and `status` show.

use super::table::{Column, Mark, Table};
use crate::control::shape::{Facility, FacilityState};

/// What is there, what is lost, how to mend it.
pub(super) fn table(facilities: &[Facility<'_>]) -> Table<4> {
    let mut table = Table::new([
        Column::word("STATE"),
        Column::word("FACILITY"),
        Column::text("FOR"),
        Column::text("FOUND; LOST; HOW TO MEND"),
    ]);
    for facility in facilities {
        let (state, mark) = match facility.state {
            FacilityState::Ok => ("ok", Mark::Plain),
            FacilityState::Degraded => ("degraded", Mark::Yellow),
            FacilityState::Missing => ("missing", Mark::Red),
        };
        let lost = facility.lost.as_deref().map(|lost| format!("without it: {lost}"));
        let mend = facility.mend.as_deref().map(|mend| format!("mend: {mend}"));
        let found = facility.detail.as_deref().map(str::to_owned);
        let notes: Vec<String> = [found, lost, mend].into_iter().flatten().collect();
        let cells = [
            state.to_owned(),
            facility.name.to_string(),
            facility.purpose.to_string(),
            notes.join("; "),
        ];
        table.push(mark, cells);
    }
    table
}
