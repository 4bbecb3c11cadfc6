//! Measures what the monitor costs. Usage: overhead [--rounds N] [--seconds N] [--connections N] [--records LIST]
//! [--budget PERCENT] [--json FILE] [--floor SHARE]
//!
//! Prints a table, writes the same as JSON to FILE, and fails if less than SHARE of the throughput is kept.

use std::fs;
use std::process::ExitCode;
use std::str::FromStr;

use anyhow::{Context, bail};
use monitor_tests::bench::{Plan, measure};

fn main() -> anyhow::Result<ExitCode> {
    let mut plan = Plan::default();
    let (mut json, mut floor) = (None, 0.0);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--rounds" => plan.rounds = number(&flag, &value)?,
            "--seconds" => plan.seconds = number(&flag, &value)?,
            "--connections" => plan.connections = number(&flag, &value)?,
            "--records" => plan.records = value,
            "--budget" => plan.budget = number(&flag, &value)?,
            "--json" => json = Some(value),
            "--floor" => floor = number(&flag, &value)?,
            _ => bail!("{flag} is not known: --rounds, --seconds, --connections, --records, --budget, --json, --floor"),
        }
    }
    let Some(report) = measure(&plan) else {
        return Ok(ExitCode::FAILURE);
    };
    println!("{report}");
    if let Some(path) = json {
        fs::write(&path, format!("{:#}\n", report.json())).with_context(|| format!("writing {path}"))?;
    }
    let kept = report.kept().median;
    if kept < floor {
        eprintln!("only {kept:.3} of the throughput is kept, less than {floor}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn number<T: FromStr>(flag: &str, value: &str) -> anyhow::Result<T> {
    value
        .parse()
        .ok()
        .with_context(|| format!("{flag} {value} is not a number"))
}
