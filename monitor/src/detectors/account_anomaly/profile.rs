//! What an account does: at which hours, with which programs, from which networks, and what it asks for. And the visit that
//! goes on.

use std::time::Duration;

use crate::baseline::bits::hash;
use crate::time::Timestamp;

const HOUR: u64 = 3_600_000_000_000;
const DAY: u64 = 24 * HOUR;
/// A visit is over when nothing was asked for so long.
const PAUSE: Duration = Duration::from_mins(45);
/// Visits before an account has habits.
const FLOOR: u32 = 6;
/// Who was away for longer comes back to another life.
const LEAVE: Duration = Duration::from_hours(24 * 3);
/// What is remembered of one account.
const MOST_ENDPOINTS: usize = 48;
const MOST_PLACES: usize = 12;
/// Endpoints that one visit may teach.
const MOST_TAUGHT: usize = 8;

/// What of time is configured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// `[learning] period`.
    pub(super) period: Duration,
}

/// A request, as hashes but for the agent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub(super) endpoint: u64,
    pub(super) agent: &'a str,
    pub(super) network: u64,
}

/// An account. About 200 bytes, and 8 for each thing remembered.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) visits: u32,
    /// Hours of the day (UTC) at which it was here: days of each.
    pub(super) hours: [u8; 24],
    pub(super) endpoints: Vec<u64>,
    pub(super) programs: Vec<u64>,
    pub(super) networks: Vec<u64>,
    pub(super) dirty: bool,
    visit: Option<Visit>,
    told: bool,
}

/// A visit that goes on or is over.
#[derive(Clone, Debug)]
pub(super) struct Visit {
    pub(super) first: Timestamp,
    last: Timestamp,
    pub(super) asked: u32,
    /// Whether the account has habits, and was not away before.
    is_mature: bool,
    is_back: bool,
    pub(super) new_hour: bool,
    pub(super) new_program: bool,
    pub(super) new_network: bool,
    pub(super) new_endpoints: Vec<u64>,
    /// The latest agent, and the program that it is.
    agent: u64,
    program: u64,
    network: u64,
    told: bool,
}

impl Visit {
    /// How many of the four are new.
    fn new_things(&self) -> u32 {
        u32::from(self.new_hour)
            + u32::from(self.new_program)
            + u32::from(self.new_network)
            + u32::from(!self.new_endpoints.is_empty())
    }

    /// Whether several are; after leave, whether all are.
    pub(super) fn is_odd(&self) -> bool {
        self.new_things() >= if self.is_back { 4 } else { 3 }
    }
}

impl Profile {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            first: now,
            last: now,
            visits: 0,
            hours: [0; 24],
            endpoints: Vec::new(),
            programs: Vec::new(),
            networks: Vec::new(),
            dirty: true,
            visit: None,
            told: false,
        }
    }

    /// A request comes: ends the visit before, if that is over.
    pub(super) fn begin(&mut self, now: Timestamp) -> Option<Visit> {
        self.end(now)
    }

    /// The visit is over, if it is: the account learns from it, unless an alert told of it.
    pub(super) fn end(&mut self, now: Timestamp) -> Option<Visit> {
        let visit = self.visit.take_if(|visit| visit.last + PAUSE <= now)?;
        self.dirty = true;
        self.last = visit.last;
        if visit.told {
            return None;
        }
        self.visits = self.visits.saturating_add(1);
        for hour in visit.first.as_nanos() / HOUR..=visit.last.as_nanos() / HOUR {
            let days = &mut self.hours[(hour % 24) as usize % 24];
            *days = days.saturating_add(1);
        }
        remember(&mut self.programs, visit.program, MOST_PLACES);
        remember(&mut self.networks, visit.network, MOST_PLACES);
        for endpoint in visit.new_endpoints.iter().take(MOST_TAUGHT) {
            remember(&mut self.endpoints, *endpoint, MOST_ENDPOINTS);
        }
        visit.is_mature.then_some(visit)
    }

    /// Adds a request to the visit; whether it brings something that was never there.
    pub(super) fn add(&mut self, now: Timestamp, request: &Request<'_>) -> bool {
        let is_back = self.visits > 0 && self.last + LEAVE <= now;
        let visit = self.visit.get_or_insert_with(|| Visit {
            first: now,
            last: now,
            asked: 0,
            is_mature: self.visits >= FLOOR,
            is_back,
            new_hour: false,
            new_program: false,
            new_network: false,
            new_endpoints: Vec::new(),
            agent: 0,
            program: 0,
            network: request.network,
            told: false,
        });
        visit.last = visit.last.max(now);
        visit.asked = visit.asked.saturating_add(1);
        let agent = hash(request.agent);
        if visit.agent != agent {
            (visit.agent, visit.program) = (agent, program(request.agent));
        }
        let mut is_new = false;
        let hour = (now.as_nanos() % DAY / HOUR) as usize;
        // The hours beside it are near enough.
        let is_kept = [hour + 23, hour, hour + 1].iter().any(|hour| self.hours[hour % 24] > 0);
        for (seen, new) in [
            (&mut visit.new_hour, !is_kept),
            (&mut visit.new_program, !self.programs.contains(&visit.program)),
            (&mut visit.new_network, !self.networks.contains(&request.network)),
        ] {
            is_new |= new && !*seen;
            *seen |= new;
        }
        visit.network = request.network;
        if !self.endpoints.contains(&request.endpoint)
            && !visit.new_endpoints.contains(&request.endpoint)
            && visit.new_endpoints.len() < MOST_ENDPOINTS
        {
            visit.new_endpoints.push(request.endpoint);
            is_new = true;
        }
        // While an alert goes on all of it is counted.
        is_new || visit.told
    }

    /// The visit, if anything may be said of it.
    pub(super) fn judged(&self, terms: &Terms) -> Option<&Visit> {
        let visit = self.visit.as_ref()?;
        (visit.is_mature && self.is_mature(visit.last, terms)).then_some(visit)
    }

    /// Whether it has habits.
    pub(super) fn is_mature(&self, now: Timestamp, terms: &Terms) -> bool {
        terms.period.is_zero() || self.visits >= FLOOR && now >= self.first + terms.period
    }

    pub(super) fn tell(&mut self) {
        if let Some(visit) = &mut self.visit {
            visit.told = true;
        }
        self.told = true;
    }

    /// What it tells: accounts with habits stay.
    pub(super) fn weight(&self) -> u64 {
        u64::from(self.visits) + u64::from(self.told)
    }
}

/// A program by its agent without the numbers in it: a new release is the same program.
fn program(agent: &str) -> u64 {
    // No allocation: words of the agent are mixed one by one.
    agent
        .split(|letter: char| letter.is_ascii_digit())
        .filter(|part| part.len() > 2)
        .fold(1, |sum: u64, part| sum.rotate_left(7) ^ hash(part))
}

/// The latest come first; the one that was not seen for longest goes.
fn remember(known: &mut Vec<u64>, what: u64, most: usize) {
    if let Some(at) = known.iter().position(|known| *known == what) {
        known[..=at].rotate_right(1);
        return;
    }
    known.truncate(most.saturating_sub(1));
    known.insert(0, what);
}
