//! Boots kernels and checks what the monitor does there. Usage: guests [--limit SECONDS] [--console DIR] KERNEL…
//!
//! Takes the monitor from `MONITOR_BIN`. Prints a table; fails where something did not hold.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use monitor_tests::guest::acceptance::{Given, judge};
use monitor_tests::guest::archive::Archive;
use monitor_tests::guest::{machine, script};

fn main() -> Result<()> {
    let mut limit = Duration::from_mins(5);
    let mut console_at: Option<PathBuf> = None;
    let mut kernels = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--limit" => limit = Duration::from_secs(value()?.parse().context("--limit takes seconds")?),
            "--console" => console_at = Some(value()?.into()),
            flag if flag.starts_with('-') => bail!("{flag} is not known: --limit, --console"),
            _ => kernels.push(PathBuf::from(argument)),
        }
    }
    if kernels.is_empty() {
        bail!("no kernel is named: guests [--limit SECONDS] [--console DIR] KERNEL…");
    }
    let initramfs = tempfile::NamedTempFile::new()?;
    std::fs::write(&initramfs, file_system()?)?;
    let mut failed = 0;
    println!("kernel | verified: ingress, egress | transactions | seconds | degraded");
    for kernel in &kernels {
        eprintln!("booting {}", kernel.display());
        let (console, took) = machine::boot(kernel, initramfs.path(), limit)?;
        if let Some(folder) = &console_at {
            std::fs::create_dir_all(folder)?;
            let name = kernel.file_name().unwrap_or_default();
            std::fs::write(folder.join(name).with_extension("log"), console.text())?;
        }
        let given = judge(&console);
        println!("{}", line(&given, took));
        if !given.failures.is_empty() {
            failed += 1;
            for failure in &given.failures {
                eprintln!("{}: {failure}", kernel.display());
            }
            eprintln!("{}", console.tail());
        }
    }
    if failed > 0 {
        bail!("{failed} of {} kernels failed", kernels.len());
    }
    Ok(())
}

fn file_system() -> Result<Vec<u8>> {
    let monitor = std::env::var_os("MONITOR_BIN").context("MONITOR_BIN names no monitor")?;
    let busybox = Path::new("/bin/busybox");
    let mut archive = Archive::default();
    for folder in ["dev", "proc", "sys", "run", "tmp"] {
        archive.directory(Path::new(folder));
    }
    archive.program(Path::new("bin/monitor"), Path::new(&monitor))?;
    archive.program(Path::new("bin/busybox"), busybox)?;
    archive.file(Path::new("init"), script::init().as_bytes());
    Ok(archive.finish())
}

fn line(given: &Given, took: Duration) -> String {
    let degraded = if given.degraded.is_empty() {
        "nothing".to_owned()
    } else {
        given.degraded.join("; ")
    };
    format!(
        "{} | {} | {} | {} | {degraded}",
        given.kernel,
        given.verified.join(", "),
        given.transactions,
        took.as_secs(),
    )
}
