//! People who work from home and turn a VPN on and off: a call is better without it, an evening's film needs another country,
//! a lid that was closed ends it. All the while the shop's session stays the same.

use crate::scenarios::calendar::{HOUR, MINUTE, SECOND, is_weekend};
use crate::scenarios::places::{self, Use};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

use super::people::{Person, step};

/// How many there are: one company's advice to all its people is another's.
const PEOPLE: u64 = 5;

/// All of them, on working days.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("tunnels");
    let calendar = world.calendar;
    let homes: Vec<_> = places::NETWORKS[..10]
        .iter()
        .filter(|network| network.usage == Use::Home)
        .collect();
    let exits = places::used_for(Use::Hosting);
    for number in 0..world.scaled(PEOPLE) {
        let person = Person::new(7_000 + number, calendar.days, &mut chance);
        let home = chance.pick(&homes).v4(chance.below(60_000));
        // A provider has exits in several countries; most people keep to one of them, the near one mostly.
        let usual = if chance.is(0.5) { exits[0] } else { *chance.pick(&exits) };
        // Whoever it is forgets to turn it on on some days.
        for day in 0..calendar.days {
            if is_weekend(calendar.day(day)) || chance.is(0.3) {
                continue;
            }
            let begins = calendar.day(day) + 7 * HOUR + chance.below(2 * HOUR);
            let ends = begins + 7 * HOUR + chance.below(2 * HOUR);
            let browser = person.browser_on(day);
            let mut is_on = chance.is(0.5);
            let mut exit = usual.v4(chance.below(200));
            let mut places = vec![home];
            let mut caller = world.caller(home, &browser);
            let mut at = begins;
            let cookie = world.login(&caller, at, &person.account, true, &mut chance);
            caller.credential = vec![("Cookie", format!("session={cookie}; theme=dark"))];
            at += 20 * SECOND;
            while at < ends {
                // It stays on, or off, for an hour or so; at times it is only a slip.
                let stays = (chance.spread(70.0, 0.9) * MINUTE as f64) as u64;
                let until = (at + stays.max(MINUTE)).min(ends);
                caller.from = if is_on { exit } else { home };
                if !places.contains(&caller.from) {
                    places.push(caller.from);
                }
                while at < until {
                    step(world, &caller, at, &mut chance);
                    // Some clicks, then other work.
                    at += if chance.is(0.7) {
                        SECOND + (chance.spread(9.0, 0.8) * SECOND as f64) as u64
                    } else {
                        (chance.spread(14.0, 0.8) * MINUTE as f64) as u64
                    };
                }
                at = at.max(until) + 5 * SECOND;
                is_on = !is_on;
                if is_on {
                    let provider = if chance.is(0.9) { usual } else { *chance.pick(&exits) };
                    exit = provider.v4(chance.below(200));
                }
            }
            let actors = Actors {
                addresses: places,
                accounts: vec![person.account.clone()],
                secrets: vec![cookie],
                ..Actors::default()
            };
            world.look_alike("a VPN turned on and off", "credential_sharing", actors, begins, at);
        }
    }
}
