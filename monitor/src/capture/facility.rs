//! What this kernel and this user allow, in words: the table of `monitor check`.

/// One thing that the capture needs or can use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facility {
    /// Short name.
    pub name: &'static str,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether it is there.
    pub state: FacilityState,
    /// What was found, one line; may be empty.
    pub detail: String,
}

/// Whether a facility is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FacilityState {
    /// It is.
    Ok,
    /// It is not, and the monitor runs without it.
    Degraded {
        /// What is lost.
        lost: String,
        /// What brings it back.
        mend: String,
    },
    /// It is not, and the monitor can not run.
    Missing {
        /// What to do.
        mend: String,
    },
}

impl Facility {
    /// One that is there.
    pub fn ok(name: &'static str, purpose: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            purpose,
            state: FacilityState::Ok,
            detail: detail.into(),
        }
    }

    /// Whether the monitor can not run without it, and it is not there.
    pub fn is_missing(&self) -> bool {
        matches!(self.state, FacilityState::Missing { .. })
    }
}
