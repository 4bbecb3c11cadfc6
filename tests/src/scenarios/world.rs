//! A world: who lives in it, and all that they do in its days.

use std::net::IpAddr;
use std::sync::Arc;

use serde_json::json;

use super::agents::Agent;
use super::calendar::{Calendar, HOUR, SECOND};
use super::chance::Chance;
use super::habits;
use super::http::{Body, Exchange, Request, Response, Version};
use super::service::{self, Place};
use super::truth::{Actors, LookAlike};
use super::wire::dns::{Answer, Kind as Question};
use super::wire::exchange::Front;
use super::wire::outbound::{Host, Outbound, What};

/// What lives in a world; numbers are for a scale of 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// What it is, in a few words.
    pub what: &'static str,
    /// People with browsers at home.
    pub people: u64,
    /// Employees behind the address of each office.
    pub employees: u64,
    /// Phones with the app.
    pub phones: u64,
    /// Partners with keys.
    pub partners: u64,
    /// Crawlers' visits a day.
    pub crawls: f64,
    /// IPv6 as well.
    pub dual_stack: bool,
    /// Load balancers stand before it.
    pub balanced: bool,
    /// There is an OpenAPI document.
    pub documented: bool,
    /// There is a database of cities; else one of countries.
    pub cities: bool,
    /// There is a promotion, which the configuration expects.
    pub promoted: bool,
}

const fn kind(name: &'static str, what: &'static str, [people, employees, phones, partners]: [u64; 4]) -> Kind {
    Kind {
        name,
        what,
        people,
        employees,
        phones,
        partners,
        crawls: 6.0,
        dual_stack: true,
        balanced: false,
        documented: true,
        cities: true,
        promoted: false,
    }
}

/// All of them.
pub const KINDS: [Kind; 6] = [
    kind(
        "storefront",
        "a shop for people at home and on the way, dual stack",
        [260, 12, 130, 3],
    ),
    Kind {
        cities: false,
        ..kind(
            "offices",
            "a service for companies: everybody behind few addresses, on working days",
            [40, 140, 20, 4],
        )
    },
    Kind {
        documented: false,
        ..kind(
            "phones",
            "an app's back end: carriers' addresses, networks that change, a new release",
            [30, 0, 420, 1],
        )
    },
    Kind {
        dual_stack: false,
        crawls: 1.0,
        ..kind(
            "partners",
            "programs with keys: pages, batches, backups; little else",
            [15, 10, 10, 14],
        )
    },
    Kind {
        balanced: true,
        ..kind(
            "balanced",
            "the shop behind two load balancers that say for whom they ask",
            [200, 30, 150, 4],
        )
    },
    Kind {
        crawls: 3.0,
        ..kind("quiet", "a host on which little happens", [14, 4, 8, 1])
    },
];

/// Worlds in which something happens once; nobody attacks them.
pub const OTHERS: [Kind; 2] = [
    Kind {
        promoted: true,
        ..kind(
            "promotion",
            "a shop with a promotion that was announced",
            [120, 0, 30, 1],
        )
    },
    Kind {
        crawls: 1.0,
        documented: false,
        ..kind(
            "tenants",
            "ten customers' programs with habits of their own, and their offices",
            [0, 25, 0, 10],
        )
    },
];

/// The kind of this name.
pub fn kind_named(name: &str) -> Option<Kind> {
    KINDS.into_iter().chain(OTHERS).find(|kind| kind.name == name)
}

/// What clients call the host.
pub const NAME: &str = "api.shop.example";

/// Somebody who asks over one connection and the next.
#[derive(Clone, Debug)]
pub struct Caller {
    /// From where.
    pub from: IpAddr,
    /// With what.
    pub agent: Arc<Agent>,
    /// In which HTTP.
    pub version: Version,
    /// During which visit.
    pub visit: u64,
    /// Fields that say who it is.
    pub credential: Vec<(&'static str, String)>,
}

/// A world in the making.
#[derive(Debug)]
pub struct World {
    /// What lives in it.
    pub kind: Kind,
    /// Of the numbers of `kind` there are so many times as many.
    pub scale: f64,
    /// Its days.
    pub calendar: Calendar,
    /// Its stream of numbers; habits fork their own.
    pub chance: Chance,
    /// Requests to the host.
    pub exchanges: Vec<Exchange>,
    /// What the host reaches.
    pub outbound: Vec<Outbound>,
    /// What looks like an attack and is none.
    pub look_alikes: Vec<LookAlike>,
    /// Accounts of people with browsers, for whoever attacks them.
    pub accounts: Vec<String>,
    /// Keys of partners, each with an address it is used from and the number of its program, for whoever steals them.
    pub keys: Vec<(String, IpAddr, u64)>,
    /// Accounts of people with phones, and an address of each one's carrier.
    pub phones: Vec<(String, IpAddr)>,
    /// Accounts of clerks, who come every day.
    pub clerks: Vec<String>,
    /// When something is expected, which the configuration says.
    pub expected: Vec<(u64, u64)>,
    visits: u64,
}

impl World {
    /// All that happens in `days` days.
    pub fn build(kind: Kind, scale: f64, days: u64, seed: u64) -> Self {
        let chance = Chance::new(seed).fork(kind.name);
        let calendar = Calendar::new(days, &mut chance.fork("calendar"));
        let mut world = Self {
            kind,
            scale,
            calendar,
            chance,
            exchanges: Vec::new(),
            outbound: Vec::new(),
            look_alikes: Vec::new(),
            accounts: Vec::new(),
            keys: Vec::new(),
            phones: Vec::new(),
            clerks: Vec::new(),
            expected: Vec::new(),
            visits: 0,
        };
        habits::live(&mut world);
        world
    }

    /// So many of `number` as the scale leaves, one at least unless there is none.
    pub fn scaled(&self, number: u64) -> u64 {
        if number == 0 {
            0
        } else {
            ((number as f64 * self.scale).round() as u64).max(1)
        }
    }

    /// A new visit.
    pub fn visit(&mut self) -> u64 {
        self.visits += 1;
        self.visits
    }

    /// Somebody new.
    pub fn caller(&mut self, from: IpAddr, agent: &Arc<Agent>) -> Caller {
        Caller {
            from,
            agent: Arc::clone(agent),
            version: Version::Http11,
            visit: self.visit(),
            credential: Vec::new(),
        }
    }

    /// They ask, and all is well.
    pub fn ask(&mut self, caller: &Caller, at: u64, place: Place, request: Request, chance: &mut Chance) {
        let response = place.answer(chance);
        self.tell(caller, at, place, request, response, chance);
    }

    /// They ask, and this is the answer.
    pub fn tell(
        &mut self,
        caller: &Caller,
        at: u64,
        place: Place,
        mut request: Request,
        response: Response,
        chance: &mut Chance,
    ) {
        request.fields.extend(referer(caller, &request));
        for field in &caller.credential {
            request.fields.push(field.clone());
        }
        self.exchanges.push(Exchange {
            at,
            visit: caller.visit,
            from: caller.from,
            agent: Arc::clone(&caller.agent),
            version: caller.version,
            request,
            raw: None,
            response: Some(response),
            think: place.think(chance),
        });
    }

    /// They ask in bytes of their own.
    pub fn tell_raw(&mut self, caller: &Caller, at: u64, bytes: Vec<u8>, response: Response) {
        self.exchanges.push(Exchange {
            at,
            visit: caller.visit,
            from: caller.from,
            agent: Arc::clone(&caller.agent),
            version: Version::Http11,
            request: Request::get("/"),
            raw: Some(bytes),
            response: Some(response),
            think: 2_000_000,
        });
    }

    /// They begin a request in bytes of their own, a line every now and then over this time, and break it off.
    pub fn hold(&mut self, caller: &Caller, at: u64, bytes: Vec<u8>, hold: u64) {
        self.exchanges.push(Exchange {
            at,
            visit: caller.visit,
            from: caller.from,
            agent: Arc::clone(&caller.agent),
            version: Version::Http11,
            request: Request::get("/"),
            raw: Some(bytes),
            response: None,
            think: hold,
        });
    }

    /// A login with a password that is right or wrong; gives the session that the answer sets.
    pub fn login(&mut self, caller: &Caller, at: u64, account: &str, right: bool, chance: &mut Chance) -> String {
        let password = chance.text("abcdefghkmnprstuvwxyz23456789", 11);
        let request = Request::post(
            service::LOGIN.path,
            &json!({ "username": account, "password": password }),
        );
        let session = chance.hex(32);
        let response = if right {
            let mut response = service::LOGIN.answer(chance);
            response.body = Body::Bytes(json!({ "user": account, "ok": true }).to_string().into_bytes());
            response.with("Set-Cookie", format!("session={session}; HttpOnly; Path=/"))
        } else {
            service::error(401, "wrong name or password")
        };
        self.tell(caller, at, service::LOGIN, request, response, chance);
        session
    }

    /// The host asks for a name and then does something else there.
    pub fn reach(&mut self, at: u64, name: &str, addresses: &[IpAddr], what: What) {
        for (kind, later) in [(Question::A, 0), (Question::Aaaa, 200_000)] {
            self.outbound.push(Outbound {
                at: at + later,
                what: What::Lookup {
                    name: name.to_owned(),
                    kind,
                    answer: Answer::Addresses(addresses.to_vec()),
                },
            });
        }
        // After the answer, which takes up to 20 ms.
        self.outbound.push(Outbound {
            at: at + SECOND / 40,
            what,
        });
    }

    /// Notes what looks like an attack and is none.
    pub fn look_alike(&mut self, name: &'static str, of: &'static str, actors: Actors, from: u64, until: u64) {
        self.look_alikes.push(LookAlike {
            name: name.to_owned(),
            of: of.to_owned(),
            actors,
            from,
            until,
        });
    }

    /// Where it answers.
    pub fn front(&self) -> Front {
        let balancers = ["10.0.0.5", "10.0.0.6"].map(address).to_vec();
        Front {
            v4: (address("203.0.113.10"), 80).into(),
            v6: (address("2001:db8:10::10"), 80).into(),
            inside: (address("10.0.0.10"), 8080).into(),
            name: NAME,
            balancers: if self.kind.balanced { balancers } else { Vec::new() },
        }
    }

    /// Its own addresses.
    pub fn host() -> Host {
        Host {
            v4: address("203.0.113.10"),
            v6: address("2001:db8:10::10"),
            inside: address("10.0.0.10"),
            resolver: (address("10.0.0.2"), 53).into(),
        }
    }

    /// The moment when what is learned in the first days is known.
    pub fn learned(&self) -> u64 {
        self.calendar.start + self.learning()
    }

    /// How long the configuration says that it takes to learn: two days, or half of what there is.
    pub fn learning(&self) -> u64 {
        (48 * HOUR).min(self.calendar.days * 12 * HOUR)
    }
}

/// Where a browser says that it comes from: the page that asks, which is the shop's own; of the first page a search engine, the
/// mail that had a link, or nothing.
fn referer(caller: &Caller, request: &Request) -> Option<(&'static str, String)> {
    if !caller.agent.is_browser() || request.fields.iter().any(|(name, _)| *name == "Referer") {
        return None;
    }
    if let Some((_, origin)) = request.fields.iter().find(|(name, _)| *name == "Origin") {
        return Some(("Referer", format!("{origin}/")));
    }
    // Of the visit, so that nobody else's numbers change.
    let mut chance = Chance::new(caller.visit).fork("referer");
    let page = match request.target.as_str() {
        "/" => *chance.pick(&[
            "",
            "",
            "",
            "https://search.example/",
            "https://search.example/",
            "https://mail.example/",
            "https://www.prices.example/compare?q=lamp",
        ]),
        _ if chance.is(0.5) => "https://api.shop.example/",
        _ => "https://api.shop.example/shop?sort=new&page=2",
    };
    (!page.is_empty()).then(|| ("Referer", page.to_owned()))
}

/// An address that is written right.
pub fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}
