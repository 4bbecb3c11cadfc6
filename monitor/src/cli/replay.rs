//! `monitor replay`.

pub(super) mod feed;
mod hosts;
mod progress;
pub(super) mod run;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use clap::Args;

use super::failure::Failure;
use super::outputs;
use crate::capture::pcap::{Merge, NoCapture, Reader};
use crate::config::Config;
use crate::sinks::OutputSpec;
use crate::sinks::json::RecordSet;

/// Run the engine over packet captures (pcap, pcapng): no root, and the same records every time
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, 1 it failed, 2 usage, 4 a file is damaged or cut, and what could be read was."
)]
pub(super) struct Replay {
    /// Captures, merged by time; `-` is standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Configuration file; without one the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Types of records to write, separated by commas: http, flow, dns, tls, alert, incident, stats
    #[arg(long, value_name = "LIST", default_value = "alert,incident")]
    records: RecordSet,
    /// Where records go; `TYPE=` in front takes only those types. `-` is standard output, which is the default
    #[arg(long = "output", value_name = "[TYPE=]FILE|-")]
    outputs: Vec<OutputSpec>,
    /// Address of the host whose traffic this is, any number of times; goes before `[host] addresses`. Without either it
    /// is told from the packets
    #[arg(long = "host-ip", value_name = "ADDRESS")]
    host_ips: Vec<IpAddr>,
    /// File of 32 bytes that fingerprints are made with; without it they are made with a key that everybody knows
    #[arg(long, value_name = "FILE")]
    identity_key: Option<PathBuf>,
    /// State directory to read and write: what was learned, allow rules, and the key; without it nothing is kept
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Replay {
    pub(super) fn run(self) -> Result<(), Failure> {
        let config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        let key = self.identity_key.as_deref().map(read_key).transpose()?;
        one_stdin(&self.files)?;
        let mut size = 0;
        let mut readers = Vec::new();
        for file in &self.files {
            let (input, bytes) = open(file)?;
            size += bytes.unwrap_or(0);
            let reader = Reader::new(input).map_err(|error| explain(file, error))?;
            readers.push(reader);
        }
        let mut merge = Merge::new(readers);
        run::Run {
            outputs: outputs(self.outputs, &config),
            records: self.records,
            host_ips: self.host_ips,
            key,
            state: self.state,
            size,
        }
        .run(&config, &mut merge)?;
        whole(&self.files, merge.damage())
    }
}

/// Whether files were read whole; else what of them could not be: by their number, the first thing and how many more.
fn whole<D: fmt::Display>(files: &[PathBuf], damage: impl Iterator<Item = (usize, D, u64)>) -> Result<(), Failure> {
    let mut damage = damage.map(|(number, damage, more)| {
        let name = name(&files[number]);
        let more = if more > 0 {
            format!(" (and {more} more like it)")
        } else {
            String::new()
        };
        format!("{name}: {damage}{more}; what could be read was")
    });
    match damage.next() {
        None => Ok(()),
        Some(first) => Err(Failure::Damaged(damage.fold(first, |line, next| line + "; " + &next))),
    }
}

/// An open file, and its size where it has one.
fn open(file: &Path) -> Result<(Box<dyn Read>, Option<u64>), Failure> {
    if is_stdin(file) {
        return Ok((Box::new(io::stdin().lock()), None));
    }
    let open = || -> io::Result<_> {
        let opened = File::open(file)?;
        let metadata = opened.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        Ok((opened, metadata))
    };
    let (opened, metadata) = open().with_context(|| format!("cannot read {}", file.display()))?;
    let size = metadata.is_file().then_some(metadata.len());
    Ok((Box::new(opened), size))
}

fn explain(file: &Path, error: NoCapture) -> Failure {
    Failure::Failed(anyhow!(error).context(format!("cannot replay {}", name(file))))
}

fn one_stdin(files: &[PathBuf]) -> Result<(), Failure> {
    if files.iter().filter(|file| is_stdin(file)).count() > 1 {
        return Err(Failure::Usage(
            "`-` is given twice, and there is one standard input".to_owned(),
        ));
    }
    Ok(())
}

fn is_stdin(file: &Path) -> bool {
    file.as_os_str() == "-"
}

fn name(file: &Path) -> String {
    if is_stdin(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

pub(super) fn read_key(path: &Path) -> Result<[u8; 32], Failure> {
    let cannot = || format!("cannot read the identity key {}", path.display());
    let bytes = std::fs::read(path).with_context(cannot)?;
    let key = <[u8; 32]>::try_from(bytes.as_slice());
    Ok(key.map_err(|_| {
        anyhow!(
            "{} holds {} bytes and a key has 32: use the daemon's identity.key, or make one: head -c32 /dev/urandom",
            path.display(),
            bytes.len()
        )
    })?)
}
