//! Who read which requests of a connection: processes may take turns on one.

use std::collections::VecDeque;

use crate::event::{Owner, OwnerSince};

/// Changes remembered; a transaction is told soon after it was read, so only the last few are asked for.
const MAX_EARLIER: usize = 16;

/// The owners of a connection, by the requests that they read first.
#[derive(Debug, Default)]
pub struct Owners {
    first: Option<Owner>,
    latest: Option<(OwnerSince, Owner)>,
    /// From which turn on whom, before `latest`; `None` where a change was missed. Empty for nearly all connections.
    earlier: VecDeque<(u32, Option<Owner>)>,
}

impl Owners {
    /// Notes that `owner` is the latest, since then.
    pub fn note(&mut self, owner: Owner, since: OwnerSince) {
        self.first = self.first.or(Some(owner));
        let Some((before, previous)) = self.latest.replace((since, owner)) else {
            return;
        };
        if before == since {
            return;
        }
        self.earlier.push_back((before.turn, Some(previous)));
        // One in between was not told: whose the requests after the last known one were is not known.
        if since.changes != before.changes.wrapping_add(1) {
            self.earlier.push_back((before.turn.saturating_add(1), None));
        }
        // What a later owner was first to read was nobody's before.
        while self.earlier.back().is_some_and(|(turn, _)| *turn >= since.turn) {
            self.earlier.pop_back();
        }
        while self.earlier.len() > MAX_EARLIER {
            self.earlier.pop_front();
        }
    }

    /// The first.
    pub fn first(&self) -> Option<Owner> {
        self.first
    }

    /// The latest, where that is another process than the first.
    pub fn successor(&self) -> Option<Owner> {
        let (_, latest) = self.latest?;
        (Some(latest.program.pid) != self.first.map(|first| first.program.pid)).then_some(latest)
    }

    /// Who was first to read the request with this turn, where that is known.
    pub fn of(&self, turn: u32) -> Option<Owner> {
        let (since, latest) = self.latest?;
        if since.turn <= turn {
            return Some(latest);
        }
        let before = self.earlier.iter().rev().find(|(from, _)| *from <= turn);
        before.and_then(|(_, owner)| *owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(told: &[(u32, u32, u16)]) -> Owners {
        let mut owners = Owners::default();
        for &(pid, turn, changes) in told {
            let mut owner = Owner::default();
            owner.program.pid = pid;
            owners.note(owner, OwnerSince { turn, changes });
        }
        owners
    }

    #[track_caller]
    fn check(told: &[(u32, u32, u16)], expected: &[(u32, Option<u32>)]) {
        let owners = owners(told);
        for (turn, pid) in expected {
            assert_eq!(owners.of(*turn).map(|owner| owner.program.pid), *pid, "turn {turn}");
        }
    }

    #[test]
    fn one_owner_owns_all() {
        check(&[(7, 1, 1), (7, 1, 1)], &[(1, Some(7)), (9, Some(7))]);
        // Known when the socket was released: it had been nobody else's.
        check(&[(7, 0, 0)], &[(1, Some(7))]);
    }

    #[test]
    fn each_request_is_its_first_readers() {
        let told = [(7, 1, 1), (8, 2, 2), (7, 3, 3)];
        check(&told, &[(1, Some(7)), (2, Some(8)), (3, Some(7)), (4, Some(7))]);
        assert_eq!(owners(&told).successor(), None);
        assert_eq!(owners(&told[..2]).successor().map(|owner| owner.program.pid), Some(8));
    }

    #[test]
    fn who_takes_over_in_the_midst_may_lose_the_next_one() {
        check(&[(7, 1, 1), (8, 2, 2), (9, 2, 3)], &[(1, Some(7)), (2, Some(9))]);
    }

    #[test]
    fn a_missed_change_leaves_a_gap() {
        check(
            &[(7, 1, 1), (9, 6, 4)],
            &[(1, Some(7)), (2, None), (5, None), (6, Some(9))],
        );
        check(&[(7, 3, 1)], &[(2, None), (3, Some(7))]);
    }

    #[test]
    fn what_is_long_past_is_forgotten() {
        let told: Vec<_> = (1..=40).map(|n| (n, n, n as u16)).collect();
        check(&told, &[(1, None), (30, Some(30)), (40, Some(40))]);
    }
}
