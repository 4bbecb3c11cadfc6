//! Clients that do a little, one that does much, and what is remembered of them.

use super::*;
use crate::baseline::bits::hash;

const PERIOD: Duration = Duration::from_hours(48);
/// A midnight.
const MIDNIGHT: u64 = 20_000 * 86_400;

fn breadth() -> Breadth {
    Breadth::new(Terms {
        hour_alpha: 1e-8,
        day_alpha: 1e-7,
        period: PERIOD,
        most: 1_000,
    })
}

struct Host {
    breadth: Breadth,
    endpoint: Arc<str>,
}

impl Host {
    fn new() -> Self {
        Self {
            breadth: breadth(),
            endpoint: "GET /orders/{id}".into(),
        }
    }

    fn asks(&mut self, secs: u64, who: &str, thing: u64, refused: bool) -> Option<Crossing> {
        self.asks_for(secs, who, 0, thing, refused)
    }

    fn asks_for(&mut self, secs: u64, who: &str, member: u64, thing: u64, refused: bool) -> Option<Crossing> {
        let subject = hash(who);
        self.breadth.see(&Sight {
            now: Timestamp::from_secs(MIDNIGHT + secs),
            subject,
            group: &self.endpoint,
            thing: hash(&thing),
            member,
            refused,
            teaches: true,
            habits: [subject, 0],
        })
    }

    /// Days of clients that ask for some things, and of one that asks for 200 at one o'clock.
    fn lives(&mut self, days: std::ops::Range<u64>) -> Vec<Crossing> {
        let mut crossings = Vec::new();
        for day in days {
            for who in 0..60u64 {
                for thing in 0..=(who + day) % 8 {
                    let secs = day * 86_400 + (9 + who % 10) * 3_600 + thing;
                    crossings.extend(self.asks(secs, &format!("client{who}"), who * 100 + thing, false));
                }
            }
            // Later in the day, so that time goes on.
            for thing in 0..200 {
                let secs = day * 86_400 + 22 * 3_600 + thing;
                crossings.extend(self.asks(secs, "batch", day * 37 + thing, false));
            }
        }
        crossings
    }
}

#[test]
fn a_batch_that_was_learned_is_known_and_the_same_of_another_is_not() {
    let mut host = Host::new();
    assert_eq!(host.lives(0..6), []);
    let crossings: Vec<_> = (0..200)
        .filter_map(|n| host.asks(6 * 86_400 + n, "other", n, false))
        .collect();
    let first = crossings.first().expect("it is beyond the line");
    assert!(
        first.line > 15 && first.line < 150 && !first.has_habit && !first.learning,
        "{first:?}"
    );
    assert_eq!(crossings.len(), 200 - first.asked as usize + 1);
    // Ten times what it does is no batch any more.
    let beyond = (0..4_000).find_map(|n| host.asks(6 * 86_400 + 7_200 + n / 2, "batch", n, false));
    assert!(
        beyond.is_some_and(|crossing| crossing.has_habit && crossing.count >= 300),
        "{beyond:?}"
    );
}

#[test]
fn low_and_slow_is_beyond_the_line_of_a_day() {
    let mut host = Host::new();
    host.lives(0..4);
    let found = (0..300).find_map(|n| host.asks(4 * 86_400 + n * 280, "slow", n, true));
    let found = found.expect("it is found");
    assert_eq!((found.window, found.refused == found.asked), (Window::Day, true));
}

#[test]
fn what_was_refused_or_told_teaches_nothing() {
    let mut host = Host::new();
    for day in 0..4 {
        for n in 0..300 {
            host.asks(day * 86_400 + n, "guesser", n, true);
        }
    }
    host.lives(4..6);
    assert!(host.breadth.habits.get(&hash("guesser")).is_none());
    // While nothing is learned, too: what is told is no habit.
    let mut host = Host::new();
    for day in 0..2 {
        for n in 0..1_000 {
            if let Some(crossing) = host.asks(day * 86_400 + n, "thief", n, false) {
                assert!(crossing.learning && crossing.count >= UNLEARNED);
                host.breadth.told(&crossing, hash("thief"));
            }
        }
    }
    host.lives(2..4);
    assert!(host.breadth.habits.get(&hash("thief")).is_none());
    assert!(host.breadth.habits.get(&hash("batch")).is_some());
    assert!((0..1_000).any(|n| host.asks(4 * 86_400 + n, "thief", n, false).is_some()));
}

// Forty people behind one address ask for as much each as everybody does.
#[test]
fn a_crowd_is_no_client_and_a_made_up_one_is_no_crowd() {
    let mut host = Host::new();
    host.lives(0..4);
    let crowd = (0..160u64).find_map(|n| host.asks_for(4 * 86_400 + n, "office", hash(&(n % 40)), n, false));
    assert_eq!(crowd, None);
    let one = (0..900u64).find_map(|n| {
        let member = if n % 10 < 8 { 7 } else { hash(&(n % 40)) };
        host.asks_for(4 * 86_400 + 9_000 + n, "office2", member, n, false)
    });
    assert_eq!(one.and_then(|crossing| crossing.one_of_them), Some(7));
}

#[test]
fn a_restart_is_no_cold_start() {
    let mut host = Host::new();
    host.lives(0..4);
    host.breadth.expire(Timestamp::from_secs(MIDNIGHT + 4 * 86_400));
    let rows: Vec<crate::baseline::Row> = host
        .breadth
        .export_dirty()
        .into_iter()
        .filter_map(|change| match change {
            crate::baseline::Change::Put(row) => Some(row),
            crate::baseline::Change::Remove { .. } | crate::baseline::Change::Clear => None,
        })
        .collect();
    assert!(host.breadth.export_dirty().is_empty());
    let mut restarted = Host::new();
    restarted
        .breadth
        .import(rows, Timestamp::from_secs(MIDNIGHT + 4 * 86_400));
    assert!(
        !restarted
            .breadth
            .is_learning(Timestamp::from_secs(MIDNIGHT + 4 * 86_400))
    );
    assert_eq!(restarted.lives(4..5), []);
    let line = |host: &mut Host| (0..200).find_map(|n| host.asks(5 * 86_400 + n, "other", n, false));
    let crossing = line(&mut restarted).expect("it is told at once");
    assert!(crossing.line < 150 && !crossing.learning, "{crossing:?}");
}

#[test]
fn memory_is_bounded() {
    let mut host = Host::new();
    for n in 0..20_000u64 {
        host.endpoint = format!("GET /{n}/{{id}}").into();
        for thing in 0..3 {
            host.asks(n / 10, &format!("client{n}"), thing, false);
        }
    }
    assert!(host.breadth.entries.len() <= 1_000 && host.breadth.groups.len() <= MOST_GROUPS);
    let [subjects, _, groups] = host.breadth.left_out();
    assert!(subjects > 0 && groups > 0);
}
