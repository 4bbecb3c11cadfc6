//! Lists that are worked off, and mornings in an office.

use super::*;
use crate::alert::{ActorKind, Severity};
use crate::observation::made::{World, login};

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const TOOL: &str = "python-requests/2.31";

fn world() -> World<CredentialStuffing> {
    let mut world = World::new("", CredentialStuffing::new);
    for n in 0..50 {
        world.sees(&login(&format!("192.0.2.{n}"), &format!("good{n}"), true).agent(BROWSER, 1));
    }
    world
}

#[test]
fn a_list_from_one_source_is_one_alert() {
    let mut world = world();
    for n in 0..2_000 {
        world.sees(&login("198.51.100.7", &format!("victim{n}"), false).agent(TOOL, 2));
        world.passes(Duration::from_millis(200));
    }
    world.ends();
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let alert = raised[0];
    let actor = alert.actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Ip, "198.51.100.7"));
    // Findings are a second apart at least.
    assert!(
        alert.count > 1_990 && alert.severity == Severity::High,
        "{}",
        alert.count
    );
    assert!(
        alert.summary.contains("python-requests/2.31 with fingerprint h1:"),
        "{}",
        alert.summary
    );
    assert!(
        alert
            .summary
            .contains("in 100 % of them and 0 % of the logins that succeeded"),
        "{}",
        alert.summary
    );
}

#[test]
fn an_account_that_gives_way_is_named() {
    let mut world = world();
    for n in 0..40 {
        world.sees(&login("198.51.100.7", &format!("victim{n}"), false).agent(TOOL, 2));
        world.passes_secs(60);
    }
    assert_eq!(world.raised()[0].severity, Severity::Medium);
    world.sees(&login("198.51.100.7", "victim7", true).agent(TOOL, 2));
    let raised = world.raised();
    assert_eq!((raised.len(), raised[0].severity), (1, Severity::High));
    assert!(
        raised[0].summary.contains("let in after failing: victim7"),
        "{}",
        raised[0].summary
    );
}

#[test]
fn neighbours_that_share_the_work_are_a_network() {
    let mut world = world();
    for n in 0..60 {
        let address = format!("203.0.113.{}", n % 20);
        world.sees(&login(&address, &format!("victim{n}"), false).agent(TOOL, 2));
        world.passes_secs(120);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Network, "203.0.113.0/24"));
}

// Two tries from each of many networks, a few an hour; the program is what they share.
#[test]
fn low_and_slow_from_everywhere_is_told_by_its_program() {
    let mut world = world();
    for n in 0..120u32 {
        let address = format!("{}.{}.7.9", 11 + n / 2 % 80, n / 2 % 200);
        world.sees(&login(&address, &format!("victim{n}"), false).agent(TOOL, 2));
        world.passes_secs(600);
        world.sees(&login(&format!("192.0.2.{}", n % 50), &format!("good{}", n % 50), true).agent(BROWSER, 1));
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    assert_eq!(raised[0].actor.as_ref().unwrap().kind, ActorKind::Fingerprint);
    assert!(raised[0].confidence < 0.5);
}

#[test]
fn one_account_from_everywhere_is_told() {
    let mut world = world();
    for n in 0..60u32 {
        let address = format!("{}.{}.7.9", 11 + n, n);
        let mut guess = login(&address, "good7", false).agent(BROWSER, 1);
        guess.0.identity[0].unproven = false;
        world.sees(&guess);
        world.passes_secs(600);
    }
    let raised = world.raised();
    assert_eq!(raised.len(), 1, "{raised:#?}");
    let actor = raised[0].actor.as_ref().unwrap();
    assert_eq!((actor.kind, &*actor.id), (ActorKind::Account, "good7"));
}

// The window still holds the attack, which was told of: what comes after it needs evidence of its own.
#[test]
fn the_slip_of_an_attacked_account_the_day_after_is_no_alert() {
    let mut world = world();
    for n in 0..60u32 {
        let mut guess = login(&format!("{}.{n}.7.9", 11 + n), "good7", false).agent(BROWSER, 1);
        guess.0.identity[0].unproven = false;
        world.sees(&guess);
        world.passes_secs(60);
    }
    assert_eq!(world.raised().len(), 1);
    world.passes_secs(20 * 3_600);
    let mut slip = login("203.0.113.5", "good7", false).agent(BROWSER, 1);
    slip.0.identity[0].unproven = false;
    world.sees(&slip);
    world.ends();
    assert_eq!(world.raised().len(), 1, "{:#?}", world.raised());
}

#[test]
fn an_office_at_nine_is_silent() {
    let mut world = world();
    for person in 0..400u32 {
        for _ in 0..u32::from(person % 6 == 0) * (1 + person % 4) {
            world.sees(&login("198.51.100.7", &format!("user{person}"), false).agent(BROWSER, 1));
            world.passes_secs(5);
        }
        // One in forty gives up for today.
        if person % 40 != 6 {
            world.sees(&login("198.51.100.7", &format!("user{person}"), true).agent(BROWSER, 1));
        }
        world.passes_secs(3);
    }
    world.is_silent();
}

#[test]
fn someone_who_tries_all_his_names_is_silent() {
    let mut world = world();
    for n in 0..12 {
        world.sees(&login("198.51.100.7", &format!("name{}", n % 6), false).agent(BROWSER, 1));
        world.passes_secs(10);
    }
    world.is_silent();
}

// The same browser everywhere, and people who mistype: never so many of them.
#[test]
fn a_common_program_is_silent() {
    let mut world = world();
    for n in 0..3_000u32 {
        let address = format!("{}.{}.3.4", 11 + n % 100, n % 250);
        world.sees(&login(&address, &format!("user{n}"), n % 15 != 0).agent(BROWSER, 1));
        world.passes_secs(20);
    }
    world.is_silent();
}

#[test]
fn tokens_are_no_logins() {
    let mut world = world();
    for n in 0..500 {
        let made = crate::observation::made::request("198.51.100.7", "GET /orders", 401)
            .who(IdentityKind::Token, &format!("token:{n}"), false)
            .who(IdentityKind::Account, &format!("sub{n}"), false);
        world.sees(&made);
    }
    world.is_silent();
}

#[test]
fn memory_is_bounded() {
    let mut world = world();
    for n in 0..20_000u32 {
        let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + n * 300).to_string();
        world.sees(&login(&address, &format!("user{n}"), false).agent(&format!("agent{n}"), 2));
    }
    assert!(world.detector.sources.len() <= MOST_SOURCES && world.detector.accounts.len() <= MOST_ACCOUNTS);
    assert!(world.detector.networks.len() <= MOST_NETWORKS && world.detector.programs.len() <= MOST_PROGRAMS);
    assert!(world.detector.left_out().iter().all(|(_, count)| *count > 0));
}
