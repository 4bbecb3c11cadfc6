//! What rules cover, and what they must never cover.

use std::sync::Arc;

use super::*;
use crate::alert::Severity;
use crate::alerts::Desk;
use crate::config::{Bounds, Config};
use crate::finding::tests::finding;
use crate::record::Body;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

fn rule(toml: &str) -> AllowRule {
    let text = format!("[[allow]]\n{toml}\n");
    let config = Config::parse(&text, std::path::Path::new("monitor.toml")).unwrap();
    config.allow.into_iter().next().unwrap()
}

fn http_finding() -> Finding {
    Finding {
        actor: Some(Actor {
            kind: ActorKind::Ip,
            id: "203.0.113.7".into(),
        }),
        target: Target {
            endpoint: Some("POST /api/v1/orders/{id}".into()),
            ..Target::default()
        },
        ..finding("", 0)
    }
}

#[track_caller]
fn check(toml: &str, finding: &Finding, expected: bool) {
    assert_eq!(rule(toml).covers_finding(NOW, finding), expected, "{toml}");
    // An open alert of that finding is covered alike.
    let mut records = Vec::new();
    Desk::new(&Bounds::default()).file(NOW, finding.clone(), None, &Rules::default(), &mut records);
    let Some(Body::Alert(alert)) = records.last().map(|record| &record.body) else {
        panic!("{records:?}");
    };
    assert_eq!(rule(toml).covers_alert(NOW, alert), expected, "{toml}, of the alert");
}

#[test]
fn every_key_that_is_named_must_agree() {
    let curl = finding("files.example.com", 0);
    for (toml, expected) in [
        ("detector = 'unknown_destination'", true),
        ("destination = '*.example.com'", true),
        ("destination = '*.example.net'", false),
        ("process = '/usr/bin/*'", true),
        ("process = '/usr/bin/wget'", false),
        ("process = '/usr/bin/curl'\ndestination = 'files.example.com'", true),
        ("process = '/usr/bin/wget'\ndestination = 'files.example.com'", false),
        ("actor = '/usr/bin/curl'", true),
        ("endpoint = '*'", false),
        ("path = '*'", false),
        ("destination = '0.0.0.0/0'", false),
    ] {
        check(toml, &curl, expected);
    }
}

#[test]
fn addresses_networks_endpoints_and_paths() {
    for (toml, expected) in [
        ("destination = '198.51.100.0/24'", true),
        ("destination = '198.51.100.7'", true),
        ("destination = '198.51.100.8'", false),
    ] {
        check(toml, &finding("198.51.100.7", 0), expected);
    }
    for (toml, expected) in [
        ("actor = '203.0.113.0/24'", true),
        ("actor = '203.0.113.8'", false),
        ("endpoint = 'POST /api/v1/*'", true),
        ("endpoint = 'GET /api/v1/*'", false),
        ("path = '/api/v1/orders/*'", true),
        ("process = '*'", false),
    ] {
        check(toml, &http_finding(), expected);
    }
}

#[test]
fn a_rule_ends_with_its_time() {
    let dated = |until| rule(&format!("destination = '*'\nuntil = '{until}'"));
    let finding = finding("a", 0);
    assert!(dated("2027-02-01").covers_finding(NOW, &finding));
    assert!(!dated("2027-01-15").covers_finding(NOW, &finding), "{NOW}");
}

#[test]
fn a_rule_that_names_nothing_covers_nothing() {
    assert!(!AllowRule::default().covers_finding(NOW, &finding("a", 0)));
    assert_eq!(Rules::default().add(AllowRule::default()), Err(RuleError::NamesNothing));
}

#[test]
fn ids_derive_from_what_is_covered() {
    let (a, b) = (
        rule("destination = 'a'\ncomment = 'x'"),
        rule("destination = 'a'\nuntil = '2027-01-01'"),
    );
    assert_eq!(a.id(), b.id());
    assert_ne!(a.id(), rule("destination = 'b'").id());
    // Written in scripts and shown in alerts: must not change from release to release.
    assert_eq!(a.id(), "allow-d6a17da8");
}

#[test]
fn rules_come_and_go() {
    let mut rules = Rules::new(&Config {
        allow: vec![rule("destination = 'config'")],
        ..Config::default()
    });
    let id = rules.add(rule("destination = 'added'\ncomment = 'one'")).unwrap();
    assert_eq!(
        rules.add(rule("destination = 'added'\ncomment = 'two'")),
        Ok(id.clone())
    );
    let listed: Vec<_> = rules
        .list()
        .map(|(_, origin, rule)| (origin, rule.comment.clone()))
        .collect();
    assert_eq!(listed.len(), 2);
    assert!(listed.contains(&(Origin::Command, "two".to_owned())), "{listed:?}");
    assert_eq!(
        rules.find(NOW, &finding("added", 0)).map(|(id, _)| id.to_owned()),
        Some(id.clone())
    );

    let from_config = rule("destination = 'config'").id();
    assert_eq!(
        rules.remove(&from_config),
        Err(RuleError::FromConfig(from_config.clone()))
    );
    assert_eq!(
        rules.add(rule("destination = 'config'")),
        Err(RuleError::FromConfig(from_config))
    );
    assert_eq!(rules.remove("allow-0"), Err(RuleError::Unknown("allow-0".to_owned())));
    assert!(rules.remove(&id).is_ok());
    assert!(rules.find(NOW, &finding("added", 0)).is_none());

    // A reload changes what stands in the configuration, and nothing else.
    rules.add(rule("destination = 'added'")).unwrap();
    rules.set_config(&Config::default());
    assert_eq!(rules.list().map(|(id, ..)| id.to_owned()).collect::<Vec<_>>(), [id]);
}

#[test]
fn there_are_not_more_rules_than_can_be_held_against_each_alert() {
    let mut rules = Rules::default();
    for n in 0..MOST_RULES {
        rules.add(rule(&format!("destination = 'n{n}'"))).unwrap();
    }
    assert_eq!(rules.add(rule("destination = 'one more'")), Err(RuleError::TooMany));
    assert!(rules.add(rule("destination = 'n0'\ncomment = 'again'")).is_ok());
}

fn alert(finding: Finding) -> Arc<Alert> {
    let mut records = Vec::new();
    Desk::new(&Bounds::default()).file(NOW, finding, None, &Rules::default(), &mut records);
    match records.last().map(|record| &record.body) {
        Some(Body::Alert(alert)) => alert.clone(),
        _ => panic!("{records:?}"),
    }
}

#[test]
fn the_line_to_paste_is_as_narrow_as_the_alert() {
    assert_eq!(
        allow_line(&alert(http_finding())),
        "monitor allow unknown_destination --actor 203.0.113.7 --endpoint 'POST /api/v1/orders/{id}' --comment 'why \
         this is normal'"
    );
}

// Names come from the wire: the line must not allow the world, run anything, or move the cursor.
#[test]
fn the_line_to_paste_is_safe() {
    let line = |destination: &str| {
        let mut severe = finding(destination, 0);
        severe.severity = Severity::High;
        severe.actor = None;
        allow_line(&alert(severe))
    };
    for (name, word) in [
        ("*", r"'\*'"),
        ("a'$(reboot)'.example", r"'a'\''$(reboot)'\''.example'"),
        ("a\u{1b}[2J\nb", "'a?[2J?b'"),
        ("-rf", "'-rf'"),
        ("a b;c", "'a b;c'"),
    ] {
        let expected = format!("monitor allow unknown_destination --destination {word} --comment 'why this is normal'");
        assert_eq!(line(name), expected);
    }
    // What is pasted covers what it came from.
    for name in ["*", "a?b", r"a\b", "a\u{1b}b"] {
        let pattern = Glob::exactly(name).replace('\u{1b}', "?");
        let rule = AllowRule {
            destination: Some(pattern.parse().unwrap()),
            ..AllowRule::default()
        };
        assert!(rule.covers_finding(NOW, &finding(name, 0)), "{name}");
    }
    let star = AllowRule {
        destination: Some(Glob::exactly("*").parse().unwrap()),
        ..AllowRule::default()
    };
    assert!(!star.covers_finding(NOW, &finding("example.com", 0)));
}
