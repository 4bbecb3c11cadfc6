//! Alerts held against the truth of their scenario.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::calendar::{DAY, MINUTE, SECOND};
use super::places;
use super::replay::{Alert, Told, fingerprint};
use super::truth::{Actors, Attack, LookAlike, Truth};
use super::world::World;

/// What came of a scenario.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// Its name.
    pub scenario: String,
    /// Kind of its world.
    pub world: String,
    /// Days in which everything was judged, those of learning taken off.
    pub days: f64,
    /// What should have been found, by detector.
    pub found: Vec<Find>,
    /// All alerts.
    pub alerts: Vec<Judged>,
    /// Alerts that belong together and tell of no attack: places in `alerts`.
    pub false_incidents: Vec<Vec<usize>>,
    /// Incidents that tell of an attack, or alerts that belong together.
    pub true_incidents: usize,
    /// Those of them that have false alerts among the others.
    #[serde(default)]
    pub mixed_incidents: usize,
    /// Of each attack that was told of, in how many incidents.
    #[serde(default)]
    pub parts: Vec<usize>,
}

/// A detector that should speak, and whether it did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Find {
    /// The attack.
    pub attack: String,
    /// The detector.
    pub detector: String,
    /// Seconds from its first packet to the first alert; absent where none came.
    pub after_s: Option<f64>,
    /// Alerts of this detector about it.
    pub alerts: usize,
}

/// An alert, and whether it is right.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Judged {
    /// The alert.
    pub alert: Alert,
    /// The attack it tells of.
    pub of: Option<String>,
    /// What fooled it, as far as the truth knows.
    pub fooled_by: Option<String>,
}

/// Stamps of records are microseconds, those of packets nanoseconds; and the packets of an attack's last request, and the
/// alert about them, come after its moment.
const SLACK: u64 = 10 * MINUTE;
/// False alerts of the same actor or target within this are one incident.
const TOGETHER: u64 = DAY;

/// Judges all that was told of a scenario.
pub fn judge(truth: &Truth, told: &Told) -> Verdict {
    let marks: Vec<Marks<'_>> = truth.attacks.iter().map(Marks::new).collect();
    let alerts: Vec<Judged> = told
        .alerts
        .iter()
        .map(|alert| {
            let of = marks
                .iter()
                .find(|marks| marks.match_alert(alert))
                .map(|marks| marks.attack.name.clone());
            let fooled_by = match of {
                Some(_) => None,
                None => fooled_by(&truth.look_alikes, alert),
            };
            Judged {
                alert: alert.clone(),
                of,
                fooled_by,
            }
        })
        .collect();
    let mut found = Vec::new();
    for attack in &truth.attacks {
        for detector in &attack.detectors {
            let of = |judged: &&Judged| judged.alert.detector == *detector && judged.of.as_ref() == Some(&attack.name);
            let told = alerts.iter().filter(of).map(|judged| judged.alert.told).min();
            found.push(Find {
                attack: attack.name.clone(),
                detector: detector.clone(),
                after_s: told.map(|told| told.saturating_sub(attack.from) as f64 / SECOND as f64),
                alerts: alerts.iter().filter(of).count(),
            });
        }
    }
    let (false_incidents, right) = incidents(told, &alerts);
    let holds_false = |members: &&Vec<usize>| members.iter().any(|&at| alerts[at].of.is_none());
    let mixed_incidents = right.iter().filter(holds_false).count();
    let of_attack = |attack: &Attack| {
        let tells = |members: &&Vec<usize>| members.iter().any(|&at| alerts[at].of.as_ref() == Some(&attack.name));
        right.iter().filter(tells).count()
    };
    let parts = truth.attacks.iter().map(of_attack).filter(|parts| *parts > 0).collect();
    Verdict {
        scenario: truth.scenario.clone(),
        world: truth.world.clone(),
        days: (truth.end - truth.learned) as f64 / DAY as f64,
        found,
        alerts,
        true_incidents: right.len(),
        mixed_incidents,
        parts,
        false_incidents,
    }
}

/// The monitor's incidents where it makes them, else alerts that share an actor or a target: false ones and right ones, by
/// the places of their alerts.
fn incidents(told: &Told, alerts: &[Judged]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let is_true = |members: &[usize]| members.iter().any(|&at| alerts[at].of.is_some());
    let all: Vec<Vec<usize>> = match &told.incidents {
        Some(incidents) => {
            let place = |id: &String| alerts.iter().position(|judged| judged.alert.id == *id);
            incidents
                .iter()
                .map(|ids| ids.iter().filter_map(place).collect())
                .collect()
        }
        None => grouped(alerts),
    };
    let (right, wrong) = all.into_iter().partition(|members: &Vec<usize>| is_true(members));
    (wrong, right)
}

fn grouped(alerts: &[Judged]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (at, judged) in alerts.iter().enumerate() {
        let belongs = |group: &Vec<usize>| {
            group.iter().any(|&other| {
                let other = &alerts[other];
                // True and false ones are kept apart, so that an attack hides no false alert.
                judged.of == other.of
                    && judged.alert.first_seen < other.alert.last_seen + TOGETHER
                    && (judged.of.is_some()
                        || (judged.alert.actor.is_some() && judged.alert.actor == other.alert.actor)
                        || judged
                            .alert
                            .targets
                            .iter()
                            .any(|target| other.alert.targets.contains(target)))
            })
        };
        let (mut mine, others): (Vec<_>, Vec<_>) = groups.into_iter().partition(belongs);
        let mut group: Vec<usize> = mine.drain(..).flatten().collect();
        group.push(at);
        groups = others;
        groups.push(group);
    }
    groups
}

/// An attack with what stands for its secrets in records.
struct Marks<'a> {
    attack: &'a Attack,
    fingerprints: Vec<String>,
}

impl<'a> Marks<'a> {
    fn new(attack: &'a Attack) -> Self {
        Self {
            attack,
            fingerprints: attack.actors.secrets.iter().map(|secret| fingerprint(secret)).collect(),
        }
    }

    /// Whether an alert tells of this attack: at its time it names one of its actors; or, where it names none, one of its
    /// targets, and comes of a detector that has to do with it.
    fn match_alert(&self, alert: &Alert) -> bool {
        let Attack { from, until, .. } = *self.attack;
        if alert.last_seen + SECOND < from || alert.first_seen > until + SLACK {
            return false;
        }
        let named = self
            .attack
            .detectors
            .iter()
            .chain(&self.attack.may)
            .any(|name| *name == alert.detector);
        match &alert.actor {
            Some((kind, _)) if kind == "process" => named && self.has_target(alert),
            Some((kind, id)) => {
                names(&self.attack.actors, &self.fingerprints, kind, id, &alert.samples)
                    // The host itself, or what is reached, may stand as the actor of an outbound attack.
                    || (named && kind == "ip" && (self.has_destination(id) || is_host(id) && self.is_reached(alert)))
            }
            None => named && (self.has_target(alert) || of_whom(&self.attack.actors, &alert.samples)),
        }
    }

    fn has_target(&self, alert: &Alert) -> bool {
        alert.targets.iter().any(|target| {
            self.has_destination(target)
                || self
                    .attack
                    .endpoints
                    .iter()
                    .any(|endpoint| same_endpoint(endpoint, target))
        })
    }

    /// Whether most flows in its evidence go to what the attack reaches.
    fn is_reached(&self, alert: &Alert) -> bool {
        let of_it = |address: &&IpAddr| self.has_destination(&address.to_string());
        2 * alert.reached.iter().filter(of_it).count() > alert.reached.len()
    }

    fn has_destination(&self, target: &str) -> bool {
        let bare = target
            .rsplit_once(':')
            .filter(|(host, _)| !host.contains(':'))
            .map_or(target, |(host, _)| host);
        self.attack
            .destinations
            .iter()
            .any(|name| name == bare || bare.ends_with(&format!(".{name}")) || name.ends_with(&format!(".{bare}")))
    }
}

/// Whether this is one of them.
fn names(actors: &Actors, fingerprints: &[String], kind: &str, id: &str, samples: &[IpAddr]) -> bool {
    match kind {
        "ip" => id.parse().is_ok_and(|address| actors.addresses.contains(&address)),
        "network" => actors.addresses.iter().any(|address| inside(*address, id)),
        "asn" => places_of(actors).any(|network| id == format!("AS{}", network.asn)),
        "organization" => places_of(actors).any(|network| id == network.org),
        "country" => places_of(actors).any(|network| id == network.country()),
        "account" => actors.accounts.iter().any(|account| account == id),
        "key" | "token" | "session" => {
            let digest = id.rsplit(':').next().unwrap_or_default();
            fingerprints.iter().any(|fingerprint| fingerprint == digest)
        }
        "user_agent" if actors.agents.iter().any(|agent| agent == id) => true,
        // What cannot be known beforehand is whose its samples are.
        _ => of_whom(actors, samples),
    }
}

/// Whether this is the host's own address: who called out, where the process is not known.
fn is_host(id: &str) -> bool {
    let host = World::host();
    id.parse()
        .is_ok_and(|address: IpAddr| [host.v4, host.v6, host.inside].contains(&address))
}

/// Whether most of the samples are theirs.
fn of_whom(actors: &Actors, samples: &[IpAddr]) -> bool {
    let of_them = samples
        .iter()
        .filter(|address| actors.addresses.contains(address))
        .count();
    2 * of_them > samples.len()
}

fn places_of(actors: &Actors) -> impl Iterator<Item = &'static places::Network> + '_ {
    actors.addresses.iter().filter_map(|address| places::of(*address))
}

/// Whether an address is inside a network written as a CIDR.
fn inside(address: IpAddr, network: &str) -> bool {
    let Some((base, prefix)) = network.split_once('/') else {
        return false;
    };
    let (Ok(base), Ok(prefix)) = (base.parse::<IpAddr>(), prefix.parse::<u32>()) else {
        return false;
    };
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32 - prefix.min(32)).unwrap_or(0);
            u32::from(address) & mask == u32::from(base) & mask
        }
        (IpAddr::V6(address), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128 - prefix.min(128)).unwrap_or(0);
            u128::from(address) & mask == u128::from(base) & mask
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

/// Whether two are the same endpoint, whatever the names in braces are.
fn same_endpoint(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.split('/'), b.split('/'));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a == b || (a.starts_with('{') && b.starts_with('{')) => {}
            (_, _) => return false,
        }
    }
}

/// The look-alike that has this alert's actor, at its time; one that is meant for its detector first.
fn fooled_by(all: &[LookAlike], alert: &Alert) -> Option<String> {
    let fits = |one: &&LookAlike| {
        let at_the_time = alert.first_seen <= one.until + SLACK && alert.last_seen + SECOND >= one.from;
        at_the_time
            && alert.actor.as_ref().is_some_and(|(kind, id)| {
                let fingerprints: Vec<String> = one.actors.secrets.iter().map(|secret| fingerprint(secret)).collect();
                match kind.as_str() {
                    "asn" | "organization" | "country" => false,
                    kind => !one.actors.addresses.is_empty() && names(&one.actors, &fingerprints, kind, id, &[]),
                }
            })
    };
    let own = all.iter().filter(|one| one.of == alert.detector).find(fits);
    own.or_else(|| all.iter().find(fits)).map(|one| one.name.clone())
}

/// How many alerts of each detector there are.
pub fn by_detector(alerts: &[Judged]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for judged in alerts {
        *counts.entry(judged.alert.detector.as_str()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attack() -> Attack {
        Attack {
            name: "a".to_owned(),
            detectors: vec!["auth_failures".to_owned()],
            may: vec!["dns_tunnel".to_owned()],
            actors: Actors {
                addresses: vec!["91.40.1.2".parse().expect("an address")],
                accounts: vec!["anna".to_owned()],
                secrets: vec!["sk_1".to_owned()],
                agents: Vec::new(),
            },
            endpoints: vec!["GET /orders/{id}".to_owned()],
            destinations: vec!["t.evil.example".to_owned()],
            from: 100 * MINUTE,
            until: 200 * MINUTE,
        }
    }

    fn alert(detector: &str, actor: Option<(&str, &str)>, targets: &[&str], minute: u64) -> Alert {
        Alert {
            id: "1".to_owned(),
            detector: detector.to_owned(),
            severity: String::new(),
            title: String::new(),
            summary: String::new(),
            actor: actor.map(|(kind, id)| (kind.to_owned(), id.to_owned())),
            targets: targets.iter().map(|&target| target.to_owned()).collect(),
            samples: Vec::new(),
            reached: Vec::new(),
            told: minute * MINUTE,
            first_seen: minute * MINUTE,
            last_seen: minute * MINUTE,
            records: 1,
        }
    }

    #[track_caller]
    fn check(expected: bool, alert: &Alert) {
        let attack = attack();
        assert_eq!(Marks::new(&attack).match_alert(alert), expected, "{alert:?}");
    }

    #[test]
    fn an_alert_is_right_by_actor_or_target_and_by_time() {
        let key = format!("key:{}", fingerprint("sk_1"));
        for actor in [
            ("ip", "91.40.1.2"),
            ("network", "91.40.1.0/24"),
            ("asn", "AS64496"),
            ("country", "DE"),
            ("account", "anna"),
            ("key", &key),
        ] {
            check(true, &alert("user_agent", Some(actor), &[], 150));
            check(false, &alert("user_agent", Some(actor), &[], 99 - 1));
            check(false, &alert("user_agent", Some(actor), &[], 211));
        }
        for actor in [
            ("ip", "91.40.1.3"),
            ("network", "91.40.2.0/24"),
            ("account", "ben"),
            ("fingerprint", "h1:00"),
        ] {
            check(false, &alert("auth_failures", Some(actor), &["GET /orders/{id}"], 150));
        }
        // Targets count where no actor is named, for detectors that have to do with it.
        check(true, &alert("auth_failures", None, &["GET /orders/{order}"], 150));
        check(true, &alert("dns_tunnel", None, &["evil.example"], 150));
        check(
            true,
            &alert("dns_tunnel", Some(("process", "x")), &["x.t.evil.example:53"], 150),
        );
        check(false, &alert("user_agent", None, &["GET /orders/{id}"], 150));
        check(false, &alert("auth_failures", None, &["GET /orders"], 150));
    }

    // Of an address of its own the host has everything to do with what it reaches.
    #[test]
    fn the_host_is_judged_by_what_it_reaches() {
        let mut attack = attack();
        attack.destinations = vec!["192.0.2.77".to_owned()];
        let marks = Marks::new(&attack);
        let mut many = alert("dns_tunnel", Some(("ip", "203.0.113.10")), &[], 150);
        assert!(!marks.match_alert(&many));
        many.reached = vec!["192.0.2.77".parse().unwrap()];
        assert!(marks.match_alert(&many));
        many.reached = vec!["192.0.2.78".parse().unwrap()];
        assert!(!marks.match_alert(&many));
        many.actor = Some(("ip".to_owned(), "203.0.113.11".to_owned()));
        many.reached = vec!["192.0.2.77".parse().unwrap()];
        assert!(!marks.match_alert(&many), "another host");
    }

    #[test]
    fn false_alerts_of_one_cause_are_one_incident() {
        let alerts: Vec<Judged> = [
            alert("a", Some(("ip", "1.2.3.4")), &["GET /a"], 0),
            alert("b", Some(("ip", "1.2.3.4")), &["GET /b"], 9),
            alert("b", Some(("ip", "1.2.3.5")), &["GET /c"], 9),
            alert("c", None, &["GET /c"], 60),
            alert("a", Some(("ip", "1.2.3.4")), &[], 3_000),
        ]
        .into_iter()
        .map(|alert| Judged {
            alert,
            of: None,
            fooled_by: None,
        })
        .collect();
        let (wrong, right) = incidents(&Told::default(), &alerts);
        assert_eq!((wrong, right), (vec![vec![0, 1], vec![2, 3], vec![4]], Vec::new()));
    }

    #[test]
    fn incidents_of_the_monitor_are_taken_as_they_are() {
        let truth = Truth {
            scenario: "s".to_owned(),
            world: "quiet".to_owned(),
            seed: 1,
            start: 0,
            end: 2 * DAY,
            learned: 0,
            counts: crate::scenarios::wire::Counts::default(),
            attacks: vec![attack()],
            look_alikes: Vec::new(),
        };
        let named = |id: &str, actor: &str| Alert {
            id: id.to_owned(),
            ..alert("auth_failures", Some(("ip", actor)), &[], 150)
        };
        let told = Told {
            alerts: vec![
                named("1", "91.40.1.2"),
                named("2", "91.40.1.2"),
                named("3", "1.2.3.4"),
                named("4", "1.2.3.5"),
            ],
            incidents: Some(vec![
                vec!["1".to_owned()],
                vec!["2".to_owned(), "3".to_owned()],
                vec!["4".to_owned()],
            ]),
            lines: String::new(),
        };
        let verdict = judge(&truth, &told);
        assert_eq!(verdict.false_incidents, [vec![3]]);
        assert_eq!((verdict.true_incidents, verdict.mixed_incidents), (2, 1));
        assert_eq!(verdict.parts, [2], "one attack in two parts");
    }
}
