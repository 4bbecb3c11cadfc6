//! Accounts in other hands, and owners who do something new.

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::observation::made::{Made, World, login, request};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const UPDATED: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0";
const OTHER: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.3 Safari/605.1.15";
const TOOL: &str = "python-requests/2.31";
const USUAL: [&str; 3] = ["GET /products", "GET /products/{id}", "GET /cart"];
const WANTED: [&str; 5] = [
    "GET /export",
    "GET /admin/users",
    "GET /orders",
    "GET /orders/{id}",
    "GET /profile",
];

fn asks(account: &str, client: &str, agent: &str, endpoint: &str) -> Made {
    request(client, endpoint, 200)
        .who(IdentityKind::Account, account, true)
        .agent(agent, 1)
}

/// Six working days of eight clerks, nine to five (UTC); a midnight comes next.
fn world() -> World<AccountAnomaly> {
    let mut world = World::new("[learning]\nperiod = \"2d\"\n", AccountAnomaly::new);
    // To the next midnight.
    let day = 86_400 - world.now.as_nanos() / 1_000_000_000 % 86_400;
    world.passes_secs(day);
    for day in 0..6 {
        work(&mut world, if day < 3 { BROWSER } else { UPDATED });
    }
    world
}

fn work(world: &mut World<AccountAnomaly>, agent: &str) {
    world.passes_secs(9 * 3_600);
    for _ in 0..4 {
        for clerk in 0..8 {
            for endpoint in USUAL {
                world.sees(&asks(&format!("clerk{clerk}"), "192.0.2.7", agent, endpoint));
                world.passes_secs(20);
            }
        }
        world.passes_secs(7_200 - 480);
    }
    world.passes_secs(7 * 3_600);
}

#[test]
fn at_night_with_a_tool_for_everything_is_told_while_it_goes_on() {
    let mut world = world();
    world.passes_secs(3 * 3_600);
    for (number, endpoint) in WANTED.into_iter().cycle().take(30).enumerate() {
        world.sees(&asks("clerk3", "198.51.100.7", TOOL, endpoint));
        world.passes_secs(30);
        assert!(number < 5 || world.raised().len() == 1, "{number}");
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!(
        (actor.kind, &*actor.id, raised[0].severity),
        (ActorKind::Account, "clerk3", Severity::High)
    );
    assert_eq!(raised[0].count, 30);
    assert!(
        raised[0].summary.contains("an hour that it never kept"),
        "{}",
        raised[0].summary
    );
}

#[test]
fn by_day_with_another_program_and_place_for_everything_is_told() {
    let mut world = world();
    world.passes_secs(10 * 3_600);
    for endpoint in WANTED {
        world.sees(&asks("clerk3", "198.51.100.7", TOOL, endpoint));
        world.passes_secs(30);
    }
    assert_eq!(world.raised().len(), 1);
}

#[test]
fn one_thing_that_is_new_is_silent() {
    let mut world = world();
    world.passes_secs(10 * 3_600);
    for endpoint in USUAL {
        // A new computer; an evening; a journey; a day of other work.
        world.sees(&asks("clerk1", "192.0.2.7", OTHER, endpoint));
        world.sees(&asks("clerk2", "198.51.100.7", UPDATED, endpoint));
    }
    for endpoint in WANTED {
        world.sees(&asks("clerk3", "192.0.2.7", UPDATED, endpoint));
    }
    world.passes_secs(11 * 3_600);
    world.sees(&asks("clerk4", "192.0.2.7", UPDATED, USUAL[0]));
    world.is_silent();
}

#[test]
fn a_new_account_and_the_first_day_after_leave_are_silent() {
    let mut world = world();
    for endpoint in WANTED {
        world.sees(&asks("newcomer", "198.51.100.7", TOOL, endpoint));
        world.passes_secs(30);
    }
    world.passes_secs(5 * 86_400 + 10 * 3_600);
    for endpoint in WANTED {
        world.sees(&asks("clerk5", "203.0.113.9", OTHER, endpoint));
        world.passes_secs(30);
    }
    world.is_silent();
}

#[test]
fn what_is_refused_is_not_the_accounts() {
    let mut world = world();
    world.passes_secs(3 * 3_600);
    for endpoint in WANTED {
        let mut made = asks("clerk3", "198.51.100.7", TOOL, endpoint);
        made.0.response.as_mut().unwrap().status = 401;
        world.sees(&made);
    }
    world.is_silent();
}

#[test]
fn a_session_belongs_to_the_login_before_it() {
    let mut world = world();
    world.passes_secs(3 * 3_600);
    world.sees(&login("198.51.100.7", "clerk3", true).agent(TOOL, 1));
    for endpoint in WANTED {
        let made = request("198.51.100.7", endpoint, 200).who(IdentityKind::Session, "session:1", true);
        world.sees(&made.agent(TOOL, 1));
        world.passes_secs(30);
    }
    assert_eq!(world.raised().len(), 1);
    assert_eq!(&*world.raised()[0].actor.as_ref().unwrap().id, "clerk3");
}

#[test]
fn habits_are_kept_over_a_restart() {
    let mut world = world();
    let put = |change| match change {
        Change::Put(row) => Some(row),
        Change::Remove { .. } | Change::Clear => None,
    };
    let rows: Vec<Row> = world.detector.export_dirty().into_iter().filter_map(put).collect();
    let mut restarted = World::new("[learning]\nperiod = \"2d\"\n", AccountAnomaly::new);
    restarted.now = world.now;
    restarted.detector.import(rows, world.now);
    assert_eq!(restarted.detector.learning(world.now), 0);
    restarted.passes_secs(3 * 3_600);
    for endpoint in WANTED {
        restarted.sees(&asks("clerk3", "198.51.100.7", TOOL, endpoint));
        restarted.passes_secs(30);
    }
    assert_eq!(restarted.raised().len(), 1);
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..40_000u32 {
        world.sees(&asks(&format!("user{n}"), "198.51.100.7", TOOL, &format!("GET /{n}")));
    }
    assert!(world.detector.profiles.len() <= MOST_ACCOUNTS);
    assert!(world.detector.left_out()[0].1 > 0);
    let clerk: Arc<str> = "clerk1".into();
    assert!(world.detector.profiles.get(&clerk).is_some(), "who has habits stays");
}
