//! llhttp's own test cases: Markdown with requests and responses and what its parser tells of each.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::Bytes;
use monitor::event::{Chunk, ChunkFlags, Direction, FlowId};
use monitor::protocol::conversation::{Conversation, Message, Origin, StreamEnd};
use monitor::protocol::transaction::Transaction;
use monitor::time::Timestamp;

use super::files;
use super::report::{Corpus, Verdict};

/// Requests that are on their way when a response is read; no case has more responses.
const ASKED: usize = 16;

/// Compares every case below `folder`.
pub fn compare(folder: &Path) -> anyhow::Result<Corpus> {
    let mut corpus = Corpus::new("llhttp", None);
    for path in files(folder, "md")? {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let file = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
        for case in cases(&text) {
            corpus.add(format!("{file}: {}", case.title), judge(&case));
        }
    }
    Ok(corpus)
}

/// One case as it is written.
#[derive(Debug, Default)]
struct Case {
    title: String,
    /// `request`, `response-lenient-all`, …; empty for URLs.
    kind: String,
    /// The parser is told that messages have no body.
    skip_body: bool,
    input: Vec<u8>,
    log: String,
}

/// A message as llhttp tells it.
#[derive(Debug, Default)]
struct Told {
    method: String,
    target: String,
    status: Option<u16>,
    protocol: String,
    body: u64,
    complete: bool,
}

/// What llhttp tells of a case.
#[derive(Debug, Default)]
struct Expected {
    messages: Vec<Told>,
    /// Why it stopped.
    error: Option<String>,
    /// What follows is not HTTP/1.x.
    leaves: bool,
}

fn judge(case: &Case) -> Verdict {
    let is_request = match case.kind.split('-').next() {
        Some("request") => true,
        Some("response") => false,
        Some(_) | None => return Verdict::NotApplicable("parts of a URL alone"),
    };
    if is_request && case.skip_body {
        return Verdict::NotApplicable("told by its caller to read no body");
    }
    let mut expected = Expected::parse(&case.log);
    // Interim responses are no transactions; of a message that only begins there is nothing to compare.
    expected.messages.retain(|m| {
        !m.status
            .is_some_and(|status| (100..200).contains(&status) && status != 101)
    });
    if expected.error.is_none() && expected.messages.last().is_some_and(|m| m.is_bare(is_request)) {
        expected.messages.pop();
    }
    let other = |m: &Told| !matches!(m.protocol.as_str(), "" | "HTTP");
    if expected.error.is_none() && expected.messages.iter().any(other) {
        return Verdict::NotApplicable("RTSP or ICE");
    }
    let ours = if is_request { requests(case) } else { responses(case) };
    let mut differences = Vec::new();
    for (number, told) in expected.messages.iter().enumerate() {
        let last = number + 1 == expected.messages.len();
        // A message that llhttp breaks off in is not compared: whether it is an anomaly is.
        if last && expected.error.is_some() && !told.complete {
            break;
        }
        let Some(our) = ours.get(number) else {
            differences.push(format!("message {} is not read", number + 1));
            break;
        };
        told.compare(our, case.skip_body, &mut differences);
    }
    if let Some(error) = &expected.error {
        let complete = expected.messages.iter().filter(|m| m.complete).count();
        // What is in order is not read at all, or named.
        let named = ours.len() < complete.max(1) || ours.iter().skip(complete.saturating_sub(1)).any(is_named);
        if !named {
            differences.push(format!("refused by llhttp ({error}), not named by us"));
        }
    }
    if differences.is_empty() {
        Verdict::Agree
    } else {
        Verdict::Differ(differences.join("; "))
    }
}

/// Whether something odd is told of it. That it has no `Host` is told of nearly every case, and is not what llhttp looks
/// at; nor is whether a method should have a body.
fn is_named(transaction: &Transaction) -> bool {
    let beside = |name: &&str| matches!(*name, "missing_host" | "unusual_body");
    !transaction.anomalies.iter().all(beside)
}

impl Told {
    /// Nothing but its beginning is told.
    fn is_bare(&self, is_request: bool) -> bool {
        !self.complete
            && if is_request {
                self.target.is_empty()
            } else {
                self.status.is_none()
            }
    }

    fn compare(&self, our: &Transaction, no_body: bool, differences: &mut Vec<String>) {
        let mut differ = |what: &str, theirs: &dyn std::fmt::Debug, ours: &dyn std::fmt::Debug| {
            differences.push(format!("{what} {theirs:?}, ours {ours:?}"));
        };
        let body = match self.status {
            None => {
                let Some(request) = &our.request else {
                    return differ("request", &self.method, &"none");
                };
                if request.method != self.method {
                    differ("method", &self.method, &request.method);
                }
                if request.target != self.target {
                    differ("target", &self.target, &request.target);
                }
                request.decoded_bytes.unwrap_or(request.body_bytes)
            }
            Some(status) => {
                let Some(response) = &our.response else {
                    return differ("status", &status, &"none");
                };
                if response.status != status {
                    differ("status", &status, &response.status);
                }
                response.decoded_bytes.unwrap_or(response.body_bytes)
            }
        };
        if body != self.body && !no_body {
            differ("body", &self.body, &body);
        }
    }
}

impl Expected {
    fn parse(log: &str) -> Self {
        let mut expected = Self::default();
        for line in log.lines() {
            let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
            if rest == "message begin" {
                expected.messages.push(Told::default());
            }
            if let Some(reason) = rest.strip_prefix("error code=") {
                let (code, reason) = reason.split_once(" reason=").unwrap_or((reason, ""));
                // HPE_PAUSED_UPGRADE and its like (21 to 23): no error.
                if matches!(code, "21" | "22" | "23" | "24") {
                    expected.leaves = true;
                } else {
                    expected.error = Some(reason.trim_matches('"').to_owned());
                }
            }
            let Some(message) = expected.messages.last_mut() else {
                continue;
            };
            if let Some((len, span)) = rest.strip_prefix("len=").and_then(|rest| rest.split_once(" span[")) {
                // A lone CR or LF is told without quotes.
                let Some((name, text)) = span.split_once("]=") else {
                    continue;
                };
                let text = text
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'))
                    .unwrap_or(text);
                match name {
                    "method" => message.method.push_str(text),
                    "url" => message.target.push_str(text),
                    "protocol" => message.protocol.push_str(text),
                    "body" => message.body += len.parse::<u64>().unwrap_or(0),
                    _ => {}
                }
            }
            if let Some((_, status)) = rest.split_once("headers complete status=") {
                message.status = status.split(' ').next().and_then(|status| status.parse().ok());
            }
            message.complete |= rest == "message complete";
        }
        expected
    }
}

/// The transactions of requests that nobody answers.
fn requests(case: &Case) -> Vec<Transaction> {
    let mut run = Run::default();
    run.say(Direction::Received, &case.input);
    run.end()
}

/// The transactions of responses to as many requests as there may be.
fn responses(case: &Case) -> Vec<Transaction> {
    let method = if case.skip_body { "HEAD" } else { "GET" };
    let mut run = Run::default();
    run.say(
        Direction::Received,
        format!("{method} / HTTP/1.1\r\nHost: h\r\n\r\n")
            .repeat(ASKED)
            .as_bytes(),
    );
    run.say(Direction::Sent, &case.input);
    let mut all = run.end();
    all.retain(|transaction| transaction.response.is_some() || !transaction.anomalies.is_empty());
    all
}

/// A connection, told in whole turns.
struct Run {
    conversation: Conversation,
    ends: [u32; 2],
    out: Vec<Message>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            conversation: Conversation::new(Origin::Remote, false, Arc::default()),
            ends: [0, 0],
            out: Vec::new(),
        }
    }
}

impl Run {
    fn say(&mut self, direction: Direction, bytes: &[u8]) {
        let now = Timestamp::from_secs(1);
        let (mine, other) = match direction {
            Direction::Received => (0, 1),
            Direction::Sent => (1, 0),
        };
        let chunk = Chunk {
            flow: FlowId::default(),
            time: now,
            direction,
            seq: self.ends[mine],
            segment_len: bytes.len() as u32,
            turn: 1,
            data: Bytes::copy_from_slice(bytes),
            peer_end: (self.ends[other] > 0).then_some((self.ends[other], now)),
            flags: ChunkFlags {
                turn_start: true,
                ..ChunkFlags::default()
            },
        };
        self.ends[mine] += bytes.len() as u32;
        self.conversation.chunk(chunk, &mut self.out);
    }

    fn end(mut self) -> Vec<Transaction> {
        self.conversation
            .end(Timestamp::from_secs(2), StreamEnd::Closed, &mut self.out);
        let http = |message| {
            if let Message::Http(transaction) = message {
                Some(*transaction)
            } else {
                None
            }
        };
        self.out.into_iter().filter_map(http).collect()
    }
}

/// The cases of a page.
fn cases(text: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    let (mut title, mut meta) = (String::new(), String::new());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(heading) = line
            .trim_start_matches('#')
            .strip_prefix(' ')
            .filter(|_| line.starts_with('#'))
        {
            heading.trim().clone_into(&mut title);
        } else if let Some(comment) = line.split_once("meta=").filter(|_| line.starts_with("<!--")) {
            comment.1.clone_into(&mut meta);
        } else if let Some(language) = line.strip_prefix("```").filter(|language| !language.is_empty()) {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            match language {
                "http" | "url" => cases.push(Case {
                    title: title.clone(),
                    kind: field(&meta, "type").unwrap_or_default(),
                    skip_body: meta.contains("skipBody"),
                    input: input(&block.join("\n")),
                    log: String::new(),
                }),
                "log" => {
                    if let Some(case) = cases.last_mut() {
                        case.log = block.join("\n");
                    }
                }
                _ => {}
            }
        }
    }
    cases
}

/// The value of a text in the comment above a case.
fn field(meta: &str, name: &str) -> Option<String> {
    let rest = meta.split_once(&format!("\"{name}\":"))?.1.trim_start();
    Some(rest.strip_prefix('"')?.split('"').next()?.to_owned())
}

/// Lines end in CRLF; a backslash before the end of a line joins it with the next; escapes stand for bytes.
fn input(block: &str) -> Vec<u8> {
    let block = block.replace("\\\n", "").replace('\n', "\r\n");
    let mut bytes = Vec::new();
    let mut rest = block.as_str();
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let mut escape = rest[at + 1..].chars();
        let byte = match escape.next() {
            Some('r') => Some(b'\r'),
            Some('n') => Some(b'\n'),
            Some('t') => Some(b'\t'),
            Some('f') => Some(0x0c),
            Some('x') => {
                let hex: String = escape.by_ref().take(2).collect();
                u8::from_str_radix(&hex, 16).ok()
            }
            Some(_) | None => None,
        };
        if let Some(byte) = byte {
            bytes.push(byte);
            rest = escape.as_str();
        } else {
            bytes.push(b'\\');
            rest = &rest[at + 1..];
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"
### A request with a body

<!-- meta={"type": "request"} -->
```http
POST /a HTTP/1.1
Content-Length: 3

abA
```

```log
off=0 message begin
off=0 len=4 span[method]="POST"
off=5 len=2 span[url]="/a"
off=13 version complete
off=37 headers complete method=3 v=1/1 flags=20 content_length=3
off=37 len=3 span[body]="abA"
off=40 message complete
```
"#;

    #[test]
    fn a_case_is_read_and_judged() {
        let cases = cases(PAGE);
        assert_eq!(cases.len(), 1);
        assert_eq!(cases[0].title, "A request with a body");
        assert_eq!(cases[0].input, b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabA");
        assert_eq!(judge(&cases[0]), Verdict::Agree);
        let other = PAGE.replace("span[url]=\"/a\"", "span[url]=\"/b\"");
        let Verdict::Differ(what) = judge(&super::cases(&other)[0]) else {
            panic!("they differ")
        };
        assert_eq!(what, "target \"/b\", ours \"/a\"");
    }

    #[test]
    fn what_llhttp_refuses_must_be_named() {
        let page = PAGE.replace("off=40 message complete", "off=40 error code=11 reason=\"Something\"");
        assert!(matches!(judge(&cases(&page)[0]), Verdict::Differ(_)));
        let page = page.replace("Length: 3", "Length: +3");
        assert_eq!(judge(&cases(&page)[0]), Verdict::Agree);
    }

    #[test]
    fn joined_lines_and_escapes() {
        assert_eq!(input("a\\\nb\nc\\t\\\"\\x0d"), b"ab\r\nc\t\\\"\r");
    }
}
