//! A property: whatever mixture of calls moves the bytes and however connections end, the records have what the calls
//! returned, connection by connection and in sum.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use monitor_tests::host::{figure, tool};
use monitor_tests::namespace::succeed;
use monitor_tests::{Field, Host, Launch, Namespace, Records};
use serde_json::Value;

use crate::overflow::each_open_has_one_close;
use crate::text;

/// Rounds and the seed of the first, where `MONITOR_TEST_ROUNDS` and `MONITOR_TEST_SEED` say nothing.
const ROUNDS: u64 = 4;
const SEED: u64 = 1;
/// Connections of a round.
const CONNECTIONS: usize = 100;
const PORT: u16 = 18_941;
const DATAGRAMS: u16 = 18_942;

#[test]
fn of_any_mixture_the_bytes_and_the_end_are_told() {
    let Some(_host) = Host::claim(&["python3"]) else { return };
    let (first, rounds) = (
        setting("MONITOR_TEST_SEED", SEED),
        setting("MONITOR_TEST_ROUNDS", ROUNDS),
    );
    let began = Instant::now();
    for seed in first..first + rounds {
        eprintln!("seed {seed}");
        round(seed);
    }
    figure(
        "random mixtures",
        &format!(
            "{rounds} rounds of {CONNECTIONS} connections from seed {first} in {:.1} s, all exact",
            began.elapsed().as_secs_f64()
        ),
    );
}

/// One namespace, one daemon, one process that holds both ends of every connection.
#[track_caller]
fn round(seed: u64) {
    let (net, mut daemon) = (Namespace::new(), Launch::new().start());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("servers/mixture.py");
    let numbers = [u64::from(PORT), u64::from(DATAGRAMS), seed, CONNECTIONS as u64];
    let mut mixture = net.command(tool("python3"));
    mixture.arg(script).args(numbers.map(|number| number.to_string()));
    let output = text(&succeed(mixture.stdin(Stdio::null())));
    let account: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of the account"))
        .collect();
    assert_eq!(account.len(), CONNECTIONS + 1);
    daemon.wait_for_closes(PORT, CONNECTIONS);
    daemon.wait_for_closes(DATAGRAMS, 1);
    let records = daemon.stop();
    let (connections, datagrams) = account.split_at(CONNECTIONS);
    compare(seed, &records, connections);
    let close = records.close(DATAGRAMS);
    for (ours, theirs) in [
        ("/bytes_sent", "/sent"),
        ("/bytes_received", "/received"),
        ("/remote/port", "/port"),
    ] {
        assert_eq!(
            close.number(ours),
            datagrams[0].number(theirs),
            "seed {seed}, {ours}: {close}"
        );
    }
    close.expect("/end_reason", "released");
    each_open_has_one_close(&records, PORT);
    assert_eq!(records.lost(), 0, "{}", records.stats());
}

#[track_caller]
fn compare(seed: u64, records: &Records, account: &[Value]) {
    let closes = records.closes(PORT);
    assert_eq!(closes.len(), account.len(), "seed {seed}: as many ends as connections");
    // A port may come again: by port, in order of time, which as RFC 3339 in UTC sorts as text.
    let mut by_port: BTreeMap<Option<u64>, Vec<&Value>> = BTreeMap::new();
    for close in &closes {
        by_port.entry(close.number("/remote/port")).or_default().push(close);
    }
    for ends in by_port.values_mut() {
        ends.sort_by_key(|end| std::cmp::Reverse(end.text("/start")));
    }
    for (place, connection) in account.iter().enumerate() {
        let close = by_port.get_mut(&connection.number("/port")).and_then(Vec::pop);
        let close = close.unwrap_or_else(|| panic!("seed {seed}: connection {place} is not told: {connection}"));
        for (ours, theirs) in FIELDS {
            assert_eq!(
                close.number(ours),
                connection.number(theirs),
                "seed {seed}, connection {place}, {ours}: the account is {connection}: {close}"
            );
        }
        let reasons = (close.text("/end_reason"), connection.text("/reason"));
        assert_eq!(
            reasons.0, reasons.1,
            "seed {seed}, connection {place}: the account is {connection}: {close}"
        );
    }
    for (ours, theirs) in FIELDS {
        let told: u64 = closes.iter().filter_map(|close| close.number(ours)).sum();
        let counted: u64 = account.iter().filter_map(|line| line.number(theirs)).sum();
        assert_eq!(told, counted, "seed {seed}: {ours} in sum");
    }
}

const FIELDS: [(&str, &str); 3] = [
    ("/bytes_sent", "/sent"),
    ("/bytes_received", "/received"),
    ("/bytes_unread", "/unread"),
];

fn setting(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}
