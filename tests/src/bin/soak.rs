//! Watches servers for long, and compares. Usage: soak [--minutes N] [--life SECONDS]

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use monitor_tests::soak::{Plan, run};

fn main() -> anyhow::Result<ExitCode> {
    let (mut minutes, mut life) = (60, 60);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        let number: u64 = value.parse().with_context(|| format!("{flag} {value}"))?;
        match flag.as_str() {
            "--minutes" => minutes = number,
            "--life" => life = number.max(1),
            _ => bail!("{flag} is not known: --minutes, --life"),
        }
    }
    let servers = usize::try_from(minutes * 60 / life)?.max(1);
    let Some(report) = run(Plan {
        servers,
        life: Duration::from_secs(life),
    }) else {
        return Ok(ExitCode::FAILURE);
    };
    println!("{report}");
    Ok(if report.lost == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
