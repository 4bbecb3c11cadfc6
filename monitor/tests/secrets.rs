//! Secrets in every place of a request, and the whole daemon: none of them comes out of it anywhere.

#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use monitor::config::Config;
use monitor::control::shape::Facility;
use monitor::daemon::{self, Drained, Kept, Options, Source};
use monitor::event::{
    Chunk, ChunkFlags, Command, Counters, Direction, Event, FlowCause, FlowFlags, FlowId, FlowSnapshot, Owner,
    OwnerSince, Role,
};
use monitor::flow::{FiveTuple, Transport};
use monitor::sinks::json::{self, RecordSet, RecordType};
use monitor::sinks::terminal::{self, Style};
use monitor::sinks::{OutputSpec, Where};
use monitor::store::Store;
use monitor::time::Timestamp;

/// What begins every secret; each has a number behind it.
const SECRET: &str = "hunter2";
/// Accounts that must be shown: else nothing was read, and the test would say nothing.
const ACCOUNTS: [&str; 5] = ["alice", "bob", "carol", "dave", "erin@example.com"];

fn base64(text: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::new();
    for group in text.as_bytes().chunks(3) {
        let bits = group.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for at in 0..=group.len() {
            out.push(char::from(ALPHABET[(bits >> (18 - 6 * at)) as usize & 63]));
        }
    }
    out
}

/// Requests, and their responses. A secret is never the same twice.
fn conversation() -> Vec<(String, String)> {
    let mut number = 100;
    let mut secret = || {
        number += 1;
        format!("{SECRET}{number}")
    };
    let get = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n{fields}\r\n");
    let post = |kind: &str, body: &str| {
        format!(
            "POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let ok = |body: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!("{{\"email\":\"erin@example.com\",\"password\":\"{}\"}}", secret());
    vec![
        (
            get(&format!("/?api_key={}&x=1&password={}", secret(), secret()), ""),
            ok(""),
        ),
        (
            get(
                &format!("/;JSESSIONID={}/a?next=/b%3Ftoken%3D{}", secret(), secret()),
                "",
            ),
            ok(""),
        ),
        (
            get(
                "/",
                &format!("X-API-Key: {}\r\nX-Auth-Token: {}\r\n", secret(), secret()),
            ),
            ok(""),
        ),
        (get("/", &format!("Authorization: Bearer {}\r\n", secret())), ok("")),
        (
            get(
                "/",
                &format!(
                    "Authorization: Token {}\r\nProxy-Authorization: {}\r\n",
                    secret(),
                    secret()
                ),
            ),
            ok(""),
        ),
        (get("/", &format!("Authorization: {}\r\n", secret())), ok("")),
        (
            get(
                "/",
                &format!("Authorization: Basic {}\r\n", base64(&format!("alice:{}", secret()))),
            ),
            ok(""),
        ),
        (
            get(
                "/",
                &format!("Authorization: Basic {}\r\n", base64(&format!("{}:", secret()))),
            ),
            ok(""),
        ),
        (
            get("/", &format!("Cookie: sessionid={}; other={}\r\n", secret(), secret())),
            ok(""),
        ),
        (
            get(
                "/",
                &format!(
                    "Authorization: Bearer {}.{}.{}\r\n",
                    base64("{\"alg\":\"HS256\"}"),
                    base64(&format!("{{\"sub\":\"bob\",\"key\":\"{}\"}}", secret())),
                    secret(),
                ),
            ),
            ok(""),
        ),
        (
            post(
                "application/json",
                &format!("{{\"username\":\"carol\",\"password\":\"{}\"}}", secret()),
            ),
            format!("HTTP/1.1 401 Unauthorized\r\nContent-Length: 10\r\n\r\n{}", secret()),
        ),
        (
            post(
                "application/x-www-form-urlencoded",
                &format!("password={}&username=dave", secret()),
            ),
            format!(
                "HTTP/1.1 302 Found\r\nLocation: /home?token={}\r\nSet-Cookie: sessionid={}\r\nContent-Length: 0\r\n\r\n",
                secret(),
                secret()
            ),
        ),
        (
            format!(
                "POST /login HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
                 {:x}\r\n{chunked}\r\n0\r\n\r\n",
                chunked.len()
            ),
            ok(&secret()),
        ),
        (get(&format!("http://frank:{}@h/", secret()), ""), ok(&secret())),
        // Cut off, and read as far as it goes.
        (
            format!(
                "GET /?token={} HTTP/1.1\r\nHost: h\r\nX-API-Key: {}",
                secret(),
                secret()
            ),
            String::new(),
        ),
    ]
}

/// A connection on which all of this is said, once.
struct Script {
    events: Vec<Event>,
}

impl Script {
    fn new(now: Timestamp) -> Self {
        let flow = FlowId {
            cookie: 7,
            generation: 1,
        };
        let mut events = vec![Event::Flow(Box::new(FlowSnapshot {
            id: flow,
            time: now,
            cause: FlowCause::Open,
            tuple: Some(FiveTuple {
                transport: Transport::Tcp,
                local: ([10, 0, 0, 1], 80).into(),
                remote: ([192, 0, 2, 9], 40_000).into(),
            }),
            netns: 1,
            role: Role::Passive,
            opened: now,
            owner: Some(Owner::default()),
            owner_since: OwnerSince::default(),
            parent: None,
            counters: Counters::default(),
            first_bytes: [None; 2],
            flags: FlowFlags::default(),
            tcp_state: 1,
            error: 0,
            first_seqs: None,
            named: None,
        }))];
        let mut seq = [0u32; 2];
        for (turn, (request, response)) in (1..).zip(conversation()) {
            for (at, direction, text) in [(0, Direction::Received, request), (1, Direction::Sent, response)] {
                let len = text.len() as u32;
                events.push(Event::Chunk(Chunk {
                    flow,
                    time: now,
                    direction,
                    seq: seq[at],
                    segment_len: len,
                    turn,
                    data: Bytes::from(text),
                    peer_end: (turn > 1 || at == 1).then_some((seq[1 - at], now)),
                    flags: ChunkFlags {
                        turn_start: true,
                        ..ChunkFlags::default()
                    },
                }));
                seq[at] += len;
            }
        }
        events.reverse();
        Self { events }
    }
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_nanos(u64::try_from(now.as_nanos()).unwrap())
}

impl Source for Script {
    fn now(&self) -> Timestamp {
        now()
    }

    fn drain(&mut self, mut each: impl FnMut(Timestamp, Event)) -> anyhow::Result<Drained> {
        let events = self.events.len();
        while let Some(event) = self.events.pop() {
            each(now(), event);
        }
        Ok(Drained { events, more: false })
    }

    fn apply(&mut self, _: &[Command]) {}

    fn report(&self) -> Vec<Facility<'static>> {
        Vec::new()
    }
}

/// Where log lines go.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn ask(socket: &Path, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// As for people: what the terminal and `monitor requests` show.
fn readable(lines: &str) -> String {
    let mut text = String::new();
    for line in lines.lines() {
        if let Ok(line) = serde_json::from_str::<json::Line<'_, json::Http<'_>>>(line) {
            text += &terminal::http(Style::PLAIN, line.time, &line.body);
            text.push('\n');
        }
    }
    text
}

#[track_caller]
fn check(place: &str, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    // Alone, in Basic and in a JWT, at each of the three alignments of base64.
    let encoded = ["", "a", "ab"].map(|before| {
        let text = base64(&format!("{before}{SECRET}"));
        // The first and last characters have bits of what is beside.
        text[before.len() + 1..text.len() - 1].to_owned()
    });
    for hidden in encoded.iter().map(String::as_str).chain([SECRET]) {
        if let Some(at) = text.find(hidden) {
            let from = text[..at].char_indices().rev().nth(80).map_or(0, |(at, _)| at);
            panic!("{place} holds a secret: …{}", &text[from..at + hidden.len()]);
        }
    }
}

#[test]
fn no_secret_comes_out() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let dir = tempfile::tempdir().unwrap();
    let (out, state, socket) = (
        dir.path().join("out.jsonl"),
        dir.path().join("state"),
        dir.path().join("control.sock"),
    );
    let options = Options {
        cpu_percent: 100.0,
        outputs_are_asked_for: true,
        config: None,
        host: Some(Arc::from("api-1")),
        records: RecordSet::of(&RecordType::ALL),
        outputs: vec![OutputSpec {
            types: None,
            place: Where::File(out.clone()),
        }],
        lock: dir.path().join("lock"),
        socket: socket.clone(),
        group: None,
        confinement: monitor::confine::Confinement::off(),
    };
    let make = {
        let state = state.clone();
        move || {
            let opened = Store::open(&state)?;
            let (kept, _) = Kept::open(&Config::default(), opened.store, opened.key, now())?;
            Ok((kept, Script::new(now())))
        }
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let thread = std::thread::spawn(move || daemon::run(&options, make, async { drop(stopped.await) }));
    let told = conversation().len() - 1;
    let until = Instant::now() + Duration::from_secs(30);
    while std::fs::read_to_string(&out)
        .unwrap_or_default()
        .matches("\"type\":\"http\"")
        .count()
        < told
    {
        assert!(Instant::now() < until, "the daemon tells too little");
        std::thread::sleep(Duration::from_millis(5));
    }
    for path in ["/v1/status", "/v1/flows", "/v1/requests", "/v1/alerts"] {
        check(path, ask(&socket, path).as_bytes());
    }
    let requests = ask(&socket, "/v1/requests");
    check("the table of requests", readable(&requests).as_bytes());
    drop(stop);
    thread.join().unwrap().unwrap();

    let lines = std::fs::read_to_string(&out).unwrap();
    assert_eq!(lines.matches("\"type\":\"http\"").count(), told + 1);
    for account in ACCOUNTS {
        assert!(
            lines.contains(&format!("\"kind\":\"account\",\"id\":\"{account}\"")),
            "{account}"
        );
        assert!(requests.contains(account), "{account}");
    }
    check("the terminal", readable(&lines).as_bytes());
    check("the log", &log.0.lock().unwrap());
    for file in [out.as_path()]
        .into_iter()
        .map(Path::to_owned)
        .chain(std::fs::read_dir(&state).unwrap().map(|entry| entry.unwrap().path()))
    {
        check(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
}
