//! Whether one of many is behind most of what happens, in the space of one (Boyer and Moore, MJRTY: a fast majority vote
//! algorithm, 1981/1991).

/// The one that may have the majority, and how many more votes it has than all others at least.
#[derive(Clone, Copy, Debug)]
pub struct Majority<T> {
    candidate: Option<T>,
    lead: u32,
    all: u32,
}

impl<T> Default for Majority<T> {
    fn default() -> Self {
        Self {
            candidate: None,
            lead: 0,
            all: 0,
        }
    }
}

impl<T: PartialEq> Majority<T> {
    /// One more of `who`.
    pub fn add(&mut self, who: T) {
        self.all = self.all.saturating_add(1);
        if self.candidate.as_ref() == Some(&who) {
            self.lead = self.lead.saturating_add(1);
        } else if self.lead == 0 {
            (self.candidate, self.lead) = (Some(who), 1);
        } else {
            self.lead -= 1;
        }
    }

    /// Votes so far.
    pub fn votes(&self) -> u32 {
        self.all
    }

    /// The one that has two thirds or more, if one has.
    pub fn one(&self) -> Option<&T> {
        self.candidate.as_ref().filter(|_| self.has_one())
    }

    /// Whether one has two thirds or more: with a share of s it leads by 2 s - 1 of all.
    pub fn has_one(&self) -> bool {
        self.lead > self.all / 3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(votes: impl Iterator<Item = u32>, expected: bool) {
        let mut majority = Majority::default();
        votes.for_each(|vote| majority.add(vote));
        assert_eq!(majority.has_one(), expected, "{majority:?}");
    }

    #[test]
    fn most_are_of_one_or_are_not() {
        check((0..1_000).map(|n| if n % 10 < 8 { 7 } else { n }), true);
        check((0..1_000).map(|n| n % 3), false);
        check(0..1_000, false);
        check((0..1_000).map(|n| n % 2), false);
        check(std::iter::once(3), true);
    }
}
