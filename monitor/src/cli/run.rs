//! `monitor run`.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use super::failure::Failure;
use super::outputs;
use crate::capture::ebpf::{Capture, require_root};
use crate::config::Config;
use crate::confine::{Confinement, Role};
use crate::daemon::{self, Kept, Options};
use crate::sinks::OutputSpec;
use crate::sinks::json::RecordSet;
use crate::store::{self, Store};

/// Watch this host, in the foreground
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Configuration file; without one the defaults hold
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Types of records to write, separated by commas: http, flow, dns, tls, alert, incident, stats
    #[arg(long, value_name = "LIST", default_value = "alert,incident,stats")]
    records: RecordSet,
    /// Where records go; `TYPE=` in front takes only those types. `-` is standard output, which is the default
    #[arg(long = "output", value_name = "[TYPE=]FILE|-")]
    outputs: Vec<OutputSpec>,
    /// Directory for what is learned, allow rules and the key of fingerprints
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Log what the kernel programs see of each connection's life; for debugging the monitor itself, and dear
    #[arg(long)]
    kernel_log: bool,
    /// Attach kernel programs that return at once, to measure what the hooks alone cost: nothing is seen
    #[arg(long, hide = true)]
    empty_programs: bool,
}

impl Run {
    pub(super) fn run(self, socket: Option<PathBuf>) -> Result<(), Failure> {
        let kernel_log = self.kernel_log;
        log_to_stderr(if kernel_log { "debug" } else { "info" });
        let mut config = match &self.config {
            Some(path) => Config::read(path)?,
            None => Config::default(),
        };
        config.capture.empty_programs = self.empty_programs;
        require_root()?;
        let directory = store::directory(self.state.as_deref());
        let outputs_are_asked_for = !self.outputs.is_empty();
        let outputs = outputs(self.outputs, &config);
        let socket = socket.unwrap_or_else(|| config.control.socket.clone());
        let confinement = if config.daemon.confine {
            Confinement::new(&outputs, &socket, &directory)
        } else {
            Confinement::off()
        };
        let options = Options {
            host: config.host.name.clone().or_else(host_name).map(Into::into),
            records: self.records,
            outputs_are_asked_for,
            outputs,
            config: self.config,
            cpu_percent: config.budget.cpu_percent,
            socket,
            group: config.control.group.clone(),
            lock: daemon::LOCK.into(),
            confinement: confinement.clone(),
        };
        daemon::run(
            &options,
            move || start(&config, &directory, kernel_log, &confinement),
            std::future::pending(),
        )?;
        Ok(())
    }
}

fn start(
    config: &Config,
    directory: &std::path::Path,
    kernel_log: bool,
    confinement: &Confinement,
) -> Result<(Kept, Capture)> {
    let opened = Store::open(directory)?;
    let capture = Capture::start(&config.capture, directory, kernel_log, confinement)?;
    // What follows reads files as a reload will: what cannot be read then is told now.
    confinement.enter(Role::Engine);
    for facility in capture.facilities() {
        if let crate::capture::facility::FacilityState::Degraded { lost, mend } = &facility.state {
            warn!("without {}: {lost} ({mend})", facility.name);
        }
    }
    let (core, notices) = Kept::open(config, opened.store, opened.key, capture.now())?;
    for notice in opened.notices.iter().chain(&notices) {
        warn!("{notice}");
    }
    info!(
        "{} kernel programs attached",
        capture.facilities().iter().filter(|f| !f.is_missing()).count()
    );
    Ok((core, capture))
}

fn host_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Some(name).filter(|name| !name.is_empty() && name != "(none)")
}

/// Log lines go to standard error, warnings and up unless `MONITOR_LOG` says otherwise; records never do.
fn log_to_stderr(level: &str) {
    let filter = EnvFilter::try_from_env("MONITOR_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .try_init();
}
