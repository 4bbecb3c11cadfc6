//! Exchanges onto connections, and those onto the tape.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use super::http1;
use super::http2;
use super::tape::Tape;
use super::tcp::{Connection, End, KEEP_ALIVE};
use crate::scenarios::calendar::{MILLI, SECOND};
use crate::scenarios::http::{Body, Exchange, Version};

/// Where this host answers.
#[derive(Clone, Debug)]
pub struct Front {
    /// To whom IPv4 clients connect.
    pub v4: SocketAddr,
    /// To whom IPv6 clients connect.
    pub v6: SocketAddr,
    /// Where load balancers connect.
    pub inside: SocketAddr,
    /// What clients call it.
    pub name: &'static str,
    /// Load balancers that stand before it; without any, clients connect themselves.
    pub balancers: Vec<IpAddr>,
}

/// A way there and back inside a data centre, nanoseconds.
const NEAR: u64 = MILLI / 3;
/// Requests that a balancer sends over one connection.
const REUSE: usize = 500;

/// Exchanges of one connection.
struct Line {
    client: IpAddr,
    server: SocketAddr,
    rtt: u64,
    exchanges: Vec<Exchange>,
}

/// Puts all of them down.
pub fn put(tape: &mut Tape, exchanges: Vec<Exchange>, front: &Front) {
    let lines = if front.balancers.is_empty() {
        direct(exchanges, front)
    } else {
        balanced(exchanges, front)
    };
    for (number, line) in lines.iter().enumerate() {
        let port = 20_000 + (number as u64 * 7_919 % 40_000) as u16;
        render(tape, line, port, front.name);
    }
}

/// Every visit has its own connections, and leaves them when it was idle for long or comes from elsewhere.
fn direct(mut exchanges: Vec<Exchange>, front: &Front) -> Vec<Line> {
    exchanges.sort_by_key(|exchange| (exchange.visit, exchange.at));
    let mut lines: Vec<Line> = Vec::new();
    for exchange in exchanges {
        let goes_on = lines.last().is_some_and(|line| {
            line.exchanges.last().is_some_and(|last| {
                last.visit == exchange.visit
                    && last.from == exchange.from
                    && last.version == exchange.version
                    && goes_on(last)
                    && exchange.at < ready(last, line.rtt) + KEEP_ALIVE - SECOND
            })
        });
        match lines.last_mut() {
            Some(line) if goes_on => line.exchanges.push(exchange),
            Some(_) | None => lines.push(Line {
                client: exchange.from,
                server: if exchange.from.is_ipv4() { front.v4 } else { front.v6 },
                rtt: exchange.rtt(),
                exchanges: vec![exchange],
            }),
        }
    }
    lines
}

/// Balancers keep connections, and send over each whatever comes.
fn balanced(mut exchanges: Vec<Exchange>, front: &Front) -> Vec<Line> {
    exchanges.sort_by_key(|exchange| exchange.at);
    let mut lines: Vec<Line> = Vec::new();
    let mut idle: BTreeMap<IpAddr, Vec<usize>> = BTreeMap::new();
    for mut exchange in exchanges {
        let balancer = front.balancers[(exchange.visit % front.balancers.len() as u64) as usize];
        // What the client says of itself stays, to the left.
        let said = exchange
            .request
            .fields
            .iter()
            .position(|(name, _)| *name == "X-Forwarded-For");
        let said = said.map(|at| exchange.request.fields.remove(at).1 + ", ");
        let chain = said.unwrap_or_default() + &exchange.from.to_string();
        exchange.request.fields.push(("X-Forwarded-For", chain));
        exchange.request.fields.push(("X-Forwarded-Proto", "https".to_owned()));
        exchange.version = Version::Http11;
        let kept = idle.entry(balancer).or_default();
        kept.retain(|&number| {
            lines[number].exchanges.last().is_some_and(|last| {
                goes_on(last)
                    && lines[number].exchanges.len() < REUSE
                    && exchange.at < ready(last, NEAR) + KEEP_ALIVE - SECOND
            })
        });
        let free = kept.iter().copied().find(|&number| {
            let last = lines[number].exchanges.last();
            last.is_some_and(|last| exchange.at > ready(last, NEAR) + SECOND / 50)
        });
        if let Some(number) = free {
            lines[number].exchanges.push(exchange);
        } else {
            kept.push(lines.len());
            lines.push(Line {
                client: balancer,
                server: front.inside,
                rtt: NEAR,
                exchanges: vec![exchange],
            });
        }
    }
    lines
}

/// Whether another may follow on the same connection.
fn goes_on(exchange: &Exchange) -> bool {
    let whole = exchange
        .response
        .as_ref()
        .is_some_and(|response| response.announced.is_none());
    whole && exchange.raw.is_none() && exchange.version != Version::Http10 && !exchange.agent.closes()
}

/// When it is over, with something to spare.
fn ready(exchange: &Exchange, rtt: u64) -> u64 {
    let down = exchange.response.as_ref().map_or(0, |response| response.body.len());
    exchange.at + exchange.think + 3 * rtt + 2 * (exchange.request.body.len() + down)
}

fn render(tape: &mut Tape, line: &Line, port: u16, name: &str) {
    let Some(first) = line.exchanges.first() else { return };
    let ends = (SocketAddr::new(line.client, port), line.server);
    let version = first.version;
    // The request is to begin when it should, whenever the handshake is over.
    let at = first.at.saturating_sub(line.rtt + MILLI);
    let mut connection = Connection::open(tape, at, ends, End::Server, line.rtt);
    let by_client = first.visit.is_multiple_of(3);
    for (number, exchange) in line.exchanges.iter().enumerate() {
        connection.until(exchange.at);
        if version == Version::Http2 && number == 0 {
            connection.send(End::Client, http2::PREFACE, 0);
            connection.send(End::Server, http2::SETTINGS, 0);
        }
        if !transact(&mut connection, exchange, number, name) {
            return connection.reset(End::Client);
        }
    }
    let server_closes = version == Version::Http10 || first.agent.closes();
    if server_closes || by_client || line.exchanges.iter().any(|exchange| exchange.raw.is_some()) {
        connection.close(if server_closes { End::Server } else { End::Client });
    } else {
        let idle = connection.now() + KEEP_ALIVE;
        connection.until(idle);
        connection.close(End::Server);
    }
}

/// One exchange; false where the connection is of no use after it.
fn transact(connection: &mut Connection<'_>, exchange: &Exchange, number: usize, name: &str) -> bool {
    let Exchange { request, .. } = exchange;
    let stream = 2 * number as u32 + 1;
    match (&exchange.raw, exchange.version) {
        (Some(bytes), _) if exchange.response.is_none() => dribble(connection, bytes, exchange.think),
        (Some(bytes), _) => connection.send(End::Client, bytes, 0),
        (None, Version::Http2) => {
            connection.send(End::Client, &http2::request(&exchange.agent, stream, name, request), 0);
            frames(connection, End::Client, stream, &request.body);
        }
        (None, version) => {
            let mut head = http1::request(&exchange.agent, version, name, request);
            let (bytes, more) = request.body.parts();
            head.extend_from_slice(bytes);
            connection.send(End::Client, &head, more);
        }
    }
    let Some(response) = &exchange.response else {
        connection.counts().odd += 1;
        if exchange.raw.is_none() && exchange.think >= SECOND {
            // They wait before they give up.
            let given_up = connection.now() + exchange.think;
            connection.until(given_up);
        }
        return false;
    };
    let answered = connection.now() + exchange.think;
    connection.until(answered);
    let body = if http1::has_body(request.method, response.status) {
        response.body.clone()
    } else {
        Body::Bytes(Vec::new())
    };
    if exchange.version == Version::Http2 && exchange.raw.is_none() {
        connection.send(End::Server, &http2::response(stream, response, body.is_empty()), 0);
        frames(connection, End::Server, stream, &body);
    } else {
        let mut head = http1::response(exchange.agent.closes(), exchange.version, request.method, response);
        let (bytes, more) = body.parts();
        head.extend_from_slice(bytes);
        connection.send(End::Server, &head, more);
    }
    if response.announced.is_some() || exchange.raw.is_some() {
        connection.counts().odd += 1;
        return exchange.raw.is_some();
    }
    connection
        .counts()
        .whole(response.status, request.body.len(), body.len());
    true
}

/// Sends a line after the other, evenly over this time.
fn dribble(connection: &mut Connection<'_>, bytes: &[u8], over: u64) {
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let (begin, pause) = (connection.now(), over / lines.len().max(1) as u64);
    for (number, line) in lines.into_iter().enumerate() {
        connection.until(begin + number as u64 * pause);
        connection.send(End::Client, line, 0);
    }
    connection.until(begin + over);
}

fn frames(connection: &mut Connection<'_>, from: End, stream: u32, body: &Body) {
    let (bytes, _) = body.parts();
    let mut at = 0;
    for (mut head, len) in http2::body(stream, body.len()) {
        if bytes.is_empty() {
            connection.send(from, &head, len);
        } else {
            head.extend_from_slice(&bytes[at..at + len as usize]);
            connection.send(from, &head, 0);
            at += len as usize;
        }
    }
}
