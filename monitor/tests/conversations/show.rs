//! What a conversation gave, as lines of text.

use std::fmt::Write;

use monitor::event::Direction;
use monitor::protocol::conversation::{Conversation, Message, Wants};
use monitor::protocol::dns::{AnswerValue, DnsMessage};
use monitor::protocol::tls::Hellos;
use monitor::protocol::transaction::Transaction;
use monitor::record::HttpVersion;

/// What was asked of the capture, at any time. Tails are left out: whether one is watched depends on segments.
#[derive(Default)]
pub(crate) struct Wanted {
    count_only: bool,
    truncated: Option<Direction>,
}

impl Wanted {
    pub(crate) fn add(&mut self, wants: Wants) {
        self.count_only |= wants.count_only;
        self.truncated = self.truncated.or(wants.header_truncated);
    }
}

pub(crate) fn everything(messages: &[Message], conversation: &Conversation, wanted: &Wanted) -> String {
    let mut text = String::new();
    for message in messages {
        match message {
            Message::Http(transaction) => http(&mut text, transaction),
            Message::ServerName(name) => {
                let _ = writeln!(text, "server name {name}");
            }
            Message::Tls(hellos) => tls(&mut text, hellos),
            Message::Dns(message) => dns(&mut text, message),
            Message::Unreadable(why) => {
                let _ = writeln!(text, "unreadable {why:?}");
            }
        }
    }
    let coverage = conversation.coverage();
    let _ = write!(text, "flow {}", conversation.app().map_or("-", |app| app.name()));
    let _ = write!(text, " understood={}", coverage.understood_bytes);
    let client = match conversation.client_direction() {
        Some(Direction::Received) => "remote",
        Some(Direction::Sent) => "local",
        None => "-",
    };
    let _ = write!(text, " client={client}");
    field(
        &mut text,
        "not_understood",
        coverage.reason.map(monitor::record::CoverageReason::name),
    );
    field(&mut text, "proxied", conversation.proxied());
    let evicted = conversation.evicted();
    field(&mut text, "evicted_requests", Some(evicted.requests).filter(|n| *n > 0));
    field(&mut text, "evicted_headers", Some(evicted.headers).filter(|n| *n > 0));
    field(&mut text, "evicted_holes", Some(evicted.holes).filter(|n| *n > 0));
    if wanted.count_only {
        text.push_str(" count_only");
    }
    if let Some(direction) = wanted.truncated {
        let side = if Some(direction) == conversation.client_direction() {
            "request"
        } else {
            "response"
        };
        let _ = write!(text, " raise_snap={side}");
    }
    text.push('\n');
    text
}

fn tls(text: &mut String, Hellos { client, server }: &Hellos) {
    let name = client.server_name.as_deref().unwrap_or("-");
    let _ = write!(text, "tls {name} alpn={} {}", client.alpn.join(","), client.version);
    field(text, "ja4", client.ja4.as_ref());
    text.push_str(if client.ech { " ech" } else { "" });
    text.push_str(if client.truncated { " truncated" } else { "" });
    if let Some(server) = server {
        let _ = write!(text, " -> {} {}", server.version, server.cipher);
        field(text, "alpn", server.alpn.as_ref());
        text.push_str(if server.retry { " retry" } else { "" });
    }
    text.push('\n');
}

fn dns(text: &mut String, message: &DnsMessage) {
    let _ = write!(text, "dns {:x} {}", message.id, message.rcode.unwrap_or("query"));
    if let Some(question) = &message.question {
        let _ = write!(text, " {} {}", question.qtype, question.name);
    }
    for answer in &message.answers {
        let _ = match &answer.value {
            AnswerValue::Address(address) => write!(text, " {address}"),
            AnswerValue::Cname(name) => write!(text, " ={name}"),
            AnswerValue::Other(kind) => write!(text, " {kind}"),
        };
    }
    if message.truncated {
        text.push_str(" truncated");
    }
    text.push('\n');
}

fn http(text: &mut String, t: &Transaction) {
    let version = match t.version {
        HttpVersion::Http10 => "1.0",
        HttpVersion::Http11 => "1.1",
        HttpVersion::Http2 => "2",
    };
    let _ = write!(text, "http/{version} ");
    match &t.request {
        Some(request) => {
            let known = |part: &'_ str| {
                if part.is_empty() {
                    "?".to_owned()
                } else {
                    part.to_owned()
                }
            };
            let _ = write!(text, "{} {}", known(&request.method), known(&request.target));
            field(
                text,
                "path",
                Some(&request.path).filter(|path| **path != request.target),
            );
            field(text, "host", request.host.as_ref());
            field(text, "agent", request.user_agent.as_ref());
            field(text, "type", request.content_type.as_ref());
            field(text, "protocol", request.protocol.as_ref());
            sizes(text, request.header_bytes, request.body_bytes, request.decoded_bytes);
        }
        None => text.push('-'),
    }
    text.push_str(" -> ");
    match &t.response {
        Some(response) => {
            let _ = write!(text, "{}", response.status);
            field(text, "type", response.content_type.as_ref());
            field(text, "announced", response.announced_bytes);
            sizes(text, response.header_bytes, response.body_bytes, response.decoded_bytes);
        }
        None => text.push('-'),
    }
    if let Some(call) = &t.grpc {
        let _ = write!(text, " grpc={}/{}", call.service, call.method);
        field(text, "grpc_status", call.status);
    }
    let _ = write!(text, " ; turn={}", t.turn);
    field(text, "latency_us", t.latency_us);
    let _ = write!(text, " duration_us={}", t.duration_us);
    field(text, "incomplete", t.incomplete.map(monitor::record::Incomplete::name));
    field(
        text,
        "anomalies",
        Some(t.anomalies.join(",")).filter(|names| !names.is_empty()),
    );
    text.push('\n');
}

fn sizes(text: &mut String, header: u64, body: u64, decoded: Option<u64>) {
    let _ = write!(text, " bytes={header}+{body}");
    match decoded {
        Some(decoded) if decoded == body => {}
        Some(decoded) => {
            let _ = write!(text, "({decoded})");
        }
        None => text.push_str("(?)"),
    }
}

fn field(text: &mut String, name: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        let _ = write!(text, " {name}={value}");
    }
}
