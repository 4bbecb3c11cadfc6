//! The command line: one file a subcommand. What was typed is turned into what it means before anything runs.

#[cfg(feature = "live")]
mod alerts;
#[cfg(feature = "live")]
mod allow;
mod backtest;
#[cfg(feature = "live")]
mod baseline;
#[cfg(feature = "live")]
mod check;
#[cfg(feature = "live")]
mod compare;
mod completions;
mod config;
#[cfg(feature = "live")]
mod coverage;
#[cfg(feature = "live")]
mod destinations;
#[cfg(feature = "live")]
mod endpoints;
#[cfg(feature = "live")]
mod expect;
#[cfg(feature = "live")]
mod explain;
#[cfg(feature = "live")]
mod facilities;
mod failure;
#[cfg(feature = "live")]
mod flows;
#[cfg(feature = "live")]
mod identities;
#[cfg(feature = "live")]
mod incidents;
#[cfg(feature = "live")]
mod listing;
mod man;
#[cfg(feature = "live")]
mod reload;
mod replay;
#[cfg(feature = "live")]
mod requests;
#[cfg(feature = "live")]
mod run;
mod schema;
#[cfg(feature = "live")]
mod status;
mod table;
#[cfg(feature = "live")]
mod top;
#[cfg(feature = "live")]
mod view;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::sinks::{OutputSpec, Where};
use failure::Failure;

/// Watches who asks this host's APIs for what, which process answers, and where the bytes go.
#[derive(Debug, Parser)]
#[command(name = "monitor", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 it failed, 2 usage, 3 no daemon answers, 4 a file is damaged.")]
pub struct Cli {
    /// Control socket of the daemon
    #[cfg(feature = "live")]
    #[arg(long, global = true, env = "MONITOR_SOCKET", value_name = "PATH")]
    socket: Option<std::path::PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[cfg(feature = "live")]
    Run(run::Run),
    #[cfg(feature = "live")]
    Check(check::Check),
    #[cfg(feature = "live")]
    Status(status::Status),
    #[cfg(feature = "live")]
    Flows(flows::Flows),
    #[cfg(feature = "live")]
    Requests(requests::Requests),
    #[cfg(feature = "live")]
    Endpoints(endpoints::Endpoints),
    #[cfg(feature = "live")]
    Identities(identities::Identities),
    #[cfg(feature = "live")]
    Destinations(destinations::Destinations),
    #[cfg(feature = "live")]
    Coverage(coverage::Coverage),
    #[cfg(feature = "live")]
    Alerts(alerts::Alerts),
    #[cfg(feature = "live")]
    Incidents(incidents::Incidents),
    #[cfg(feature = "live")]
    Top(top::Top),
    #[cfg(feature = "live")]
    Compare(compare::Compare),
    #[cfg(feature = "live")]
    Explain(explain::Explain),
    #[cfg(feature = "live")]
    Allow(allow::Allow),
    #[cfg(feature = "live")]
    Expect(expect::Expect),
    #[cfg(feature = "live")]
    Baseline(baseline::Baseline),
    #[cfg(feature = "live")]
    Reload(reload::Reload),
    Replay(replay::Replay),
    Backtest(backtest::Backtest),
    Config(config::Config),
    Schema(schema::Schema),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Does what `arguments` ask for.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => failure::report(cli.run()),
        Err(error) => {
            // Help goes to standard output with 0, a mistake to standard error with 2; who has closed them knows.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
    }
}

impl Cli {
    fn run(self) -> Result<(), Failure> {
        #[cfg(feature = "live")]
        let asked_for = self.socket;
        #[cfg(feature = "live")]
        let socket = asked_for
            .clone()
            .unwrap_or_else(|| crate::control::DEFAULT_SOCKET.into());
        match self.command {
            #[cfg(feature = "live")]
            Command::Run(command) => command.run(asked_for),
            #[cfg(feature = "live")]
            Command::Check(command) => command.run(),
            #[cfg(feature = "live")]
            Command::Status(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Flows(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Requests(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Endpoints(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Identities(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Destinations(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Coverage(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Alerts(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Incidents(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Top(top::Top {}) => top::run(&socket),
            #[cfg(feature = "live")]
            Command::Compare(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Explain(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Allow(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Expect(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Baseline(command) => command.run(&socket),
            #[cfg(feature = "live")]
            Command::Reload(command) => command.run(&socket),
            Command::Replay(command) => command.run(),
            Command::Backtest(command) => command.run(),
            Command::Config(command) => command.run(),
            Command::Schema(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}

/// What was asked for, else what the configuration says, else standard output.
fn outputs(asked_for: Vec<OutputSpec>, config: &crate::config::Config) -> Vec<OutputSpec> {
    if !asked_for.is_empty() {
        return asked_for;
    }
    let place = config.output.path.clone().map_or(Where::Stdout, Where::File);
    vec![OutputSpec { types: None, place }]
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
