//! More traffic than the daemon may spend time on: less is read, nothing is miscounted, and it says so.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use monitor_tests::nginx::Setup;
use monitor_tests::{Field, Host, Launch, Namespace, wait};

use crate::here;

/// Connections, each of its own thread.
const CONNECTIONS: usize = 16;
/// How long they ask: the daemon looks at its costs once a second.
const SECONDS: u64 = 6;
/// Between two requests of each: 4,000 a second in all, which is more than any build may read within the budget below, and
/// less than fills a ring.
const PAUSE: Duration = Duration::from_millis(4);
/// Until all is read again at the latest, from the least share (a thousandth) on by half as much a second.
const RETURN: Duration = Duration::from_secs(30);

#[test]
fn over_the_budget_less_is_read_and_all_is_counted() {
    let Some(_host) = Host::claim(&["nginx"]) else { return };
    let launch = Launch::new().config("[budget]\ncpu_percent = 0.5\n");
    let (net, mut daemon) = (Namespace::new(), launch.start());
    let nginx = Setup::on(18791).start(&net);
    let until = Instant::now() + Duration::from_secs(SECONDS);
    let streams: Vec<_> = net.inside(|| (0..CONNECTIONS).map(|_| TcpStream::connect(here(18791))).collect());
    std::thread::scope(|scope| {
        for (client, stream) in streams.into_iter().enumerate() {
            scope.spawn(move || ask(client, stream.expect("connect"), until));
        }
    });
    daemon.wait_for_closes(18791, CONNECTIONS);
    // Both steps are announced, and after the second everything is read.
    assert!(
        daemon.errors().contains("the CPU budget is used up"),
        "{}",
        daemon.errors()
    );
    wait::until("everything to be read again", RETURN, || {
        daemon.errors().contains("every connection is read again").then_some(())
    });
    let stream = net.inside(|| TcpStream::connect(here(18791))).expect("connect");
    ask(CONNECTIONS, stream, Instant::now() + PAUSE);
    daemon.wait_for_closes(18791, CONNECTIONS + 1);
    let records = daemon.stop();
    // By the client's port: bytes that nginx read and wrote.
    let mut served: BTreeMap<u16, (u64, u64)> = BTreeMap::new();
    let mut asked = BTreeSet::new();
    for line in nginx.log() {
        let bytes = served.entry(line.port("/client_port").expect("a port")).or_default();
        bytes.0 += line.number("/request_length").expect("a length");
        bytes.1 += line.number("/bytes_sent").expect("a size");
        asked.insert(line.text("/target").expect("a target").to_owned());
    }
    let closes = records.closes(18791);
    assert_eq!((closes.len(), served.len()), (CONNECTIONS + 1, CONNECTIONS + 1));
    for close in &closes {
        let counted = (close.number("/bytes_received"), close.number("/bytes_sent"));
        let port = close.port("/remote/port").expect("a port");
        assert_eq!(counted, (Some(served[&port].0), Some(served[&port].1)), "{close}");
    }
    assert_eq!(records.lost(), 0, "{}", records.stats());
    let over = records.stats().number("/events/left_out/over_budget").expect("a count");
    let whole: BTreeSet<&str> = records
        .http(18791)
        .into_iter()
        .filter(|record| record["complete"] == true)
        .filter_map(|record| record.text("/request/target"))
        .collect();
    assert!(
        whole.iter().all(|target| asked.contains(*target)),
        "a transaction that was not"
    );
    let after = format!("/612?{CONNECTIONS}-0");
    assert!(whole.contains(&*after), "after the load {after} is not read");
    let unread = (asked.len() - whole.len()) as u64;
    assert!(
        unread > 0 && !whole.is_empty(),
        "{} of {} were read",
        whole.len(),
        asked.len()
    );
    // A request and its answer are two turns; those at hand when the share moved may miss one of them.
    let torn = CONNECTIONS as u64 * SECONDS;
    assert!(
        over <= 2 * unread && over + 2 * torn >= 2 * unread,
        "{over} turns left out, {unread} transactions not read"
    );
    let marked = closes
        .iter()
        .filter(|close| close.text("/coverage/reason") == Some("over_budget"));
    assert!(marked.count() > 0, "{closes:#?}");
}

fn ask(client: usize, mut stream: TcpStream, until: Instant) {
    let mut answer = [0; 4_096];
    let mut round = 0;
    while Instant::now() < until {
        let request = format!("GET /612?{client}-{round} HTTP/1.1\r\nHost: here\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("ask");
        let mut length = stream.read(&mut answer).expect("an answer");
        let head = answer[..length].windows(4).position(|end| end == b"\r\n\r\n");
        while length < head.expect("a head") + 4 + 612 {
            length += stream.read(&mut answer[length..]).expect("the rest");
        }
        round += 1;
        std::thread::sleep(PAUSE);
    }
}
