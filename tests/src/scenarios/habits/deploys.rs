//! Deploys: for a minute the service is away, clients are refused and try again.

use crate::scenarios::calendar::{HOUR, MINUTE, SECOND, is_weekend};
use crate::scenarios::service::error;
use crate::scenarios::world::World;

/// On some working days, in the afternoon, the service restarts.
pub(super) fn live(world: &mut World) {
    let mut chance = world.chance.fork("deploys");
    for day in 0..world.calendar.days {
        if is_weekend(world.calendar.day(day)) || !chance.is(0.4) {
            continue;
        }
        let from = world.calendar.day(day) + 13 * HOUR + chance.below(4 * HOUR);
        let until = from + MINUTE;
        let mut again = Vec::new();
        for exchange in &mut world.exchanges {
            if !(from..until).contains(&exchange.at) || !chance.is(0.8) {
                continue;
            }
            // What comes after a while is as it would have been.
            let mut at = exchange.at;
            for round in 0..3 {
                at += (SECOND << (2 * round)) + chance.below(SECOND);
                let mut retry = exchange.clone();
                retry.at = at;
                if at < until {
                    retry.response = Some(error(503, "deploying"));
                }
                again.push(retry);
                if at >= until {
                    break;
                }
            }
            exchange.response = match chance.below(10) {
                0 => None,
                1..5 => Some(error(502, "bad gateway")),
                _ => Some(error(503, "deploying")),
            };
        }
        world.exchanges.append(&mut again);
    }
}
