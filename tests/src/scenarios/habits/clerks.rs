//! Clerks who work with the API every day: the same few things, at the same hours, with the same program. Until one has a
//! new computer, one stays late, and one comes back from leave.

use crate::scenarios::agents;
use crate::scenarios::calendar::{HOUR, MINUTE, SECOND};
use crate::scenarios::habits::phones;
use crate::scenarios::http::Request;
use crate::scenarios::places;
use crate::scenarios::service::{self, CATALOGUE};
use crate::scenarios::truth::Actors;
use crate::scenarios::world::World;

/// How many there are.
const CLERKS: u64 = 5;

/// All of them.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("clerks");
    let network = places::named("office-ours");
    let calendar = world.calendar;
    let change = calendar.days.saturating_sub(2);
    for number in 0..CLERKS {
        let account = format!("clerk{number}.shop");
        world.clerks.push(account.clone());
        let own = agents::browser(&mut chance);
        let new = agents::browser(&mut chance);
        for day in 0..calendar.days {
            // The last one is away for some days and comes back in the evening.
            let is_away = number == CLERKS - 1 && (1..change).contains(&day) && calendar.days > 4;
            if is_away {
                continue;
            }
            let is_back = number == CLERKS - 1 && day == change && calendar.days > 4;
            let is_late = number == 1 && day == change;
            let browser = if number == 0 && day >= change { &new } else { &own };
            let rounds = 4 + chance.below(3);
            for round in 0..rounds {
                let hour = if is_back || is_late && round + 2 > rounds {
                    20 * HOUR
                } else {
                    8 * HOUR + round * 90 * MINUTE
                };
                let mut at = calendar.day(day) + hour + chance.below(50 * MINUTE);
                let began = at;
                let token = phones::token(&account, at, &mut chance);
                let mut caller = world.caller(network.v4(3), browser);
                caller.credential = vec![("Authorization", format!("Bearer {token}"))];
                for step in 0..4 + chance.below(6) {
                    match step % 3 {
                        0 => {
                            let request = Request::get(format!("{}?page=1&per_page=50", service::PRODUCTS.path));
                            world.ask(&caller, at, service::PRODUCTS, request, &mut chance);
                        }
                        1 => {
                            let request = Request::get(service::PRODUCT.at(chance.below(CATALOGUE)));
                            world.ask(&caller, at, service::PRODUCT, request, &mut chance);
                        }
                        _ => world.ask(
                            &caller,
                            at,
                            service::CART,
                            Request::get(service::CART.path),
                            &mut chance,
                        ),
                    }
                    at += 5 * SECOND + (chance.spread(20.0, 0.7) * SECOND as f64) as u64;
                }
                let actors = Actors {
                    addresses: vec![caller.from],
                    accounts: vec![account.clone()],
                    secrets: vec![token],
                    ..Actors::default()
                };
                let name = match (number == 0 && day == change, is_late, is_back) {
                    (true, _, _) => "a clerk with a new computer",
                    (_, true, _) => "a clerk who stays late",
                    (_, _, true) => "the first day after leave",
                    (false, false, false) => continue,
                };
                world.look_alike(name, "account_anomaly", actors, began, at);
            }
        }
    }
}
