//! The command line: one file a subcommand. What was typed is turned into what it means before anything runs.

mod alerts;
mod allow;
mod check;
mod completions;
mod config;
mod explain;
mod facilities;
mod failure;
mod flows;
mod listing;
mod man;
mod requests;
mod run;
mod schema;
mod status;
mod table;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::control::DEFAULT_SOCKET;
use failure::Failure;

/// Watches who asks this host's APIs for what, which process answers, and where the bytes go.
#[derive(Debug, Parser)]
#[command(name = "monitor", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 it failed, 2 usage, 3 no daemon answers.")]
pub struct Cli {
    /// Control socket of the daemon
    #[arg(long, global = true, env = "MONITOR_SOCKET", value_name = "PATH")]
    socket: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Run),
    Check(check::Check),
    Status(status::Status),
    Flows(flows::Flows),
    Requests(requests::Requests),
    Alerts(alerts::Alerts),
    Explain(explain::Explain),
    Allow(allow::Allow),
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
        let asked_for = self.socket;
        let socket = asked_for.clone().unwrap_or_else(|| DEFAULT_SOCKET.into());
        match self.command {
            Command::Run(command) => command.run(asked_for),
            Command::Check(command) => command.run(),
            Command::Status(command) => command.run(&socket),
            Command::Flows(command) => command.run(&socket),
            Command::Requests(command) => command.run(&socket),
            Command::Alerts(command) => command.run(&socket),
            Command::Explain(command) => command.run(&socket),
            Command::Allow(command) => command.run(&socket),
            Command::Config(command) => command.run(),
            Command::Schema(command) => command.run(),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
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
