//! One line for everything that is not an alert.

use super::units;
use super::{Style, clock, printable};
use crate::sinks::json::{Direction, Dns, End, Event, Flow, Http, Process, Protocol, Remote, Role, Stats, Time, Tls};

/// Characters of a path or name that are shown.
const NAME: usize = 120;

/// A transaction.
pub fn http(style: Style, time: Time, http: &Http<'_>) -> String {
    let status = match http.response.as_ref().map(|r| r.status) {
        Some(status @ 500..) => style.red(status),
        Some(status @ 400..500) => style.yellow(status),
        Some(status) => style.green(status),
        None => style.dim("---"),
    };
    let request = http.request.as_ref().map_or_else(
        || "(request not seen)".to_owned(),
        |r| {
            let host = r.host.as_deref().unwrap_or_default();
            format!(
                "{} {}{}",
                printable(r.method.as_deref().unwrap_or("?"), 20),
                printable(host, NAME),
                printable(r.path.as_deref().unwrap_or("?"), NAME)
            )
        },
    );
    let sizes = format!(
        "{} in, {} out",
        units::bytes(http.request.as_ref().map_or(0, |r| r.header_bytes + r.body_bytes)),
        units::bytes(http.response.as_ref().map_or(0, |r| r.header_bytes + r.body_bytes)),
    );
    let peer = match http.role {
        Role::Server => http.client.as_ref().map(|client| format!("from {client}")),
        Role::Client => http.server.as_ref().map(|s| format!("to {}", end(s.end))),
    };
    let incomplete = http
        .incomplete
        .as_deref()
        .map(|why| style.yellow(format!("incomplete: {why}")));
    let parts = [
        Some(units::micros(http.latency_us.unwrap_or(http.duration_us))),
        Some(sizes),
        http.process.as_ref().map(process),
        peer,
        incomplete,
    ];
    format!(
        "{} {} {status} {request}  {}",
        clock(time),
        style.dim("http"),
        join(parts)
    )
}

/// A connection.
pub fn flow(style: Style, time: Time, flow: &Flow<'_>) -> String {
    let event = match flow.event {
        Event::Open => style.green("open  "),
        Event::Update => style.dim("update"),
        Event::Close => style.dim("close "),
    };
    let protocol = match flow.protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    };
    let arrow = match flow.direction {
        Some(Direction::Outbound) => "->",
        Some(Direction::Inbound | Direction::Local) => "<-",
        None => "--",
    };
    let local = flow.local.map_or_else(|| "?".to_owned(), end);
    let to = flow.remote.as_ref().map_or_else(|| "?".to_owned(), remote);
    let parts = [
        Some(format!(
            "{} sent, {} received",
            units::bytes(flow.bytes_sent),
            units::bytes(flow.bytes_received)
        )),
        flow.app.as_deref().map(str::to_owned),
        flow.process.as_ref().map(process),
        flow.peer_process.as_ref().map(|p| format!("with {}", process(p))),
        flow.parent
            .as_ref()
            .and_then(|p| p.request.as_deref())
            .map(|r| format!("for {}", printable(r, NAME))),
        flow.end_reason.as_deref().map(str::to_owned),
    ];
    format!(
        "{} {} {event} {protocol} {local} {arrow} {to}  {}",
        clock(time),
        style.dim("flow"),
        join(parts)
    )
}

/// A name.
pub fn dns(style: Style, time: Time, dns: &Dns<'_>) -> String {
    let answers = match (&dns.rcode, dns.answers.is_empty()) {
        (None, _) => style.yellow("no answer"),
        (Some(rcode), true) => style.yellow(printable(rcode, NAME)),
        (Some(_), false) => dns
            .answers
            .iter()
            .map(|a| printable(a, NAME))
            .collect::<Vec<_>>()
            .join(", "),
    };
    format!(
        "{} {}  {} {} -> {answers}  {}",
        clock(time),
        style.dim("dns"),
        printable(&dns.question.qtype, 20),
        printable(&dns.question.name, NAME),
        join([dns.latency_us.map(units::micros), dns.process.as_ref().map(process)]),
    )
}

/// A `ClientHello`.
pub fn tls(style: Style, time: Time, tls: &Tls<'_>) -> String {
    let name = tls.server_name.as_deref().unwrap_or("(no name)");
    let alpn = tls.alpn.iter().map(|a| printable(a, 20)).collect::<Vec<_>>().join(",");
    let parts = [Some(tls.version.to_string()), (!alpn.is_empty()).then_some(alpn)];
    format!(
        "{} {}  {}  {}",
        clock(time),
        style.dim("tls"),
        printable(name, NAME),
        join(parts)
    )
}

/// The monitor's own figures, dim unless something was lost.
pub fn stats(style: Style, time: Time, stats: &Stats<'_>) -> String {
    let lost: u64 = stats.events.lost.values().sum();
    let line = join([
        Some(format!("{}, {lost} lost", units::count(stats.events.received, "event"))),
        Some(units::count(stats.flows.active, "flow")),
        Some(format!(
            "{} ({} incomplete)",
            units::count(stats.http.transactions, "transaction"),
            stats.http.incomplete
        )),
        Some(units::count(stats.alerts, "alert")),
        (stats.learning > 0).then(|| format!("{} learning", stats.learning)),
        stats.cpu_ms.map(|ms| format!("cpu {}", units::micros(ms * 1_000))),
        stats.rss_bytes.map(units::bytes),
    ]);
    let line = format!("{} stats {line}", clock(time));
    if lost > 0 { style.yellow(line) } else { style.dim(line) }
}

/// `name[pid]`.
pub fn process(process: &Process<'_>) -> String {
    let name = process.name.as_deref().or(process.exe.as_deref()).unwrap_or("?");
    format!("{}[{}]", printable(name, NAME), process.pid)
}

fn remote(remote: &Remote<'_>) -> String {
    let address = end(End {
        ip: remote.ip,
        port: remote.port,
    });
    match remote.name.as_deref() {
        Some(name) => format!("{} ({address})", printable(name, NAME)),
        None => address,
    }
}

fn end(end: End) -> String {
    std::net::SocketAddr::new(end.ip, end.port).to_string()
}

fn join<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join(" · ")
}
