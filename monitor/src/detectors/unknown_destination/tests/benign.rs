//! What must not be flagged.

use super::*;

// The look-alike of an attack: the same traffic in all the ways that change by themselves.
#[test]
fn what_changes_by_itself_is_no_alert() {
    let usual = [
        flow("/usr/bin/node", "cdn.example.com", "203.0.113.5:443"),
        flow("/usr/lib/apt/methods/http", "deb.example.org", "203.0.113.80:80"),
        flow("/usr/bin/node", "", "10.0.0.5:5432"),
    ];
    let mut world = World::that_learned(&usual);
    for n in 0..200 {
        // Rotating addresses of a known name, both families; a mirror that moved; another database of that network.
        world.happens(&flow("/usr/bin/node", "cdn.example.com", &format!("198.51.{n}.7:443")));
        world.happens(&flow(
            "/usr/bin/node",
            "cdn.example.com",
            &format!("[2001:db8:{n}::7]:443"),
        ));
        world.happens(&flow(
            "/usr/lib/apt/methods/http",
            "deb.example.org",
            "198.51.100.80:80",
        ));
        world.happens(&flow("/usr/bin/node", "", "10.0.0.77:5432"));
        // A known name's flow whose name was not seen.
        world.happens(&flow("/usr/bin/node", "", "203.0.113.99:443"));
        world.passes(Duration::from_hours(1));
    }
    // The program was updated.
    world.happens(&flow("/usr/bin/node (deleted)", "cdn.example.com", "198.51.100.9:443"));
    world.is_silent();
}

#[test]
fn it_is_silent_while_it_learns() {
    let mut world = World::new("");
    for n in 0..20 {
        world.happens(&flow(CURL, &format!("n{n}.example{n}.com"), "203.0.113.5:443"));
        world.passes(DAY / 4);
    }
    world.is_silent();
    assert_eq!(world.detector.learning(world.now), 1);
    world.passes(3 * DAY);
    assert_eq!(world.detector.learning(world.now), 0);
}

#[test]
fn a_program_seen_too_seldom_is_still_learning() {
    let mut world = World::new("");
    let cron = |n: u32| {
        flow(
            "/usr/sbin/cron",
            &format!("{n}.example{n}.com"),
            &format!("198.51.{n}.9:443"),
        )
    };
    for n in 0..3 {
        world.happens(&cron(n));
        world.passes(8 * DAY);
    }
    world.is_silent();
    world.happens(&cron(3));
    world.only_alert();
}

#[test]
fn a_new_program_on_a_new_host_learns() {
    let mut world = World::new("");
    world.happens(&flow(CURL, "a.example.com", "203.0.113.5:443"));
    world.passes(6 * DAY);
    world.happens(&flow("/usr/bin/wget", "b.example.com", "203.0.113.5:443"));
    world.is_silent();
}

#[test]
fn some_addresses_are_no_destination() {
    let mut world = World::new("[learning]\nperiod = \"0s\"\n");
    for remote in [
        "127.0.0.1:80",
        "[::1]:80",
        "0.0.0.0:80",
        "224.0.0.251:5353",
        "[ff02::fb]:5353",
        "255.255.255.255:67",
    ] {
        world.happens(&flow(CURL, "", remote));
    }
    let Observation::Flow(mut inbound) = observation(world.now, 999, FlowEvent::Close, &habits()[0]) else {
        panic!("not a flow");
    };
    inbound.destination = None;
    let mut findings = Vec::new();
    world.detector.observe(&Observation::Flow(inbound), &mut findings);
    assert!(findings.is_empty());
    world.is_silent();
}

#[test]
fn names_without_end_under_one_parent_are_one_destination() {
    let edge = |n: u32| flow(CURL, &format!("r{n}.cdn.example.net"), "203.0.113.5:443");
    let mut world = World::that_learned(&(0..8).map(edge).collect::<Vec<_>>());
    for n in 100..200 {
        world.happens(&edge(n));
    }
    world.is_silent();
    world.happens(&flow(CURL, "www.example.net", "198.51.200.5:443"));
    let alert = world.only_alert();
    assert_eq!(alert.target.destination.as_deref(), Some("www.example.net"));
}

// A told name must not cover its raw address in turn.
#[test]
fn a_network_reached_without_a_name_covers_names_but_a_told_name_covers_nothing() {
    let mut world = World::that_learned(&[flow(CURL, "", "203.0.113.5:443")]);
    world.happens(&flow(CURL, "late.example.com", "203.0.113.6:443"));
    world.is_silent();
    world.happens(&flow(CURL, "evil.example.net", "198.51.100.6:443"));
    world.happens(&flow(CURL, "", "198.51.100.6:443"));
    assert_eq!(world.alerts().len(), 2);
}

#[test]
fn a_redeployed_container_is_judged_by_what_its_kin_know() {
    let node = |container, name: &str| Flow {
        container: Some(container),
        ..flow("/usr/bin/node", name, "203.0.113.5:443")
    };
    let mut world = World::that_learned(&[node("aaaa", "pay.example.com"), node("aaaa", "mail.example.org")]);
    for container in ["bbbb", "cccc", "dddd"] {
        world.happens(&node(container, "pay.example.com"));
        world.happens(&node(container, "mail.example.org"));
        world.passes(DAY);
    }
    world.is_silent();
    world.happens(&node("eeee", "evil.example.net"));
    world.passes(Duration::from_mins(1));
    let summary = world.only_alert().summary.clone();
    assert!(
        summary.starts_with("node (pid 812, uid 33) in container eeee sent "),
        "{summary}"
    );
}

#[test]
fn a_crawler_is_not_told_of() {
    let mut world = World::new("");
    for n in 0..2_000 {
        let site = format!("www.site{n}.com");
        world.happens(&flow("/usr/bin/crawler", &site, &format!("198.51.{}.7:443", n % 200)));
        world.passes(Duration::from_mins(10));
    }
    world.is_silent();
    let left_out = world.detector.left_out();
    let roaming = left_out.into_iter().find(|(cause, _)| *cause == "roaming");
    assert!(roaming.is_some_and(|(_, count)| count > 500), "{roaming:?}");
}

#[test]
fn the_usual_resolver_is_for_every_program_and_another_is_new() {
    let mut world = World::new("[learning]\nperiod = \"0s\"\n");
    let dns = |exe, remote| Flow {
        app: Some(App::Dns),
        ..flow(exe, "", remote)
    };
    world.happens(&dns(CURL, "203.0.113.53:53"));
    world.happens(&dns("/usr/bin/wget", "203.0.113.53:53"));
    world.happens(&dns("/usr/bin/wget", "10.0.0.2:53"));
    world.is_silent();
    world.happens(&dns("/tmp/x", "198.51.100.53:53"));
    let alert = world.only_alert();
    assert_eq!(alert.actor.as_ref().map(|actor| &*actor.id), Some("/tmp/x"));
}
