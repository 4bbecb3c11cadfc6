//! What must hold on every kernel that the monitor runs on, checked against what the guest's own programs counted.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::console::Console;
use super::script::{ELSEWHERE, LARGE, SMALL, SMALL_REQUESTS};

/// What a kernel gave.
#[derive(Clone, Debug, Default)]
pub struct Given {
    /// Its version.
    pub kernel: String,
    /// Facilities that are not there, with what is lost.
    pub degraded: Vec<String>,
    /// Instructions that its verifier went through, of the packet programs.
    pub verified: Vec<String>,
    /// Transactions told.
    pub transactions: usize,
    /// What went wrong; empty where all held.
    pub failures: Vec<String>,
}

/// One thing that must hold.
type Check = fn(&Console, &mut Given) -> Result<()>;

/// Holds what was printed against what must be.
pub fn judge(console: &Console) -> Given {
    let mut given = Given {
        kernel: console.block("kernel").unwrap_or("unknown").to_owned(),
        ..Given::default()
    };
    let checks: [(&str, Check); 6] = [
        ("check", facilities),
        ("run", ran),
        ("transactions", transactions),
        ("bytes", bytes),
        ("unknown_destination", alert),
        ("losses", losses),
    ];
    if !console.is_whole() {
        given.failures.push("the guest did not come to its end".to_owned());
    }
    for (name, check) in checks {
        if let Err(error) = check(console, &mut given) {
            given.failures.push(format!("{name}: {error:#}"));
        }
    }
    given
}

fn facilities(console: &Console, given: &mut Given) -> Result<()> {
    let text = console.block("check").context("not printed")?;
    let line = text.lines().find(|line| line.starts_with('{')).context("no report")?;
    let report: Value = serde_json::from_str(line)?;
    for facility in report["facilities"].as_array().context("no facilities")? {
        let (name, state) = (text_of(&facility["name"]), text_of(&facility["state"]));
        if state != "ok" {
            given.degraded.push(format!("{name} ({})", text_of(&facility["lost"])));
        }
        if name.starts_with("cgroup_skb/") {
            let detail = text_of(&facility["detail"]);
            given
                .verified
                .push(detail.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    let code = console.block("check-code").unwrap_or_default();
    ensure!(code == "0", "`monitor check` ended with {code}: {text}");
    Ok(())
}

fn ran(console: &Console, _: &mut Given) -> Result<()> {
    let code = console.block("run-code").context("not printed")?;
    ensure!(
        code == "0",
        "`monitor run` ended with {code}: {}",
        console.block("log").unwrap_or_default()
    );
    Ok(())
}

/// Each request once, with the sizes that the client counted, and the program that served it.
fn transactions(console: &Console, given: &mut Given) -> Result<()> {
    let mut bodies = Vec::new();
    let told = records(console, "http")?;
    given.transactions = told.len();
    for record in &told {
        let (request, response) = (&record["request"], &record["response"]);
        ensure!(record["complete"] == true, "not complete: {record}");
        ensure!(record["role"] == "server", "not told of the server's end: {record}");
        let exe = text_of(&record["process"]["exe"]);
        ensure!(exe == "/bin/busybox", "served by {exe}: {record}");
        bodies.push((
            text_of(&request["path"]).to_owned(),
            response["status"].as_u64().unwrap_or(0),
            response["body_bytes"].as_u64().unwrap_or(0),
        ));
    }
    let counted = console.block("bodies").context("no client's counts")?;
    let counted: Vec<u64> = counted.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let expected: Vec<u64> = [vec![SMALL as u64; SMALL_REQUESTS], vec![LARGE as u64, 0]].concat();
    ensure!(
        counted == expected,
        "the clients were given {counted:?}, not {expected:?}"
    );
    let of = |path: &str, status| -> Vec<u64> {
        let alike = bodies.iter().filter(|(p, s, _)| p == path && *s == status);
        alike.map(|(_, _, bytes)| *bytes).collect()
    };
    ensure!(
        of("/small", 200) == vec![SMALL as u64; SMALL_REQUESTS],
        "/small: {bodies:?}"
    );
    ensure!(of("/large", 200) == [LARGE as u64], "/large: {bodies:?}");
    ensure!(of("/absent", 404).len() == 1, "/absent: {bodies:?}");
    ensure!(
        bodies.len() == SMALL_REQUESTS + 2,
        "{} transactions: {bodies:?}",
        bodies.len()
    );
    Ok(())
}

/// The connections' bytes are those of the messages on them, and both programs are named.
fn bytes(console: &Console, _: &mut Given) -> Result<()> {
    let flows = records(console, "flow")?;
    for record in records(console, "http")? {
        let flow = flows
            .iter()
            .find(|flow| flow["flow"] == record["flow"] && flow["event"] == "close")
            .with_context(|| format!("no end of the connection of {record}"))?;
        let size = |half: &str| {
            let of = |name| record[half][name].as_u64().unwrap_or(0);
            of("header_bytes") + of("body_bytes")
        };
        ensure!(flow["bytes_sent"] == size("response"), "sent: {flow}, of {record}");
        ensure!(
            flow["bytes_received"] == size("request"),
            "received: {flow}, of {record}"
        );
        for end in ["process", "peer_process"] {
            ensure!(flow[end]["exe"] == "/bin/busybox", "{end}: {flow}");
        }
    }
    Ok(())
}

fn alert(console: &Console, _: &mut Given) -> Result<()> {
    let alerts = records(console, "alert")?;
    let about = |alert: &&Value| {
        alert["detector"] == "unknown_destination" && text_of(&alert["target"]["destination"]).contains(ELSEWHERE)
    };
    let alert = alerts.iter().find(about);
    ensure!(alert.is_some(), "none among {} alerts", alerts.len());
    Ok(())
}

fn losses(console: &Console, _: &mut Given) -> Result<()> {
    let stats = records(console, "stats")?;
    let last = stats.last().context("no stats")?;
    let lost = last["events"]["lost"].as_object().context("no causes of loss")?;
    let some: Vec<_> = lost.iter().filter(|(_, count)| count.as_u64() != Some(0)).collect();
    ensure!(some.is_empty(), "{some:?}");
    Ok(())
}

fn records(console: &Console, kind: &str) -> Result<Vec<Value>> {
    let text = console.block("records").context("no records were printed")?;
    let mut records = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match serde_json::from_str::<Value>(line) {
            Ok(record) if record["type"] == kind => records.push(record),
            Ok(_) => {}
            Err(error) => bail!("{error}: {line}"),
        }
    }
    Ok(records)
}

fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
