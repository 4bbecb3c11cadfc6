//! What Suricata logged of each capture, and where it agrees with tshark.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use monitor::record::{HttpRecord, HttpVersion, TlsRecord};
use serde_json::Value;

use super::captures::Seen;
use super::report::{Corpus, Verdict};

/// Captures on which the peers agree with each other, and on which we must agree with them.
const GOAL: f64 = 0.99;

/// A request and its answer, as both can tell it.
type Line = (String, String, String, u16);

/// Compares transactions, names asked for, and hellos.
pub fn compare(folder: &Path, seen: &BTreeMap<PathBuf, Seen>) -> anyhow::Result<Vec<Corpus>> {
    let agreement = read(&folder.join("HTTP-PEER-AGREEMENT.json"))?;
    let agreement: Value = serde_json::from_str(&agreement).context("HTTP-PEER-AGREEMENT.json")?;
    let agreed: BTreeSet<&str> = agreement
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["verdict"] == "agree")
        .filter_map(|entry| entry["path"].as_str())
        .collect();
    let mut http = Corpus::new("HTTP/1 as Suricata and tshark agree", Some(GOAL));
    let mut dns = Corpus::new("DNS as Suricata", None);
    let mut tls = Corpus::new("TLS as Suricata", None);
    for line in read(&folder.join("PEER-suricata-7.0.10.jsonl"))?.lines() {
        let peer: Value = serde_json::from_str(line).context("PEER-suricata-7.0.10.jsonl")?;
        let path = peer["path"].as_str().unwrap_or_default();
        let Some(seen) = seen.get(Path::new(path)) else {
            continue;
        };
        if !entries(&peer, "http").is_empty() || agreed.contains(path) {
            let verdict = if agreed.contains(path) {
                transactions(&peer, seen)
            } else {
                Verdict::NotApplicable("the peers do not agree with each other, or HTTP/2")
            };
            http.add(path, verdict);
        }
        if !entries(&peer, "dns").is_empty() {
            dns.add(path, names(&peer, seen));
        }
        if !entries(&peer, "tls").is_empty() {
            tls.add(path, hellos(&peer, seen));
        }
    }
    Ok(vec![http, dns, tls])
}

fn transactions(peer: &Value, seen: &Seen) -> Verdict {
    let mut theirs: Vec<Line> = entries(peer, "http")
        .iter()
        .filter(|entry| entry.get("h2").is_none())
        .map(|entry| {
            let status = entry["status"].as_u64().unwrap_or(0) as u16;
            (
                text(entry, "http_method"),
                text(entry, "url"),
                bare_host(&text(entry, "hostname")),
                status,
            )
        })
        .collect();
    let mut ours: Vec<Line> = seen
        .http
        .iter()
        .filter(|http| is_http1(http))
        .map(|http| line(http))
        .collect();
    theirs.sort();
    ours.sort();
    if theirs.len() == ours.len() {
        // A status that they do not tell says nothing of ours.
        for (theirs, ours) in theirs.iter().zip(&mut ours) {
            if theirs.3 == 0 {
                ours.3 = 0;
            }
        }
    }
    differ("", &theirs, &ours)
}

fn is_http1(http: &HttpRecord) -> bool {
    match http.version {
        HttpVersion::Http10 | HttpVersion::Http11 => true,
        HttpVersion::Http2 => false,
    }
}

/// Method, target, host without port, status; 0 and empty where there is none.
fn line(http: &HttpRecord) -> Line {
    let request = http.request.as_ref();
    (
        request.map(|r| r.method.to_string()).unwrap_or_default(),
        request.map(|r| r.target.to_string()).unwrap_or_default(),
        bare_host(request.and_then(|r| r.host.as_deref()).unwrap_or_default()),
        http.response.as_ref().map_or(0, |r| r.status),
    )
}

fn names(peer: &Value, seen: &Seen) -> Verdict {
    let theirs: BTreeSet<(String, String)> = entries(peer, "dns")
        .iter()
        .filter_map(|entry| Some((entry[0].as_str()?.to_lowercase(), entry[1].as_str()?.to_owned())))
        .collect();
    let ours: BTreeSet<(String, String)> = seen
        .dns
        .iter()
        .map(|dns| (dns.name.to_lowercase(), dns.qtype.trim_start_matches("TYPE").to_owned()))
        .collect();
    differ(
        "",
        &theirs.into_iter().collect::<Vec<_>>(),
        &ours.into_iter().collect::<Vec<_>>(),
    )
}

fn hellos(peer: &Value, seen: &Seen) -> Verdict {
    let theirs: BTreeSet<_> = entries(peer, "tls")
        .iter()
        .map(|entry| (text(entry, "sni"), version(&text(entry, "version"))))
        .collect();
    let ours: BTreeSet<_> = seen
        .tls
        .iter()
        .map(|tls| (name_of(tls), version(version_of(tls))))
        .collect();
    differ(
        "",
        &theirs.into_iter().collect::<Vec<_>>(),
        &ours.into_iter().collect::<Vec<_>>(),
    )
}

/// The server's name; empty where there is none.
pub(super) fn name_of(tls: &TlsRecord) -> String {
    tls.server_name.as_deref().unwrap_or_default().to_lowercase()
}

/// The version that the server chose, else the highest that the client offers.
pub(super) fn version_of(tls: &TlsRecord) -> &'static str {
    tls.negotiated.as_ref().map_or(tls.version, |server| server.version)
}

/// A version of TLS as everyone can be brought to write it: its two digits. Drafts of 1.3 are that.
pub(super) fn version(text: &str) -> String {
    let text = text.split("-draft").next().unwrap_or_default();
    let text = text.split(" draft").next().unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    match (digits.len(), text.starts_with("SSL")) {
        (_, true) => text.to_owned(),
        (1, false) => format!("{digits}0"),
        (_, false) => digits,
    }
}

/// What only one of two sorted lists has.
pub(super) fn differ<T: PartialEq + std::fmt::Debug>(what: &str, theirs: &[T], ours: &[T]) -> Verdict {
    if theirs == ours {
        return Verdict::Agree;
    }
    let only = |a: &[T], b: &[T]| {
        let mut rest: Vec<&T> = b.iter().collect();
        let mut only = Vec::new();
        for item in a {
            match rest.iter().position(|other| *other == item) {
                Some(at) => {
                    rest.swap_remove(at);
                }
                None => only.push(format!("{item:?}")),
            }
        }
        let more = only.len().saturating_sub(3);
        only.truncate(3);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{}{more}", only.join(", "))
    };
    Verdict::Differ(format!(
        "{what}theirs alone: [{}]; ours alone: [{}]",
        only(theirs, ours),
        only(ours, theirs)
    ))
}

fn entries<'a>(peer: &'a Value, of: &str) -> &'a [Value] {
    peer[of].as_array().map_or(&[], Vec::as_slice)
}

fn text(entry: &Value, field: &str) -> String {
    entry[field].as_str().unwrap_or_default().to_owned()
}

/// In lower case, without port.
pub(super) fn bare_host(host: &str) -> String {
    let host = host.to_lowercase();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name.to_owned(),
        Some(_) | None => host,
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}
