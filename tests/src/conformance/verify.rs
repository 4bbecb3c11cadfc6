//! The events that the tests of suricata-verify expect of a capture: how many of each kind, with which values.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use monitor::record::{DnsRecord, HttpRecord, HttpVersion, TlsRecord};
use serde_json::{Map, Value};

use super::captures::Seen;
use super::report::{Corpus, Verdict};
use super::suricata::{bare_host, name_of, version, version_of};

/// Compares the counts of `http`, `dns` and `tls` events, where all that a test asks of them is told by us too.
pub fn compare(folder: &Path, seen: &BTreeMap<PathBuf, Seen>) -> anyhow::Result<Corpus> {
    // Tests name captures of other tests: `../other/input.pcap`.
    let root = plain(folder);
    let tests = folder.join("pcap/suricata-verify/tests");
    let mut corpus = Corpus::new("events as suricata-verify", None);
    for path in super::files(&tests, "yaml")? {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let Some(directory) = path.parent() else { continue };
        let name = directory
            .strip_prefix(&tests)
            .unwrap_or(directory)
            .display()
            .to_string();
        let Ok(test) = serde_saphyr::from_str::<Value>(&text) else {
            corpus.add(name, Verdict::NotApplicable("written for a less strict reader of YAML"));
            continue;
        };
        let capture = test["pcap"].as_str().unwrap_or("input.pcap");
        let capture = plain(&directory.join(capture));
        let Some(seen) = capture.strip_prefix(&root).ok().and_then(|path| seen.get(path)) else {
            corpus.add(name, Verdict::NotApplicable("its capture is not here"));
            continue;
        };
        for (number, check) in test["checks"].as_array().into_iter().flatten().enumerate() {
            let filter = &check["filter"];
            // Of one log among several.
            if filter.get("filename").is_some() {
                continue;
            }
            if let (Some(expected), Some(wanted)) = (filter["count"].as_u64(), filter["match"].as_object())
                && let Some(verdict) = events(expected, wanted, seen)
            {
                corpus.add(format!("{name} #{}", number + 1), verdict);
            }
        }
    }
    Ok(corpus)
}

/// Nothing where the events are of a kind that we have none of.
fn events(expected: u64, wanted: &Map<String, Value>, seen: &Seen) -> Option<Verdict> {
    let found = match wanted.get("event_type")?.as_str()? {
        "http" => count(&seen.http, wanted, http, |_| 1),
        // Ours are lookups; theirs are one event for the query and one for the answer.
        "dns" => count(&seen.dns, wanted, dns, |record| {
            let both = !wanted.contains_key("dns.type") && !wanted.contains_key("dns.rcode");
            1 + u64::from(both && record.rcode.is_some())
        }),
        "tls" => count(&seen.tls, wanted, tls, |_| 1),
        _ => return None,
    };
    Some(match found {
        None => Verdict::NotApplicable("asks for what we do not tell"),
        Some(found) if found == expected => Verdict::Agree,
        Some(found) => Verdict::Differ(format!(
            "{expected} events, ours {found}: {}",
            Value::Object(wanted.clone())
        )),
    })
}

/// How many events the records are that have all that is wanted; nothing where a value is asked for that they do not tell.
fn count<T>(
    records: &[Arc<T>],
    wanted: &Map<String, Value>,
    tell: impl Fn(Option<&T>, (&str, &Value)) -> Option<bool>,
    events: impl Fn(&T) -> u64,
) -> Option<u64> {
    let keys = || wanted.iter().filter(|(key, _)| *key != "event_type");
    if !keys().all(|(key, value)| tell(None, (key, value)).is_some()) {
        return None;
    }
    let fits = |record: &T| keys().all(|(key, value)| tell(Some(record), (key, value)) == Some(true));
    let fitting = records.iter().filter(|record| fits(record));
    Some(fitting.map(|record| events(record)).sum())
}

fn http(record: Option<&HttpRecord>, (key, value): (&str, &Value)) -> Option<bool> {
    let request = record.and_then(|record| record.request.as_ref());
    let text = value.as_str().unwrap_or_default();
    Some(match key {
        "http.url" => request.is_some_and(|request| request.target == text),
        "http.http_method" => request.is_some_and(|request| request.method == text),
        "http.hostname" => {
            request.is_some_and(|request| bare_host(request.host.as_deref().unwrap_or_default()) == bare_host(text))
        }
        "http.status" => {
            let response = record.and_then(|record| record.response.as_ref());
            response.map(|response| u64::from(response.status)) == value.as_u64()
        }
        "http.protocol" => record.is_some_and(|record| {
            let ours = match record.version {
                HttpVersion::Http10 => "HTTP/1.0",
                HttpVersion::Http11 => "HTTP/1.1",
                HttpVersion::Http2 => "HTTP/2",
            };
            ours == text
        }),
        _ => return None,
    })
}

fn dns(record: Option<&DnsRecord>, (key, value): (&str, &Value)) -> Option<bool> {
    let text = value.as_str().unwrap_or_default();
    let is = |of: &dyn Fn(&DnsRecord) -> bool| record.is_some_and(of);
    Some(match (key, text) {
        ("dns.type", "query" | "request") => record.is_some(),
        ("dns.type", "answer" | "response") => is(&|record| record.rcode.is_some()),
        ("dns.rrname" | "dns.queries[0].rrname", _) => is(&|record| record.name.eq_ignore_ascii_case(text)),
        ("dns.rrtype" | "dns.queries[0].rrtype", _) => is(&|record| record.qtype == text),
        ("dns.rcode", _) => is(&|record| record.rcode.as_deref() == Some(text)),
        _ => return None,
    })
}

fn tls(record: Option<&TlsRecord>, (key, value): (&str, &Value)) -> Option<bool> {
    let text = value.as_str().unwrap_or_default();
    Some(match key {
        "tls.sni" => record.is_some_and(|record| name_of(record) == text),
        "tls.version" => record.is_some_and(|record| version(version_of(record)) == version(text)),
        _ => return None,
    })
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_is_wanted() {
        let seen = Seen {
            tls: vec![Arc::new(TlsRecord {
                flow: monitor::event::FlowId::default(),
                direction: None,
                server_name: Some("a.example".into()),
                alpn: Vec::new(),
                version: "TLS 1.2",
                ja4: None,
                ech: false,
                truncated: false,
                negotiated: None,
            })],
            ..Seen::default()
        };
        let check = |expected, wanted: Value| match wanted {
            Value::Object(wanted) => events(expected, &wanted, &seen),
            _ => None,
        };
        let wanted = serde_json::json!({"event_type": "tls", "tls.sni": "a.example", "tls.version": "TLS 1.2"});
        assert!(matches!(check(1, wanted.clone()), Some(Verdict::Agree)));
        assert!(matches!(check(2, wanted), Some(Verdict::Differ(_))));
        let more = serde_json::json!({"event_type": "tls", "tls.ja3.hash": "0"});
        assert!(matches!(check(1, more), Some(Verdict::NotApplicable(_))));
        assert!(check(1, serde_json::json!({"event_type": "smb"})).is_none());
    }

    #[test]
    fn paths_are_made_plain() {
        assert_eq!(plain(Path::new("/a/b/../c/./d")), Path::new("/a/c/d"));
    }
}
