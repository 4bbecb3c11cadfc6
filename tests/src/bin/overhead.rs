//! Measures what the monitor costs. Usage: overhead [--loads LIST] [--rounds N] [--seconds N] [--connections N]
//! [--records LIST] [--budget PERCENT] [--beside LIST] [--json FILE] [--plot FILE] [--least SHARE] [--noisy true]
//!
//! Prints a table for each load (`all`, or some of small, churn, download, upload, half, idle, crowd, datagrams), writes the same
//! as JSON and as a picture (SVG), and fails if less than SHARE of the throughput of the first is kept. With --beside other
//! watchers (tcpdump, suricata, bpftrace) are measured in the same rounds. A machine that does other things
//! is refused unless --noisy is true.

use std::fs;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, bail};
use monitor_tests::bench::{Load, Plan, measure, plot};

fn main() -> anyhow::Result<ExitCode> {
    let mut plan = Plan::default();
    let (mut json, mut picture, mut least) = (None, None, 0.0);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--rounds" => plan.rounds = number(&flag, &value)?,
            "--seconds" => plan.seconds = number(&flag, &value)?,
            "--connections" => plan.connections = number(&flag, &value)?,
            "--records" => plan.records = value,
            "--budget" => plan.budget = number(&flag, &value)?,
            "--loads" => plan.loads = loads(&value)?,
            "--beside" => plan.peers = listed(&value)?,
            "--json" => json = Some(value),
            "--plot" => picture = Some(value),
            "--least" => least = number(&flag, &value)?,
            "--noisy" => plan.noisy = number(&flag, &value)?,
            _ => bail!(
                "{flag} is not known: --loads, --rounds, --seconds, --connections, --records, --budget, --beside, --json, --plot, \
                 --least, --noisy"
            ),
        }
    }
    let Some(report) = measure(&plan)? else {
        return Ok(ExitCode::FAILURE);
    };
    println!("{report}");
    if let Some(path) = json {
        fs::write(&path, format!("{:#}\n", report.json())).with_context(|| format!("writing {path}"))?;
    }
    if let Some(path) = picture {
        fs::write(&path, plot(&report)).with_context(|| format!("writing {path}"))?;
    }
    let kept = report.loads.first().map_or(f64::NAN, |first| first.kept().median);
    if kept < least {
        eprintln!("only {kept:.3} of the throughput is kept, less than {least}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn loads(text: &str) -> anyhow::Result<Vec<Load>> {
    if text == "all" {
        return Ok(Load::ALL.into());
    }
    listed(text)
}

fn listed<T: FromStr<Err = String>>(text: &str) -> anyhow::Result<Vec<T>> {
    let names = text.split(',');
    names.map(|name| name.parse().map_err(anyhow::Error::msg)).collect()
}

fn number<T: FromStr>(flag: &str, value: &str) -> anyhow::Result<T> {
    value
        .parse()
        .ok()
        .with_context(|| format!("{flag} {value} is not a number"))
}
