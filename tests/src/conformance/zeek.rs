//! Zeek's own expected logs of its test traces.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use monitor::flow::Transport;
use serde_json::Value;

use super::captures::Seen;
use super::report::{Corpus, Verdict};
use super::suricata::{differ, name_of, version};

/// Compares the logs of tests that read one trace.
pub fn compare(folder: &Path, seen: &BTreeMap<PathBuf, Seen>) -> anyhow::Result<Vec<Corpus>> {
    let index = folder.join("pcap/zeek/TRACE-BASELINE.json");
    let index = std::fs::read_to_string(&index).with_context(|| index.display().to_string())?;
    let index: Value = serde_json::from_str(&index).context("TRACE-BASELINE.json")?;
    let mut flows = Corpus::new("flow bytes as Zeek", None);
    let mut http = Corpus::new("HTTP as Zeek", None);
    let mut dns = Corpus::new("DNS as Zeek", None);
    let mut tls = Corpus::new("TLS as Zeek", None);
    for test in index.as_array().into_iter().flatten() {
        let (Some(baseline), Some([trace])) = (test["baseline"].as_str(), test["traces"].as_array().map(Vec::as_slice))
        else {
            continue;
        };
        let trace = trace.as_str().unwrap_or_default();
        let Some(seen) = seen.get(&Path::new("pcap/zeek/Traces").join(trace)) else {
            continue;
        };
        let logs = folder.join("pcap/zeek/Baseline").join(baseline);
        let log = |name: &str| Log::read(&logs.join(name));
        if let Some(log) = log("conn.log") {
            for row in log.rows() {
                let name = format!("{baseline}: {} {}", row.text("proto"), row.ends_text());
                flows.add(name, bytes(&row, seen));
            }
        }
        if let Some(log) = log("http.log") {
            http.add(baseline, transactions(&log, seen));
        }
        if let Some(log) = log("dns.log") {
            dns.add(baseline, names(&log, seen));
        }
        if let Some(log) = log("ssl.log") {
            tls.add(baseline, hellos(&log, seen));
        }
    }
    Ok(vec![flows, http, dns, tls])
}

fn bytes(row: &Row<'_>, seen: &Seen) -> Verdict {
    let transport = match row.text("proto") {
        "tcp" => Transport::Tcp,
        "udp" => Transport::Udp,
        _ => return Verdict::NotApplicable("neither TCP nor UDP"),
    };
    if !matches!(row.text("tunnel_parents"), "-" | "(empty)" | "") {
        return Verdict::NotApplicable("within a tunnel");
    }
    if row.text("missed_bytes") != "0" {
        return Verdict::NotApplicable("Zeek missed bytes");
    }
    let Some((from, to)) = row.ends() else {
        return Verdict::NotApplicable("without ends");
    };
    let theirs = (row.number("orig_bytes"), row.number("resp_bytes"));
    let found = seen.bytes(transport, from, to);
    let (ours, several) = match found.as_slice() {
        [] => return Verdict::Differ(format!("bytes {theirs:?}, ours: no such flow")),
        [one] => ((one.there, one.back), false),
        all => (all[0].into_pair(), true),
    };
    let same = found.iter().any(|bytes| bytes.into_pair() == theirs);
    if same {
        Verdict::Agree
    } else if theirs == (0, 0) && row.text("history").chars().all(|event| !matches!(event, 'd' | 'D')) {
        Verdict::NotApplicable("never established: no flow of ours")
    } else {
        let more = if several { " and others" } else { "" };
        Verdict::Differ(format!("bytes {theirs:?}, ours {ours:?}{more}"))
    }
}

fn transactions(log: &Log, seen: &Seen) -> Verdict {
    let mut theirs: Vec<_> = log
        .rows()
        .map(|row| {
            let status = row.number("status_code");
            (row.known("method"), row.known("uri"), row.known("host"), status)
        })
        .filter(|(method, .., status)| !method.is_empty() || *status != 0)
        .collect();
    let mut ours: Vec<_> = seen
        .http
        .iter()
        .map(|http| {
            let request = http.request.as_ref();
            (
                request.map(|r| r.method.to_string()).unwrap_or_default(),
                request.map(|r| decoded(&r.target)).unwrap_or_default(),
                request.and_then(|r| r.host.as_deref()).unwrap_or_default().to_owned(),
                http.response.as_ref().map_or(0, |r| u64::from(r.status)),
            )
        })
        .collect();
    theirs.sort();
    ours.sort();
    differ("", &theirs, &ours)
}

fn names(log: &Log, seen: &Seen) -> Verdict {
    let mut theirs: Vec<_> = log
        .rows()
        .map(|row| (row.known("query").to_lowercase(), row.known("rcode_name")))
        .filter(|(query, _)| !query.is_empty())
        .collect();
    let mut ours: Vec<_> = seen
        .dns
        .iter()
        .map(|dns| (dns.name.to_lowercase(), dns.rcode.clone().unwrap_or_default()))
        .collect();
    theirs.sort();
    ours.sort();
    differ("", &theirs, &ours)
}

fn hellos(log: &Log, seen: &Seen) -> Verdict {
    // Where no server answered, Zeek tells neither version nor suite.
    let mut theirs: Vec<_> = log
        .rows()
        .map(|row| {
            let name = row.known("server_name").to_lowercase();
            (name, version(&row.known("version")), row.known("cipher"))
        })
        .collect();
    let mut ours: Vec<_> = seen
        .tls
        .iter()
        .map(|tls| match &tls.negotiated {
            Some(server) => (name_of(tls), version(server.version), server.cipher.clone()),
            None => (name_of(tls), String::new(), String::new()),
        })
        .collect();
    theirs.sort();
    ours.sort();
    differ("", &theirs, &ours)
}

/// Percent-decoded, as Zeek logs URIs; what is no UTF-8 then stays as it was.
fn decoded(target: &str) -> String {
    let bytes = target.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            Some(_) | None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| target.to_owned())
}

/// A log in Zeek's tab-separated form.
#[derive(Debug)]
struct Log {
    fields: Vec<String>,
    lines: Vec<Vec<String>>,
}

/// A line of it.
#[derive(Clone, Copy, Debug)]
struct Row<'a> {
    fields: &'a [String],
    values: &'a [String],
}

impl Log {
    fn read(path: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(path).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let split = |line: &str| line.split('\t').map(ToOwned::to_owned).collect::<Vec<_>>();
        let fields = text
            .lines()
            .find_map(|line| line.strip_prefix("#fields\t"))
            .map(split)?;
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        Some(Self {
            fields,
            lines: lines.map(split).collect(),
        })
    }

    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.lines.iter().map(|values| Row {
            fields: &self.fields,
            values,
        })
    }
}

impl<'a> Row<'a> {
    fn text(&self, field: &str) -> &'a str {
        let at = self.fields.iter().position(|name| name == field);
        at.and_then(|at| self.values.get(at)).map_or("", String::as_str)
    }

    /// Empty where it is not set.
    fn known(&self, field: &str) -> String {
        match self.text(field) {
            "-" | "(empty)" => String::new(),
            text => text.to_owned(),
        }
    }

    /// 0 where it is not set.
    fn number(&self, field: &str) -> u64 {
        self.text(field).parse().unwrap_or(0)
    }

    fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let end = |host: &str, port: &str| {
            let ip: IpAddr = self.text(host).parse().ok()?;
            Some(SocketAddr::new(ip, self.text(port).parse().ok()?))
        };
        Some((end("id.orig_h", "id.orig_p")?, end("id.resp_h", "id.resp_p")?))
    }

    fn ends_text(&self) -> String {
        format!(
            "{}:{} > {}:{}",
            self.text("id.orig_h"),
            self.text("id.orig_p"),
            self.text("id.resp_h"),
            self.text("id.resp_p")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_by_the_names_of_its_fields() {
        let log = Log::parse("#separator \\x09\n#fields\tid.orig_h\tproto\tx\n192.0.2.1\ttcp\t-\n#close\n").unwrap();
        let row = log.rows().next().unwrap();
        assert_eq!(
            (row.text("proto"), row.text("x"), row.known("x")),
            ("tcp", "-", String::new())
        );
        assert_eq!(log.rows().count(), 1);
    }

    #[test]
    fn versions_are_brought_to_one_form() {
        for text in ["TLS 1.3", "TLSv13", "TLSv13-draft23", "TLS 1.3 draft-19", "1.3"] {
            assert_eq!(version(text), "13");
        }
        assert_eq!(
            (version("TLSv1"), version("TLSv10")),
            ("10".to_owned(), "10".to_owned())
        );
        assert_eq!(version(""), "");
    }

    #[test]
    fn targets_are_decoded() {
        assert_eq!(decoded("/a%20b%zz%"), "/a b%zz%");
        assert_eq!(decoded("/%ff"), "/%ff");
    }
}
